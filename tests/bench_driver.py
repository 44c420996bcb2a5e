"""One thing done and timed, for :mod:`tests.bench_compare`, in the virtual environment of a side.

A process of its own each time, as a script has it; what both import (flytekit) is not counted. It
reads a question from the file that is named first, and writes the answer to the second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flytekit import ImageSpec
from flytekit.image_spec.image_spec import ImageBuildEngine

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 5


class Watched:
    """A standard output that notes when the first line came."""

    def __init__(self) -> None:
        self._out = sys.stdout
        self.first = 0.0

    def write(self, text: str) -> int:
        """Pass it on."""
        self.first = self.first or time.perf_counter()
        return self._out.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


def build(spec: ImageSpec, asked: dict[str, Any]) -> dict[str, Any]:
    """Build as the users of each do, forced or not."""
    act: Callable[[], object] = lambda: ImageBuildEngine.build(spec)  # noqa: E731
    if asked["side"] == "ours":
        act = _ours(spec, asked)
    elif asked.get("force"):
        from flytekitplugins.envd import EnvdImageSpecBuilder

        act = lambda: EnvdImageSpecBuilder().build_image(spec)  # noqa: E731
    watched = sys.stdout = Watched()
    began = time.perf_counter()
    act()
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "first": watched.first - began if watched.first else None,
        "image": spec.image_name(),
    }


def _ours(spec: ImageSpec, asked: dict[str, Any]) -> Callable[[], object]:
    from envd_magic import build as build_image
    from envd_magic.pipeline.events import Notice, Output

    def show(event: object) -> None:
        if isinstance(event, (Output, Notice)):
            print(event.text, flush=True)

    options: dict[str, Any] = {name: True for name in ("force", "incremental") if asked.get(name)}
    return lambda: build_image(spec, listener=show, **options)


def look(spec: ImageSpec, asked: dict[str, Any]) -> dict[str, Any]:
    """Show what would be built."""
    act: Callable[[], object]
    if asked["side"] == "ours":
        import envd_magic

        show: Callable[..., object] | None = getattr(envd_magic, asked["look"], None)
        if show is None:
            return {"seconds": []}
        act = lambda: str(show(spec))  # noqa: E731
    else:
        from flytekitplugins.envd.image_builder import create_envd_config

        act = lambda: Path(create_envd_config(spec)).read_text()  # noqa: E731
    found = []
    for _ in range(_TRIES + 1):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    # The first one imports.
    return {"seconds": found[1:]}


def recipe(spec: ImageSpec, _: dict[str, Any]) -> dict[str, Any]:
    """Give the folder that the reference would build in."""
    from flytekitplugins.envd.image_builder import create_envd_config

    return {"folder": os.path.dirname(create_envd_config(spec))}  # noqa: PTH120


def main() -> None:
    """Do what is asked."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    spec = ImageSpec(**asked["spec"])
    done = {"build": build, "look": look, "recipe": recipe}[asked["do"]](spec, asked)
    Path(sys.argv[2]).write_text(json.dumps(done))


if __name__ == "__main__":
    main()
