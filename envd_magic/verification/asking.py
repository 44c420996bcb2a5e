"""Asking an image what is in it: one container without a network, which is removed after it.

The container may be written to, as a task's is: what modules write when they are imported goes
with it.
"""

from __future__ import annotations

import base64
import json
import time
import zlib
from dataclasses import asdict, dataclass, field, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from envd_magic.engine.containers import container, run_command
from envd_magic.errors import CommandError, EngineError
from envd_magic.verification.archive import Shelf
from envd_magic.verification.inside import probe_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envd_magic.engine.client import Engine

#: Seconds that one import may take, and all of them.
ONE_IMPORT, ALL_IMPORTS = 20.0, 60.0
# Seconds for the rest.
_PATIENCE = 60.0
# Linux takes no argument over 128 KiB (MAX_ARG_STRLEN).
_LONGEST_WORD = 100_000
_PYTHONS = ("python", "python3")
NO_PYTHON = "the image has no Python"


@dataclass(frozen=True)
class Question:
    """What an image is asked.

    Parameters
    ----------
    packages
        Canonical names of distributions whose modules are to be imported.
    modules
        Further modules: first names, each with all below it, as "numpy,numpy.linalg".
    files
        Paths, with the sizes that are expected; other files are not read.
    apt
        Names of Debian packages.
    """

    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    apt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What an image has.

    Parameters
    ----------
    why
        Why its Python has told nothing, "" if it has told all.
    has_python
        Has it a Python that can be run here?
    markers
        What markers of requirements ask of a Python (PEP 508).
    executable
        Where its Python is.
    environment
        Variables as a container has them; None if none could be run.
    distributions
        What is installed for its Python: name, version, requires, direct, conda, place,
        modules.
    apt
        dpkg's records of the packages that were asked for, and of those that provide them.
    files
        What is at each path.
    imports
        What came of each import: a state, and what was said.
    """

    why: str = ""
    has_python: bool = True
    markers: Mapping[str, str] = field(default_factory=dict)
    executable: str = ""
    environment: Mapping[str, str] | None = None
    distributions: Sequence[Mapping[str, Any]] = ()
    apt: Sequence[Mapping[str, Any]] = ()
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    imports: Mapping[str, Sequence[str]] = field(default_factory=dict)


def ask(engine: Engine, image: str, question: Question, tick: Callable[[], None]) -> Answer:
    """Ask an image.

    Parameters
    ----------
    engine
        Where the image is.
    image
        Name or ID.
    question
        What is wanted.
    tick
        Is called all the time, and raises what ends the asking.

    Raises
    ------
    EngineError
        If no container can be made of it.
    """
    answer = Answer(why=NO_PYTHON, has_python=False)
    for program in _PYTHONS:
        try:
            answer = _told(engine, image, program, question, tick)
            break
        except CommandError:
            continue  # there is no such program
    unread = [path for path in question.files if _is_unread(answer.files.get(path))]
    if unread or (answer.why and question.apt):
        wanted = replace(question, files={path: question.files[path] for path in unread})
        return _without_python(engine, image, wanted, answer, tick)
    return answer


def _is_unread(found: Mapping[str, Any] | None) -> bool:
    return found is None or found["kind"] == "unreadable"


def _told(
    engine: Engine, image: str, program: str, question: Question, tick: Callable[[], None]
) -> Answer:
    """Let a Python in the image tell."""
    nonce = token_hex(8)
    packed = base64.b64encode(zlib.compress(json.dumps(asdict(question)).encode())).decode()
    words = [
        packed[start : start + _LONGEST_WORD] for start in range(0, len(packed), _LONGEST_WORD)
    ]
    limits = [str(ONE_IMPORT), str(ALL_IMPORTS), nonce]
    said: list[str] = []
    end = time.monotonic() + _PATIENCE + ALL_IMPORTS

    def hear(text: str) -> None:
        tick()
        said.append(text)
        if time.monotonic() > end:
            raise TimeoutError

    command = [program, "-c", probe_source(), *limits, *words]
    try:
        code = run_command(engine, image, command, hear, network=False)
    except TimeoutError:
        return Answer(why="its Python did not answer in time")
    except EngineError as error:
        if "exec format error" not in str(error):
            raise
        return Answer(why="no program of it runs here: it is made for another kind of processor")
    text = "".join(said)
    _, mark, rest = text.partition(f"envd_magic:{nonce}:")
    if not mark:
        return _silent(text, code)
    return _read(json.loads(rest.partition("\n")[0]))


def _read(told: dict[str, Any]) -> Answer:
    return Answer(**told)


def _silent(text: str, code: int) -> Answer:
    """Say why a Python has not told anything."""
    if "exec format error" in text:
        return Answer(why="no program of it runs here: it is made for another kind of processor")
    last = (text.strip().splitlines() or [f"exit code {code}"])[-1]
    return Answer(why=f"its Python could not be asked: {last[:200]}")


def _without_python(
    engine: Engine, image: str, question: Question, answer: Answer, tick: Callable[[], None]
) -> Answer:
    """Let the engine itself give what Python could not: files, and dpkg's records."""
    # Never started: the program need not be there.
    settings = {"entrypoint": ["true"], "network_disabled": True}
    with container(engine, image, settings) as made:
        shelf = Shelf(engine, made)
        files = dict(answer.files)
        for path, size in question.files.items():
            tick()
            files[path] = shelf.file_at(path, size)
        apt = shelf.debian_packages(question.apt) if answer.why and question.apt else answer.apt
    return replace(answer, files=files, apt=apt)
