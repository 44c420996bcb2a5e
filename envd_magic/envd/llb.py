"""A recipe as the real envd reads it: the operations that it would ask BuildKit for.

``envd debug llb`` prints an object a line, BuildKit's ``pb.Op`` as JSON. It needs no engine.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.envd.progress import ProgressReader
from envd_magic.errors import EnvdError, EnvdNotFoundError
from envd_magic.watched import run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envd_magic.envd.program import Program

_PATIENCE = 120


@dataclass(frozen=True)
class Operation:
    """One operation.

    Parameters
    ----------
    name
        As a build's log names it.
    arguments
        Of the program that it runs; () if it runs none.
    """

    name: str
    arguments: tuple[str, ...] = ()


def operations(program: Program, environment: Mapping[str, str], folder: Path) -> list[Operation]:
    """Let envd interpret a folder with a build.envd.

    Raises
    ------
    EnvdError
        If it finds a mistake; the message is envd's own.
    EnvdNotFoundError
        If it cannot be run.
    """
    words = [str(program.path), "debug", "llb", "--path", str(folder)]
    try:
        done = run(words, timeout=_PATIENCE, env=dict(environment), cwd=folder)
    except OSError as error:
        raise EnvdNotFoundError(f"{program.path} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise EnvdError(f"envd has not read the recipe within {_PATIENCE} s") from error
    if done.returncode != 0:
        reader = ProgressReader()
        for _ in reader.read(f"{done.stderr}\n"):
            pass
        why = reader.error or done.stderr.strip()[-2000:] or f"exit status {done.returncode}"
        raise EnvdError(why, done.returncode)
    read = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    return [Operation(name, arguments) for one in read for name, arguments in _named(one)]


def _named(told: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Name an operation as BuildKit's ``solver/llbsolver/vertex.go`` does; the last has none."""
    op = told["Op"]["Op"]
    own = ((told.get("OpMetadata") or {}).get("description") or {}).get("llb.customname")
    if "source" in op:
        return [(own or op["source"]["identifier"], ())]
    if "exec" in op:
        arguments = tuple(op["exec"]["meta"]["args"])
        return [(own or " ".join(arguments), arguments)]
    if "file" in op:
        return [(own or ", ".join(map(_action, op["file"]["actions"])), ())]
    return []


def _action(told: Mapping[str, Any]) -> str:
    kind, what = next(iter(told["Action"].items()))
    places = [what[key] for key in ("src", "dest", "path") if key in what]
    return " ".join([kind, *places])
