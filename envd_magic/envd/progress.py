"""envd's output, read: lines and what becomes of each step.

The form is BuildKit's plain progress (``util/progress/progressui/printer.go``): blocks of lines
that start with ``#N ``, in which N is a step's number; blocks of steps that run at the same time
take turns. What a step wrote before BuildKit gave it a number has 0 in its place: lines of output
belong to the block that they stand in. envd's own messages are logrus lines (``time=… level=…
msg=…``).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# A line longer than this is cut in two: a program that writes no line ends must not fill memory.
LONGEST_LINE = 1 << 20
# Characters that wait for the next piece of such a line: a secret is not cut in two.
_HELD = 1 << 12
# envd is told to cut names at 72 characters.
_LONGEST_NAME = 100
# Characters of each running step's output kept in memory, and lines told where it fails.
_TAIL = 1 << 14
_LAST_LINES = 10


class Output(NamedTuple):
    r"""Lines of output, as many as came at once.

    Parameters
    ----------
    text
        As envd wrote it, with the last line's end; secrets masked; bytes that are no UTF-8 as
        ``\xff``.
    """

    text: str

    @property
    def lines(self) -> list[str]:
        """The lines, without their ends."""
        return self.text[:-1].split("\n")


@dataclass(frozen=True)
class StepStarted:
    """A step has begun, or its name was told.

    Parameters
    ----------
    number
        BuildKit's; a build for a second platform counts anew.
    name
        What it does.
    field
        The ImageSpec field that it comes from, "" if it comes from none.
    run
        Which of a build's envd commands it belongs to, from 1 on.
    """

    number: int
    name: str
    field: str = ""
    run: int = 1


@dataclass(frozen=True)
class StepCached:
    """A step was not run: the layer cache has it."""

    number: int
    name: str
    field: str = ""
    run: int = 1


@dataclass(frozen=True)
class StepDone:
    """A step has ended well, after so many seconds."""

    number: int
    name: str
    seconds: float
    field: str = ""
    run: int = 1


@dataclass(frozen=True)
class StepFailed:
    """A step has failed, or was cancelled since another had; with the last lines it wrote."""

    number: int
    name: str
    error: str
    field: str = ""
    run: int = 1
    lines: tuple[str, ...] = ()

    @property
    def cancelled(self) -> bool:
        """Did it end for no reason of its own?"""
        return self.error == "CANCELED"


StepEvent = StepStarted | StepCached | StepDone | StepFailed

# A line of a step that is not its output (that has the seconds before it), or a border. It begins
# with plain characters, for which a regular expression need not be tried at every place: a
# flood of a hundred thousand lines costs next to nothing.
_TELLING = re.compile(r"\n(?:#(\d+) (?!\d+\.\d+ )([^\n]*)|------(?=\n))")
# The same, or a line of output that lacks its end, so that the step's own is glued to it. It reads
# every line to its end, so it is for texts that have one of the words.
_TELLING_OR_GLUED = re.compile(
    r"\n(?:#(\d+) (?!\d+\.\d+ [^#\n]*(?:#(?!\d+ [DEC])[^#\n]*)*\n)([^\n]*)|------(?=\n))"
)
_ENDS = ("DONE ", "ERROR: ", "CANCELED")
# How the rest of a line begins that tells something of the step whose block it is.
_TELLS = frozenset("CDE0123456789")
_OUTPUT = re.compile(r"\d+\.\d+ ")
_OUTPUT_LINE = re.compile(r"^#\d+ \d+\.\d+ (.*)$", re.MULTILINE)
_NO_NAME = re.compile(r"#\d+ |time=")
_DONE = re.compile(r"DONE (\d+(?:\.\d+)?)s$")
_GLUED_DONE = re.compile(r"#(\d+) (DONE \d+(?:\.\d+)?s|ERROR: .*|CANCELED)$")
# An error names the whole command, which may have lines like ours.
_COMMAND = "executor failed running ["
_COMMAND_END = re.compile(r"\]: [^\n]*(?:\n|$)")
# envd's own words lie near; farther, a long line would be read again from each place.
_FATAL = re.compile(r'level=(?:fatal|error)\b[^\n]{0,200}?\berror="((?:[^"\\\n]|\\.)*)"')


class LineSplitter:
    """Bytes into whole lines: UTF-8 over chunk borders, nothing lost, no line endless.

    Parameters
    ----------
    mask
        Takes secrets out of a line before it is cut.
    """

    def __init__(self, mask: Callable[[str], str] = str) -> None:
        self._mask = mask
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._rest = ""

    def feed(self, chunk: bytes) -> str:
        """Give the lines that are whole now, as one text that ends a line; "" if none is."""
        text = self._decode(chunk)
        end = text.rfind("\n") + 1
        if end:
            whole, self._rest = self._rest + text[:end], text[end:]
            return whole
        self._rest += text
        if len(self._rest) < LONGEST_LINE:
            return ""
        text = self._mask(self._rest)
        whole, self._rest = text[:-_HELD] + "\n", text[-_HELD:]
        return whole

    def end(self) -> str:
        """Give what is left when there is no more."""
        rest, self._rest = self._rest + self._decode(b"", final=True), ""
        return rest + "\n" if rest else ""


class ProgressReader:
    """Lines into events."""

    def __init__(self) -> None:
        self.error: str | None = None
        """What envd said last of why it failed."""
        self._names: dict[int, str] = {}
        self._ended: set[int] = set()
        self._tails: dict[int, str] = {}
        self._block = 0
        self._naming: int | None = None
        self._in_error = False
        self._quoting = False

    def read(self, text: str) -> Iterator[Output | StepEvent]:
        """Give all of a text that ends a line, and after each telling line what it means."""
        if "level=" in text:
            for fatal in _FATAL.finditer(text):
                self.error = _unescape(fatal[1])
        yield from self._steps(text)

    def _steps(self, text: str) -> Iterator[Output | StepEvent]:
        start = 0
        if self._naming is not None:
            start = yield from self._rest_of_name(text, 0)
        read = start if not self._in_error else self._rest_of_error(text, start)
        pattern = _TELLING_OR_GLUED if any(word in text for word in _ENDS) else _TELLING
        # A line end before the text makes its first line like the others.
        for match in pattern.finditer("\n" + text):
            # Where it begins and ends in the longer text is where its line does in `text`.
            begin, end = match.span()
            if begin < read:
                continue
            if match[2] and match[2][0] not in _TELLS and int(match[1]) == self._block:
                continue
            self._keep(text[read:begin])
            read = end
            if match[1] is None:
                # The end of a failed build: the last lines of the failed step once more.
                self._quoting = not self._quoting
                continue
            found = list(self._line(int(match[1]), match[2]))
            if found:
                yield Output(text[start:end])
                start = end
                yield from found
            if self._naming is not None:
                start = read = yield from self._rest_of_name(text, start)
            elif self._in_error:
                read = self._rest_of_error(text, read)
        self._keep(text[read:])
        if start < len(text):
            yield Output(text[start:])

    def _line(self, number: int, rest: str) -> Iterator[StepEvent]:
        if self._quoting:
            return
        is_output = _OUTPUT.match(rest)
        self._block = number = number or self._block
        name = self._names.get(number)
        if is_output:
            glued = _GLUED_DONE.search(rest)
            ends = glued is not None and int(glued[1]) == number
            self._keep(f"#0 {rest[: glued.start()] if glued and ends else rest}\n")
            if glued and ends:
                yield from self._line(number, glued[2])
        elif name is None:
            self._names[number] = rest
            self._naming = number
            yield StepStarted(number, rest)
        elif number not in self._ended:
            yield from self._end(number, name, rest)

    def _end(self, number: int, name: str, rest: str) -> Iterator[StepEvent]:
        """Tell how a step ended, if the line tells that."""
        if rest == "CACHED":
            event: StepEvent = StepCached(number, name)
        elif match := _DONE.match(rest):
            event = StepDone(number, name, float(match[1]))
        elif rest.startswith("ERROR: ") or rest == "CANCELED":
            error = rest.removeprefix("ERROR: ")
            lines = _OUTPUT_LINE.findall(self._tails.get(number, ""))
            event = StepFailed(number, name, error, lines=tuple(lines[-_LAST_LINES:]))
            self._in_error = error.startswith(_COMMAND) and not _COMMAND_END.search(error)
        else:
            return
        self._ended.add(number)
        self._tails.pop(number, None)
        yield event

    def _keep(self, text: str) -> None:
        """Keep the end of what the step of this block wrote, until the step has ended."""
        number = self._block
        if text and number in self._names and number not in self._ended and not self._quoting:
            self._tails[number] = (self._tails.get(number, "") + text[-_TAIL:])[-_TAIL:]

    def _rest_of_error(self, text: str, start: int) -> int:
        """Give where the command that an error names ends."""
        match = _COMMAND_END.search(text, start)
        self._in_error = match is None
        return len(text) if match is None else match.end()

    def _rest_of_name(self, text: str, start: int) -> Generator[Output | StepEvent, None, int]:
        """Read on in a name of several lines, to the empty line or the next block."""
        number, here = self._naming, start
        if number is None:
            return start
        while here < len(text):
            end = text.index("\n", here)
            line = text[here:end]
            if not line or _NO_NAME.match(line) or len(self._names[number]) > _LONGEST_NAME:
                self._naming = None
                break
            self._names[number] += f"\n{line}"
            here = end + 1
        if here > start:
            yield Output(text[start:here])
            yield StepStarted(number, self._names[number])
        return here


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)
