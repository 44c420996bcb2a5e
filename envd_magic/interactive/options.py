"""The options of the magics: parsed as a shell would, explained, and mistakes named."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from IPython.core.error import UsageError

from envd_magic.interactive.settings import MOST_JOBS
from envd_magic.spec.names import INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


_WIDTH = 88
# What a shell takes as it is: single quotes, where they do not stand in double ones or in braces.
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*")|('[^']*')|\{[^{}]*\}|\\.""", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
# What a name in braces may carry: `{name!r}`.
_CONVERSIONS = (None, "", "s", "r", "a")


class HelpRequested(Exception):  # noqa: N818 - it is no error
    """``--help`` was asked for; the text is its argument."""


class MagicParser(argparse.ArgumentParser):
    """A parser that never leaves the kernel and knows the option that was meant.

    Parameters
    ----------
    prog
        Name of the magic, with its command.
    description
        What it does.
    verbatim
        Name of the list of words after the first that is no option; they are nobody's options.
    """

    def __init__(self, prog: str, description: str, verbatim: str | None = None) -> None:
        super().__init__(
            prog,
            description=description,
            allow_abbrev=False,
            add_help=False,
            # As wide everywhere: what `?` shows is made once, what --help shows each time.
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=_WIDTH),
        )
        self.color = False  # Python 3.14 colours its help
        self._verbatim = verbatim
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
        after: list[str] = []
        if self._verbatim:
            words, after = self._own(words)
        if not {"--help", "-h", "?"}.isdisjoint(words):
            raise HelpRequested(self.format_help())
        found, unknown = self.parse_known_intermixed_args(words)
        if unknown:
            self.error(self._unknown(unknown[0]))
        if self._verbatim:
            setattr(found, self._verbatim, after)
        return found

    def _own(self, words: list[str]) -> tuple[list[str], list[str]]:
        """Split after the first word that is no option and no option's value."""
        at = 0
        while at < len(words) and words[at].startswith("-"):
            action = self._option_string_actions.get(words[at])
            at += 1 if action is None or action.nargs == 0 else 2
        after = words[at + 1 :]
        return words[: at + 1], after[1:] if after[:1] == ["--"] else after

    @property
    def options(self) -> dict[str, argparse.Action]:
        """Its options by their long names, for completion."""
        return {
            name: action
            for name, action in self._option_string_actions.items()
            if name.startswith("--")
        }

    @property
    def words(self) -> list[str]:
        """Names of the words that are no options, in order."""
        return [action.dest for action in self._actions if not action.option_strings]

    def free_words(self, words: list[str]) -> tuple[int | None, str]:
        """Say what comes after some words, for completion.

        Returns
        -------
        tuple
            How many words that are no options there are, None if what comes is another program's;
            and the option whose value comes, "" if none does.
        """
        free, owner = 0, ""
        for word in words:
            if owner:
                owner = ""
            elif word.startswith("-"):
                action = self._option_string_actions.get(word)
                owner = word if action is not None and action.nargs != 0 else ""
            else:
                free += 1
                if self._verbatim:
                    return None, ""
        return free, owner

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


def expanded(line: str, variables: Mapping[str, object]) -> str:
    """Put the notebook's variables in for ``{name}`` and ``$name``, except in single quotes.

    IPython does so for every magic, in single quotes too, and then ``'{1: 2}'`` or the ``$i`` of
    a shell's loop would not arrive as it was written.
    """
    from IPython.utils.text import DollarFormatter

    formatter = DollarFormatter()

    def put_in(text: str) -> str:
        try:
            return str(formatter.vformat(text, (), dict(variables)))
        except Exception:  # noqa: BLE001 - whatever a user's expression raises, as in IPython
            return text

    return "".join(text if quoted else put_in(text) for text, quoted in _segments(line))


def put_in_names(line: str) -> list[str]:
    """Give what :func:`expanded` would evaluate in a line, as it stands there."""
    from IPython.utils.text import DollarFormatter

    found: list[str] = []
    for text, quoted in _segments(line):
        # What comes before the place where a text goes wrong is evaluated all the same.
        with suppress(ValueError):
            for _, name, form, conversion in [] if quoted else DollarFormatter().parse(text):
                if name is not None:
                    is_plain = not form and conversion in _CONVERSIONS
                    found.append(name if is_plain else f"{{{name}:{form}}}")
    return found


def _segments(line: str) -> Iterator[tuple[str, bool]]:
    """Cut a line into texts, and tell of each whether it stands in single quotes."""
    at = 0
    for match in _QUOTED.finditer(line):
        if match[2] is not None:
            yield line[at : match.start()], False
            yield match[0], True
            at = match.end()
    yield line[at:], False


def build_parser() -> MagicParser:
    """Make the parser of ``%%envd_build``."""
    parser = MagicParser(
        "%%envd_build",
        "Build the image of the ImageSpec in this cell.\n\n"
        "The cell is Python: an expression that makes an ImageSpec (the name is there without an\n"
        "import) or a list or dict of them, or assignments named as its fields. It reads the\n"
        "notebook's variables. Options beat what the cell says.",
    )
    add = parser.add_argument
    add("variable", nargs="?", metavar="VARIABLE", help=_BOUND)
    _add_spec_options(parser)
    _add_build_options(parser)
    add("--yaml", action="store_true", help="the cell is YAML, in flytekit's form")
    add("--dry-run", action="store_true", help="show the recipe and run nothing")
    return parser


def spec_build_parser() -> MagicParser:
    """Make the parser of ``%envd build``."""
    parser = MagicParser("%envd build", "Build the image of an ImageSpec that a variable holds.")
    add = parser.add_argument
    add("spec", metavar="SPEC", help=SPEC)
    add("variable", nargs="?", metavar="VARIABLE", help=_BOUND)
    _add_spec_options(parser)
    _add_build_options(parser)
    return parser


