"""A case's build, and what it told, written down."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic.api import refreshed
from envd_magic.pipeline.as_json import to_json
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.events import Finished, Output
from envd_magic.pipeline.last import last_result
from envd_magic.pipeline.options import Options
from envd_magic.records.recording import header
from envd_magic.spec.secrets import spec_secrets

from .bench import Bench
from .cleaning import Cleaner, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flytekit import ImageSpec

    from envd_magic.pipeline.events import Event
    from tests.lab import Lab

    from .case import Case

# A larger file of a case is none that tells why it fails.
_LARGEST = 4000


class DidNotFailError(Exception):
    """A case built, or failed before there was a spec."""


@contextmanager
def bench_of(lab: Lab, home: Path) -> Iterator[Bench]:
    """Give a bench whose folder is the current one; all is put back after."""
    before = Path.cwd()
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="corpus-") as top,
        ExitStack() as stack,
    ):
        for name, value in lab.env.items():
            patch.setenv(name, value)
        patch.setenv("ENVD_MAGIC_HOME", str(home))
        folder = Path(top, "project")
        folder.mkdir()
        os.chdir(folder)
        stack.callback(os.chdir, before)
        yield Bench(lab, folder, patch, stack)


def record(case: Case, lab: Lab, home: Path) -> Path:
    """Let a case fail, and write its recording.

    Raises
    ------
    DidNotFailError
        If it does not fail.
    """
    with bench_of(lab, home) as bench:
        given = case.make(bench)
        spec = next(given)
        files = _files(bench.folder)
        events, error = _fail(spec, bench)
        clean = Cleaner(bench, home)
        # Before anything is undone: the header asks for the envd that was used.
        first = header(spec, events[0].get("image", str(spec.name)))
        first["case"] = {"kind": case.kind, "field": case.field, "item": bench.item or case.item}
        first["files"] = files
        first["failure"] = failure_of(error, spec)
        next(given, None)
    lines = [clean.value(one) for one in (first, *shortened(events))]
    case.path.parent.mkdir(parents=True, exist_ok=True)
    case.path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return case.path


def failure_of(error: BaseException, spec: ImageSpec) -> dict[str, Any]:
    """Give what an event stream does not have of an exception."""
    mask = spec_secrets(spec).mask
    problems = getattr(error, "problems", ())
    return {
        "error": [kind.__name__ for kind in type(error).__mro__ if kind.__name__ != "object"],
        "message": mask(str(error)),
        "problems": [[one.field, one.item, mask(one.message)] for one in problems],
    }


def _fail(spec: ImageSpec, bench: Bench) -> tuple[list[dict[str, Any]], BaseException]:
    began = time.monotonic()
    events: list[dict[str, Any]] = []

    def listen(event: Event) -> None:
        told = to_json(event)
        if told is not None:
            told.pop("log_file", None)
            told.get("result", {}).pop("log_file", None)
            events.append({"at": round(time.monotonic() - began, 3), **told})
        if isinstance(event, Output):
            for text, do in [*bench.watched]:
                if text in event.text:
                    bench.watched.remove((text, do))
                    do()

    options = Options(force=True, listener=listen, history=False, recordings=False)
    try:
        build_spec(refreshed(spec), options)
    except Exception as error:  # noqa: BLE001 - what it is wanted for
        result = last_result()
        if result is not None and not any(told["event"] == "finished" for told in events):
            # One that is refused runs nothing that could tell.
            listen(Finished(result))
        return events, error
    raise DidNotFailError


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            found[path.relative_to(folder).as_posix()] = path.read_text(errors="replace")
    return found


def record_all(chosen: list[Case], lab: Lab, tell: Callable[[str], None]) -> int:
    """Record cases, each by itself; give how many did not fail as they should."""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="corpus-home-") as home:
        for case in chosen:
            began = time.monotonic()
            try:
                path = record(case, lab, Path(home))
            except Exception as error:  # noqa: BLE001 - the others are recorded all the same
                missed += 1
                tell(f"{case.name}: NOT RECORDED: {type(error).__name__}: {error}")
                continue
            took = time.monotonic() - began
            tell(f"{case.name}: {took:.1f} s, {path.stat().st_size // 1024 + 1} kB")
    return missed
