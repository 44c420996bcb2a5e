"""envd's output, read: lines and what becomes of each step.

The form is BuildKit's plain progress (``util/progress/progressui/printer.go``): blocks of lines
that start with ``#N ``, in which N is a step's number; blocks of steps that run at the same time
take turns. envd's own messages are logrus lines (``time=… level=… msg=…``).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# A line longer than this is cut in two: a program that writes no line ends must not fill memory.
LONGEST_LINE = 1 << 20


class Line(NamedTuple):
    """One line of output, without its end.

    Parameters
    ----------
    text
        As envd wrote it, secrets masked; bytes that are no UTF-8 as ``\\xff``.
    step
        Number of the step that it belongs to, None if it belongs to none.
    """

    text: str
    step: int | None = None


@dataclass(frozen=True)
class StepStarted:
    """A step has begun, or its name was told."""

    number: int
    name: str


@dataclass(frozen=True)
class StepCached:
    """A step was not run: the layer cache has it."""

    number: int
    name: str


@dataclass(frozen=True)
class StepDone:
    """A step has ended well, after so many seconds."""

    number: int
    name: str
    seconds: float


@dataclass(frozen=True)
class StepFailed:
    """A step has failed, or was cancelled since another had."""

    number: int
    name: str
    error: str


StepEvent = StepStarted | StepCached | StepDone | StepFailed

_BLOCK = re.compile(r"#(\d+) (.*)", re.DOTALL)
_OUTPUT = re.compile(r"\d+\.\d+ ")
_DONE = re.compile(r"DONE (\d+(?:\.\d+)?)s$")
# The last line of a step's output may lack its end; what follows it is then glued to it.
_GLUED_DONE = re.compile(r"#(\d+) (DONE \d+(?:\.\d+)?s|ERROR: .*|CANCELED)$")
_FATAL = re.compile(r'level=(?:fatal|error)\b.*?\berror="((?:[^"\\]|\\.)*)"')


class LineSplitter:
    """Bytes into lines: UTF-8 over chunk borders, nothing lost, no line endless."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._rest = ""

    def feed(self, chunk: bytes) -> list[str]:
        """Give the lines that are whole now."""
        text = self._rest + self._decode(chunk)
        lines = text.split("\n")
        self._rest = lines.pop()
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return lines

    def end(self) -> list[str]:
        """Give what is left when there is no more."""
        rest, self._rest = self._rest + self._decode(b"", final=True), ""
        return [rest] if rest else []


class ProgressReader:
    """Lines into events."""

    def __init__(self) -> None:
        self.error: str | None = None
        """What envd said last of why it failed."""
        self._names: dict[int, str] = {}
        self._ended: set[int] = set()
        self._naming: int | None = None
        self._quoting = False

    def read(self, lines: list[str]) -> Iterator[Line | StepEvent]:
        """Give every line, and after it what it means."""
        for text in lines:
            if text.startswith("#") and (match := _BLOCK.match(text)):
                yield from self._block(text, int(match[1]), match[2])
            elif self._naming is not None and text and not text.startswith("time="):
                yield from self._continued(text)
            else:
                if not text:
                    self._naming = None
                elif text == "------":
                    # The end of a failed build: the last lines of the failed step once more.
                    self._quoting = not self._quoting
                elif "level=" in text and (fatal := _FATAL.search(text)):
                    self.error = _unescape(fatal[1])
                yield Line(text)

    def _block(self, text: str, number: int, rest: str) -> Iterator[Line | StepEvent]:
        yield Line(text, number)
        name = self._names.get(number)
        if self._quoting:
            return
        if name is None:
            self._names[number] = rest
            self._naming = number
            yield StepStarted(number, rest)
            return
        self._naming = None
        if number in self._ended:
            return
        if rest == "CACHED":
            self._ended.add(number)
            yield StepCached(number, name)
        elif match := _DONE.match(rest):
            self._ended.add(number)
            yield StepDone(number, name, float(match[1]))
        elif rest.startswith("ERROR: ") or rest == "CANCELED":
            self._ended.add(number)
            yield StepFailed(number, name, rest.removeprefix("ERROR: "))
        elif rest == name:
            self._naming = number
        elif _OUTPUT.match(rest) and (glued := _GLUED_DONE.search(rest)):
            yield from self._glued(int(glued[1]), glued[2])

    def _glued(self, number: int, rest: str) -> Iterator[StepEvent]:
        if number in self._names and number not in self._ended:
            self._ended.add(number)
            if match := _DONE.match(rest):
                yield StepDone(number, self._names[number], float(match[1]))
            else:
                yield StepFailed(number, self._names[number], rest.removeprefix("ERROR: "))

    def _continued(self, text: str) -> Iterator[Line | StepEvent]:
        """Read on in a name of several lines; a flood that starts at once is none."""
        number = self._naming
        yield Line(text, number)
        if number is None or self._quoting:
            return
        name = self._names[number]
        if len(name) < 100 and number not in self._ended:  # noqa: PLR2004 - names are cut at 72
            self._names[number] = f"{name}\n{text}"
            yield StepStarted(number, self._names[number])


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)