def _add_spec_options(parser: MagicParser) -> None:
    add = parser.add_argument
    add("--name", metavar="NAME", help="name of the image")
    add("--registry", metavar="REGISTRY", help="registry to push to")
    add("--platform", metavar="PLATFORM", help="as linux/amd64; several with commas")
    add("--base-image", metavar="IMAGE", help="image to start from")
    add("--installer", choices=INSTALLERS, help="what installs Python packages (default: uv)")


def add_context(parser: MagicParser) -> None:
    """Add the option that says which engine is looked at."""
    parser.add_argument("--context", metavar="NAME", help="use the engine of this envd context")


def add_build_choices(parser: MagicParser) -> None:
    """Add the options that decide what a build does."""
    add = parser.add_argument
    add("--context", metavar="NAME", help="envd context to build in, for this build only")
    add(
        "--push",
        action=argparse.BooleanOptionalAction,
        help="push to the registry, or not (default: push iff there is a registry and "
        "FLYTE_PUSH_IMAGE_SPEC is not false)",
    )
    add("--force", action="store_true", help="build even if the image is there")
    add("--no-cache", action="store_true", help="run every step, whatever earlier builds have left")
    add(
        "--incremental",
        action=argparse.BooleanOptionalAction,
        help="add what is new to what the image's last build installed; without it for a release",
    )


def _add_build_options(parser: MagicParser) -> None:
    add_build_choices(parser)
    add = parser.add_argument
    add(
        "--verify",
        action="store_true",
        help="compare what was built with what was asked for, before it gets its name",
    )
    add("--jobs", type=_some, metavar="N", help="of several images, build N at once (default: 4)")
    add(
        "--shared-cache",
        metavar="REPOSITORY",
        help="repository in which a team keeps what images install, as localhost:5000/team/cache",
    )
    add("--cache-from", metavar="IMAGE", help="take the builder's layer cache from a registry")
    add("--cache-to", metavar="IMAGE", help="put the builder's layer cache into a registry")
    add("--quiet", action="store_true", help="show nothing until the end")
    add(
        "--background",
        action="store_true",
        help="return at once; see %%envd builds, %%envd wait, %%envd cancel",
    )
    add("--traceback", action="store_true", help="on failure, show the whole traceback")


#: Options that replace a field of the spec.
SPEC_OPTIONS = ("name", "registry", "platform", "base_image")
_BOUND = "bound to the final spec after the build; of several, to those that are built"
#: What a word that stands for specs can be.
SPEC = "name of a variable, or an expression (in quotes if it has spaces or quotes)"


def preview_parser() -> MagicParser:
    """Make the parser of ``%envd preview``."""
    parser = MagicParser("%envd preview", "Show what envd would be told for an ImageSpec.")
    parser.add_argument("spec", metavar="SPEC", help=SPEC)
    return parser


def panel_parser() -> MagicParser:
    """Make the parser of ``%envd panel``."""
    parser = MagicParser("%envd panel", "Show a form for an ImageSpec that builds its image.")
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="fills the form")
    return parser


def log_parser() -> MagicParser:
    """Make the parser of ``%envd log``."""
    parser = MagicParser("%envd log", "Show or save the whole log of a build.")
    parser.add_argument(
        "build",
        nargs="?",
        metavar="BUILD",
        help="number of a build (see %%envd builds) or a SPEC; none takes the last build",
    )
    parser.add_argument(
        "--lines",
        type=count,
        metavar="N",
        help="show the last N lines only, 0 for all (default: all, or 2000 of a longer log)",
    )
    parser.add_argument("--save", metavar="FILE", help="write the log to a file")
    return parser


def images_parser() -> MagicParser:
    """Make the parser of ``%envd images``."""
    parser = MagicParser("%envd images", "List what was built here, or remove old images.")
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="images of this name only")
    add("--remove", action="append", metavar="IMAGE", help="remove an image; can be repeated")
    add("--keep", type=count, metavar="N", help="of each name, remove all but the newest N")
    add("--older-than", type=count, metavar="DAYS", help="remove what is older")
    add("--dry-run", action="store_true", help="say what would be removed")
    add_context(parser)
    return parser


def run_parser() -> MagicParser:
    """Make the parser of ``%envd run``."""
    parser = MagicParser(
        "%envd run",
        "Run a command in the image of an ImageSpec, in a container that is removed after it.\n"
        "All that stands after SPEC is the command; quotes are handled as a shell would.",
        verbatim="command",
    )
    parser.usage = "%%envd run [--env NAME=VALUE] [--context NAME] SPEC COMMAND …"
    parser.add_argument("spec", metavar="SPEC", help="a spec, or the name of an image")
    parser.add_argument(
        "--env",
        action="append",
        type=_pair,
        metavar="NAME=VALUE",
        help="set a variable in the container; can be repeated",
    )
    add_context(parser)
    return parser


def job_parser(command: str, description: str, otherwise: str) -> MagicParser:
    """Make the parser of a command that takes a build's number, or what is meant otherwise."""
    parser = MagicParser(f"%envd {command}", description)
    parser.add_argument(
        "build",
        nargs="?",
        type=count,
        metavar="BUILD",
        help=f"its number (see %%envd builds); none: {otherwise}",
    )
    return parser


def plain_parser(command: str, description: str) -> MagicParser:
    """Make the parser of a command that takes nothing."""
    return MagicParser(f"%envd {command}", description)


def count(text: str) -> int:
    """Read a number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


def _some(text: str) -> int:
    if not 1 <= (number := count(text)) <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {MOST_JOBS}")
    return number


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not _NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value
