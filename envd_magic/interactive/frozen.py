"""``%envd freeze`` and ``%envd pin``: from what is there to an ImageSpec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from envd_magic.interactive.choose import chosen_specs, is_name
from envd_magic.interactive.options import SPEC, MagicParser, add_context

if TYPE_CHECKING:
    import argparse

    from flytekit import ImageSpec

    from envd_magic.magic import EnvdMagic


def freeze_parser() -> MagicParser:
    """Make the parser of ``%envd freeze``."""
    parser = MagicParser(
        "%envd freeze",
        "Give what this notebook has imported as an ImageSpec, with exact versions.\n\n"
        "What came from no index (editable, version control, a folder) is told and left out.",
    )
    add = parser.add_argument
    add("variable", nargs="?", metavar="VARIABLE", help="bound to the spec")
    add("--all", action="store_true", help="all that is installed, but what only kernels need")
    add("--no-python", action="store_true", help="leave python_version to the base image")
    return parser


def freeze(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Show the kernel's environment as a spec, and bind it."""
    from envd_magic.freeze.frozen import freeze_all, freeze_kernel, with_flytekit

    shell = magic.shell
    cells = list(shell.history_manager.input_hist_raw) if shell.history_manager else []
    frozen = freeze_kernel(_own(shell.user_ns), cells)
    if options.all:
        frozen = freeze_all(frozen)
    frozen = with_flytekit(frozen)
    _give(magic, "freeze", frozen.spec(python=not options.no_python), options.variable)
    for note in frozen.notes:
        print(f"# note: {note}")


def _own(namespace: dict[str, object]) -> dict[str, object]:
    """Leave out what IPython has put there."""
    hidden = ("In", "Out", "exit", "quit", "open", "get_ipython")
    return {name: value for name, value in namespace.items() if name not in hidden}


def pin_parser() -> MagicParser:
    """Make the parser of ``%envd pin``."""
    parser = MagicParser(
        "%envd pin", "Give the exact versions that the build of an ImageSpec resolved."
    )
    parser.add_argument("spec", metavar="SPEC", help=SPEC)
    parser.add_argument("variable", nargs="?", metavar="VARIABLE", help="bound to the pinned spec")
    add_context(parser)
    return parser


def pin(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Show a spec with what its image has, and bind it."""
    from envd_magic.engine.images import inspect
    from envd_magic.interactive.choose import configured, engine_of
    from envd_magic.spec.tag import image_name
    from envd_magic.verification.pinning import pinned

    specs = configured(chosen_specs(options.spec, magic.shell.user_ns), None, magic)
    if specs.keys is not None:
        raise UsageError(f"%envd pin: {options.spec} holds several specs; take one of them")
    spec = specs.items[0][1]
    with engine_of(magic, options.context) as engine:
        image = image_name(spec)
        if inspect(engine, image) is None:
            raise UsageError(
                f"%envd pin: {image} is not in the engine; first: %envd build {options.spec}"
            )
        found = pinned(spec, engine, image)
    _give(magic, "pin", found.spec, options.variable)
    for note in found.notes:
        print(f"# note: {note}")


def _give(magic: EnvdMagic, command: str, spec: ImageSpec, variable: str | None) -> None:
    """Print a spec and bind it."""
    from envd_magic.spec.source import format_spec

    if variable is not None:
        if not is_name(variable):
            raise UsageError(f"%envd {command}: {variable!r} is no name of a variable")
        magic.shell.user_ns[variable] = spec
    print(f"{variable} = {format_spec(spec)}" if variable else format_spec(spec))
