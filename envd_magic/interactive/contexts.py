"""``%envd context``: the contexts that builds can take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from envd_magic.interactive.options import MagicParser
from envd_magic.spec.names import CONTEXT_ACTIONS, builders_help

if TYPE_CHECKING:
    import argparse

    from envd_magic.magic import EnvdMagic

_NAMES = ("builder", "address", "certificates")


def context_parser() -> MagicParser:
    """Make the parser of ``%envd context``."""
    parser = MagicParser(
        "%envd context",
        "List envd's contexts, or add, check or remove one.\n\n"
        "What is added is for builds of envd_magic: your envd's own contexts, and which of them\n"
        "is current, stay as they are. --context of a build takes one for that build.",
    )
    add = parser.add_argument
    add("action", nargs="?", choices=CONTEXT_ACTIONS, default="list", help="list is the default")
    add("context", nargs="?", metavar="NAME", help="without one, check looks at what a build takes")
    add("--builder", metavar="KIND", help="with add: kind of the builder, see below")
    add("--address", metavar="ADDRESS", help="with add: where it is, see below")
    add(
        "--certificates",
        metavar="FOLDER",
        help="with add, over TCP: has ca.pem, cert.pem and key.pem",
    )
    parser.epilog = builders_help()
    return parser


def context(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """List, add, check or remove."""
    asked = magic.setting("context")
    if options.action != "add":
        for name in _NAMES:
            if getattr(options, name) is not None:
                raise UsageError(f"%envd context {options.action}: --{name} is for add")
    if options.action == "check":
        _check(magic, options.context or asked)
        return
    from envd_magic.envd import managing

    if options.action == "list":
        from envd_magic.view.images import table
        from envd_magic.view.lines import plain

        rows, told = managing.listing(asked)
        print(plain(f"{table(rows)}\n{told}"))
        return
    if options.context is None:
        raise UsageError(f"%envd context {options.action}: NAME is missing")
    if options.action == "remove":
        print(managing.remove(options.context))
    else:
        print(managing.add(options.context, *(getattr(options, name) for name in _NAMES)))


def _check(magic: EnvdMagic, name: str | None) -> None:
    from envd_magic.doctor.examine import OF_CONTEXTS
    from envd_magic.doctor.finding import has_failed
    from envd_magic.doctor.subject import Subject
    from envd_magic.errors import ContextError
    from envd_magic.interactive.examining import show_examined

    if has_failed(show_examined(magic, [Subject(context=name)], OF_CONTEXTS)):
        raise ContextError(f"The context {name or 'that a build takes'} cannot be used")
