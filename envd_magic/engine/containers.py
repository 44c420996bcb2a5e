"""Commands in images: run one and hear what it says; ask a base image what Python it has."""

from __future__ import annotations

import codecs
import json
import queue
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import Engine, explained
from envd_magic.errors import CommandError, EngineError
from envd_magic.owner import is_abandoned, private_name
from envd_magic.paths import cache_folder, keep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

_PROBE = """
import json, sys
try:
    from importlib.metadata import version
    flytekit = version("flytekit")
except Exception:
    flytekit = None
numbers = sys.version_info[:3]
known = {"python": "%d.%d" % numbers[:2], "flytekit": flytekit, "version": "%d.%d.%d" % numbers}
print(json.dumps(known))
"""
_OURS = "envd_magic-"
# Containers of this process that an engine may have still or make yet, each after the engine's
# host, and when they were given up; seconds that making one takes at most.
_LEFT: dict[tuple[str, str], float] = {}
_MAKING = 60.0
# Seconds that a base image gets to answer; one that takes longer is not asked twice.
_PATIENCE = 20
_MOMENT = 0.2
# Pieces of output that wait to be shown; a command that says more has to wait.
_MOST_PIECES = 64


def run_command(  # noqa: PLR0913
    engine: Engine,
    image: str,
    command: Sequence[str],
    report: Callable[[str], None],
    env: Mapping[str, str] | None = None,
    *,
    network: bool = True,
) -> int:
    """Run a command in a new container, which is removed after it, whatever happens.

    Parameters
    ----------
    engine
        Where the image is.
    image
        Name or ID.
    command
        Program and arguments; it takes the place of the image's entrypoint.
    report
        Is given the output, of both kinds, as it comes; "" where none comes for a moment.
    env
        Variables to set beside the image's.
    network
        False leaves the container without one.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    CommandError
        If the image has no such program.
    EngineError
        If it cannot be run.
    """
    settings: dict[str, Any] = {"entrypoint": list(command), "environment": dict(env or {})}
    settings["network_disabled"] = not network
    with container(engine, image, settings) as name:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        with explained(f"run {command[0]!r} in {image}"):
            output = engine.api.attach(name, stream=True, logs=True)
            _start(engine, name, command[0], image)
            for chunk in _in_time(output):
                report(decode(chunk))
            # The output may end before the command does: it was cut off, or closed by it.
            code = b""
            for piece in _in_time(_exit_code(engine, name)):
                report("")
                code = piece
            return int(code)


def _exit_code(engine: Engine, container: str) -> Iterator[bytes]:
    yield str(engine.api.wait(container)["StatusCode"]).encode()


def _start(engine: Engine, container: str, program: str, image: str) -> None:
    from docker.errors import APIError

    try:
        engine.api.start(container)
    except APIError as error:
        text = str(error.explanation)
        if "not found" in text or "no such file" in text:
            raise CommandError(f"There is no program {program!r} in {image}") from error
        if "permission denied" in text:
            raise CommandError(f"{program!r} in {image} is no program") from error
        raise


def _in_time(output: Iterator[bytes]) -> Iterator[bytes]:
    """Give what comes, and b"" where nothing comes for a moment.

    The engine's stream is read on a thread: an interrupt is then heard at once, and nobody waits
    for more to see what is there.
    """
    pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=_MOST_PIECES)
    gone = threading.Event()

    def put(piece: bytes | BaseException | None) -> None:
        while not gone.is_set():
            with suppress(queue.Full):
                pieces.put(piece, timeout=_MOMENT)
                return

    def read() -> None:
        try:
            for piece in output:
                put(piece)
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised below, on the other thread
            put(error)

    threading.Thread(target=read, name="envd_magic-output", daemon=True).start()
    try:
        while True:
            try:
                piece = pieces.get(timeout=_MOMENT)
            except queue.Empty:
                yield b""
                continue
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        gone.set()


def sweep(engine: Engine) -> None:
    """Remove the containers that processes have left which are no more."""
    with explained("look for containers that were left"):
        found = engine.api.containers(all=True, filters={"name": _OURS})
    for item in found:
        if any(map(is_abandoned, item["Names"])):
            _remove(engine, item["Id"])


