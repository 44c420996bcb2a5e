"""The options of the magics: parsed as a shell would, explained, and mistakes named."""

from __future__ import annotations

import argparse
import difflib
import shlex
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable


class HelpRequested(Exception):  # noqa: N818 - it is no error
    """``--help`` was asked for; the text is its argument."""


class MagicParser(argparse.ArgumentParser):
    """A parser that never leaves the kernel and knows the option that was meant."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog,
            description=description,
            allow_abbrev=False,
            add_help=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("--help", action="store_true", help="show this text")

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse what follows the magic's name.

        Raises
        ------
        HelpRequested
            If the user asks for help.
        UsageError
            If the line cannot be understood.
        """
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"{self.prog}: {error} in: {line.strip()}") from None
        if "--help" in words or "-h" in words:
            raise HelpRequested(self.format_help())
        found, unknown = self.parse_known_args(words)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return found

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} is one word too many"
        option = word.partition("=")[0]
        close = close_option(option, self._option_string_actions)
        return f"there is no option {option}" + (f"; did you mean {close}?" if close else "")

    def error(self, message: str) -> NoReturn:
        """Raise what IPython shows without a traceback."""
        raise UsageError(f"{self.prog}: {message}\nSee: {self.prog} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Raise; a magic does not end the kernel."""
        self.error(message or f"status {status}")


def close_option(option: str, known: Iterable[str]) -> str | None:
    """Give the known option that was probably meant."""
    names = sorted(name for name in known if name.startswith("--"))
    close = difflib.get_close_matches(option, names, n=1, cutoff=0.5)
    return close[0] if close else None


def build_parser() -> MagicParser:
    """Make the parser of ``%%envd_build``."""
    parser = MagicParser(
        "%%envd_build",
        "Build the image of the ImageSpec in this cell.\n\n"
        "The cell is Python: an expression that makes an ImageSpec (the name is there without an\n"
        "import), or assignments named as its fields. It reads the notebook's variables.\n"
        "Options beat what the cell says.",
    )
    add = parser.add_argument
    add("variable", nargs="?", metavar="VARIABLE", help="bound to the final spec after the build")
    _add_spec_options(parser)
    add("--context", metavar="NAME", help="envd context to build in, for this build only")
    add(
        "--push",
        action=argparse.BooleanOptionalAction,
        help="push to the registry, or not (default: push iff there is a registry and "
        "FLYTE_PUSH_IMAGE_SPEC is not false)",
    )
    add("--force", action="store_true", help="build even if the image is there")
    add("--dry-run", action="store_true", help="show the recipe and run nothing")
    return parser


def _add_spec_options(parser: MagicParser) -> None:
    add = parser.add_argument
    add("--name", metavar="NAME", help="name of the image")
    add("--registry", metavar="REGISTRY", help="registry to push to")
    add("--platform", metavar="PLATFORM", help="as linux/amd64; several with commas")
    add("--base-image", metavar="IMAGE", help="image to start from")


#: Options of ``%%envd_build`` that replace a field of the spec.
SPEC_OPTIONS = ("name", "registry", "platform", "base_image")


def preview_parser() -> MagicParser:
    """Make the parser of ``%envd preview``."""
    parser = MagicParser("%envd preview", "Show what envd would be told for an ImageSpec.")
    parser.add_argument("spec", metavar="SPEC", help="name of a variable, or an expression")
    return parser


def doctor_parser() -> MagicParser:
    """Make the parser of ``%envd doctor``."""
    parser = MagicParser(
        "%envd doctor", "Tell whether what a build needs is there: envd, context, engine, base."
    )
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="look for this spec's base image")
    parser.add_argument("--context", metavar="NAME", help="envd context to look at")
    return parser
