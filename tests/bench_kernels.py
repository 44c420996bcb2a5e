"""The rows of the comparison that are about a kernel: loading, and a flood of lines."""

from __future__ import annotations

import re
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .fakes import fake_envd
from .kernels import bare_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bench_sides import Bench

LINES = 200_000
_PATIENCE = 900.0
_LOAD = {
    "ours": "%load_ext envd_magic",
    "reference": "from flytekitplugins.envd import EnvdImageSpecBuilder",
}
_BUILD = {
    "ours": "%%envd_build --force --no-push\nImageSpec(name='flood')",
    "reference": "from flytekit import ImageSpec\n"
    "EnvdImageSpecBuilder().build_image(ImageSpec(name='flood-reference'))",
}
# The real envd first, unheard, so that there is an image; then lines as fast as they go.
_FLOOD = """
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    real()
os.waitpid(child, 0)
pathlib.Path({began!r}).write_text(str(time.time()))
for number in range({count}):
    print("line", number, "of the flood")
sys.stdout.flush()
"""


def load(made: Bench, side: str) -> float:
    """Seconds that a fresh kernel takes to load a side."""
    with _environment(made, side), bare_kernel(made.folder, _python(made, side)) as kernel:
        began = time.perf_counter()
        cell = kernel.run(_LOAD[side])
        assert cell.error is None, cell.error_text
        return time.perf_counter() - began


def flood(made: Bench, side: str) -> dict[str, float]:
    """Let a build in a kernel write many lines; give the figures of its rows."""
    place = made.folder / f"flood-{side}"
    place.mkdir()
    began = place / "began"
    with _environment(made, side) as patch:
        fake_envd(place, patch, _FLOOD.format(began=str(began), count=LINES))
        with bare_kernel(made.folder, _python(made, side)) as kernel:
            kernel.run(_LOAD[side])
            cell = kernel.start(_BUILD[side])
            ended = cell.finish_or_lose(_PATIENCE)
            assert cell.error is None, cell.error_text
            text = cell.text
            if side == "ours":
                code = "from envd_magic import last_result; print(last_result().log_file)"
                text = Path(kernel.run(code).text.strip()).read_text()
    return {
        "stream": ended - float(began.read_text()),
        "messages": float(cell.messages),
        "lost": float(LINES - len(re.findall(r"line \d+ of the flood", text))),
    }


def _python(made: Bench, side: str) -> str:
    return sys.executable if side == "ours" else str(made.reference)


@contextmanager
def _environment(made: Bench, side: str) -> Iterator[pytest.MonkeyPatch]:
    """Set the variables that a side runs with."""
    variables = {**made.environment(side), "FLYTE_INTERNAL_IMAGE": made.lab.base_image}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield patch
