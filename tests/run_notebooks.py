"""``make notebooks``: all notebooks, run headless for real; with SAVE=1 their outputs are kept.

An engine that is there is used; else the lab's is brought up, and taken down again at the end.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient

from . import lab

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = Path(__file__).parent.parent / "notebooks"
#: The notebook for where no engine is.
WITHOUT = "without_docker.ipynb"
#: What no saved output may show: folders of a machine.
MACHINE = re.compile(r"/(?:root|home|tmp|work|Users|private|var/folders)/")


class Watched(NotebookClient):  # type: ignore[misc]  # nbclient has no types
    """Runs a notebook as a person does: results are cards, not lines."""

    async def async_start_new_kernel_client(self) -> Any:
        """Say that somebody is there."""
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True
        return client


def names() -> list[str]:
    """Give the names of all notebooks."""
    return sorted(path.name for path in FOLDER.glob("*.ipynb"))


def execute(folder: Path, name: str) -> nbformat.NotebookNode:
    """Run a notebook in its folder.

    Raises
    ------
    CellExecutionError
        If a cell fails that is not tagged for it.
    """
    notebook = nbformat.read(folder / name, as_version=4)
    with without_engine() if name == WITHOUT else _as_it_is():
        client = Watched(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
        client.execute()
    return notebook


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def without_engine() -> Iterator[None]:
    """Let no engine be found, for what is started inside."""
    before = os.environ.pop("DOCKER_HOST", None)
    try:
        yield
    finally:
        if before is not None:
            os.environ["DOCKER_HOST"] = before


def cleaned(notebook: nbformat.NotebookNode, places: Mapping[str, str]) -> nbformat.NotebookNode:
    """Take out of outputs where things are on this machine, and when they were run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", ()):
            # A widget ends with its kernel; what it says of itself stays.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
            for data in (output, output.get("data", {})):
                for key, value in data.items():
                    if isinstance(value, str):
                        data[key] = _without(value, places)
            if "traceback" in output:
                output["traceback"] = [_without(line, places) for line in output["traceback"]]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def _without(text: str, places: Mapping[str, str]) -> str:
    for place, shown in places.items():
        text = text.replace(place, shown)
    return text


def main() -> int:
    """Run all, or those that are named; print how long each took."""
    # The quickstart's build is what the one without Docker shows.
    wanted = sys.argv[1:] or sorted(names(), key=lambda name: name == WITHOUT)
    save = os.environ.get("SAVE") == "1"
    running = lab.up()
    os.environ.update(running.env)
    if save:
        _forget(running, wanted)
    # The kernel's `!envd-magic` is the one of this environment.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        with tempfile.TemporaryDirectory(prefix="envd_magic-notebooks-") as top:
            os.environ["ENVD_MAGIC_HOME"] = str(Path(top, "home"))
            folder = Path(top, "notebooks")
            shutil.copytree(FOLDER, folder)
            places = {
                os.environ["ENVD_MAGIC_HOME"]: "~/.cache/envd_magic",
                str(folder): "~/notebooks",
                sys.prefix: "~/.venv",
                f"{running.state}/docker.sock": "/var/run/docker.sock",
                f"{running.state}/docker": "/var/lib/docker",
            }
            for name in wanted:
                began = time.monotonic()
                notebook = execute(folder, name)
                print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
                if save:
                    nbformat.write(cleaned(notebook, places), FOLDER / name)
                    if name == "quickstart.ipynb":
                        _save_recording(Path(os.environ["ENVD_MAGIC_HOME"]), folder)
    finally:
        if running.started:
            running.down()
    return 0


def _forget(running: lab.Lab, wanted: list[str]) -> None:
    """Let the builds be real ones: no image is there, and no step is cached."""
    from envd_magic.headless.find import find

    # A base image with a step of its own, so that what comes after it is not known.
    made = f"RUN echo {time.time()} > /etc/made"
    os.environ["FLYTE_INTERNAL_IMAGE"] = running.derive("python-3.11", [made])
    for name in wanted:
        for definition in find(FOLDER / name).definitions:
            for _, spec in definition.images():
                if running.docker("images", "-q", spec.image_name()).strip():
                    running.docker("rmi", spec.image_name())


def _save_recording(home: Path, folder: Path) -> None:
    """Keep the recording of the quickstart's build, for where none can run."""
    from envd_magic.records.recording import copy_recording

    source = max((home / "recordings").glob("*trainer*"), key=lambda path: path.stat().st_mtime)
    for place in (FOLDER, folder):
        target = place / "recordings" / "trainer.jsonl.gz"
        target.parent.mkdir(exist_ok=True)
        copy_recording(source, target)


if __name__ == "__main__":
    sys.exit(main())