@contextmanager
def container(engine: Engine, image: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """Make a container, which is removed at the end, and give its name.

    Parameters
    ----------
    engine
        Where the image is.
    image
        Name or ID.
    settings
        As the docker SDK's ``create_container`` takes them.
    """
    name = f"{_OURS}{private_name()}"
    made = False
    try:
        with explained(f"make a container of {image}"):
            engine.api.create_container(image, name=name, **settings)
        made = True
        yield name
    except BaseException:
        left = engine.address.host, name
        _LEFT[left] = time.monotonic()
        # What has failed counts, not that an engine which is gone removes nothing either.
        with suppress(EngineError):
            if _remove(engine, name) or made:
                _LEFT.pop(left, None)
        raise
    _remove(engine, name)


def remove_left(engine: Engine, place: str) -> None:
    """Remove containers of this process that an engine which was gone, or given up, has kept.

    Parameters
    ----------
    engine
        A connection to it.
    place
        Its host, as builds name it.
    """
    for left, when in tuple(_LEFT.items()):
        if left[0] == place and (_remove(engine, left[1]) or time.monotonic() - when > _MAKING):
            _LEFT.pop(left, None)


def _remove(engine: Engine, name: str) -> bool:
    """Remove a container; tell whether it was there."""
    from docker.errors import APIError

    with explained(f"remove the container {name}"):
        try:
            engine.api.remove_container(name, force=True, v=True)
        except APIError as error:
            # Another process may do the same at the same time.
            if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
            return bool(error.status_code != HTTPStatus.NOT_FOUND)
    return True


@dataclass(frozen=True)
class PythonOf:
    """What Python an image has.

    Parameters
    ----------
    python
        Major and minor version, as "3.11"; None if it has none.
    flytekit
        Version of flytekit; None if it has none.
    version
        The whole version of Python, as "3.11.2".
    """

    python: str | None
    flytekit: str | None
    version: str | None = field(default=None, compare=False)


def python_of(
    engine: Engine, image: str, turn: Callable[[], AbstractContextManager[object]] = nullcontext
) -> PythonOf | None:
    """Ask an image for its Python and flytekit, once for each image.

    Parameters
    ----------
    engine
        Where the image is.
    image
        ID, which stands for the content.
    turn
        Is entered to ask: keeps others from asking the same meanwhile.

    Returns
    -------
    PythonOf or None
        None if it could not be asked: it is made for another platform, say.
    """
    kept = cache_folder() / "bases" / f"{image.removeprefix('sha256:')}.json"
    with suppress(_UnknownError):
        return _known(kept)
    with turn():
        # Another build may have asked it meanwhile.
        with suppress(_UnknownError):
            return _known(kept)
        try:
            found = _asked(engine, image)
        except EngineError:
            return None
        keep(kept, json.dumps(asdict(found) if found else None))
        return found


class _UnknownError(Exception):
    """Nobody has asked the image."""


def _known(kept: Path) -> PythonOf | None:
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
        # What was kept before there was a version is asked anew.
        if known is None or known["python"] is None or known["version"]:
            return None if known is None else PythonOf(**known)
    except (FileNotFoundError, ValueError, TypeError, KeyError) as error:
        raise _UnknownError from error
    raise _UnknownError


def _asked(engine: Engine, image: str) -> PythonOf | None:
    """Ask an image; None if it does not answer in time."""
    said: list[str] = []
    end = time.monotonic() + _PATIENCE

    def hear(text: str) -> None:
        said.append(text)
        if time.monotonic() > end:
            raise TimeoutError

    script = 'exec "$(command -v python || command -v python3)" -c "$0"'
    try:
        run_command(engine, image, ["/bin/sh", "-c", script, _PROBE], hear)
        return PythonOf(**json.loads("".join(said).strip().splitlines()[-1]))
    except TimeoutError:
        return None
    except (CommandError, ValueError, TypeError, IndexError):
        return PythonOf(None, None)
