"""``%envd doctor``: is there what builds need?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from envd_magic.interactive.choose import chosen_specs, configured
from envd_magic.interactive.options import SPEC, MagicParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

    from envd_magic.doctor.finding import Finding
    from envd_magic.doctor.subject import Subject
    from envd_magic.magic import EnvdMagic

_HINT = "the stop button (■) ends it"


def doctor_parser() -> MagicParser:
    """Make the parser of ``%envd doctor``."""
    parser = MagicParser(
        "%envd doctor",
        "Tell whether all is there that builds need, and what to do where it is not.\n\n"
        "envd and its context, the engine, registry and login, base image, platforms, disks,\n"
        "folders and proxies are looked at, all at once; nothing is changed.",
    )
    add = parser.add_argument
    add("spec", nargs="?", metavar="SPEC", help=f"look at what it needs: {SPEC}")
    add("--context", metavar="NAME", help="envd context to look at")
    add("--json", action="store_true", help="print JSON, an object a line")
    return parser


def doctor(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Examine, and show what was found."""
    from envd_magic.doctor.examine import examine

    subjects = _subjects(magic, options)
    if options.json:
        for finding in examine(subjects):
            print(json.dumps(finding.to_json()))
        return
    show_examined(magic, subjects)


def show_examined(
    magic: EnvdMagic, subjects: Sequence[Subject], names: Collection[str] | None = None
) -> list[Finding]:
    """Examine, show what was found, and give it.

    Parameters
    ----------
    magic
        Whose shell shows it.
    subjects
        What is to be built.
    names
        Names of the checks; None takes all.
    """
    from envd_magic.doctor.examine import examine
    from envd_magic.view.display import choose_screen
    from envd_magic.view.findings import examining_card, findings_card

    screen = choose_screen(magic.shell, _HINT)
    screen.update(examining_card(screen.hint))
    try:
        found = examine(subjects, names)
    except KeyboardInterrupt:
        screen.finish(examining_card("stopped"))
        raise
    screen.finish(findings_card(found))
    return found


def _subjects(magic: EnvdMagic, options: argparse.Namespace) -> list[Subject]:
    from envd_magic.doctor.subject import Subject

    context = options.context or magic.setting("context")
    if not options.spec:
        return [Subject(context=context)]
    specs = configured(chosen_specs(options.spec, magic.shell.user_ns), None, magic)
    return [Subject(spec, context) for _, spec in specs.items]
