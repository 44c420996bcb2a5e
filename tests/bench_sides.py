"""The sides that are compared: this project, flytekitplugins-envd, and envd by itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
import venv
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import bench_driver, lab
from .lab.base import cached_tar
from .lab.machine import STATE_VARIABLE, locked, state_folder
from .lab.process import run
from .lab.settings import pip_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

REFERENCE = "flytekitplugins-envd>=1.16,<1.17"
#: Their order changes from round to round.
SIDES = ("ours", "reference", "raw")
_FOLDER = Path.home() / ".cache" / "envd_magic_bench"


@dataclass
class Bench:
    """All that a comparison needs.

    Parameters
    ----------
    lab
        An engine of its own, where this may start one: it is deleted with all that was built.
    folder
        A scratch folder; builds run in it.
    reference
        Python of the virtual environment that has the reference plug-in.
    own_engine
        Is the engine there for this alone?
    """

    lab: Lab
    folder: Path
    reference: Path
    own_engine: bool
    outputs: list[str] = field(default_factory=list)

    def base(self) -> str:
        """Make a base image with a layer that no build has seen: all on it is built anew."""
        name = uuid.uuid4().hex[:12]
        return self.lab.derive(f"bench-{name}", [f"RUN echo {name} > /etc/bench"])

    def ask(self, side: str, do: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Let a side do something in a process of its own, and give its answer."""
        question, answer = self.folder / "question.json", self.folder / "answer.json"
        asked = {"side": side, "do": do, "spec": _spec(side, spec), **more}
        question.write_text(json.dumps(asked))
        python = sys.executable if side == "ours" else str(self.reference)
        words = [python, bench_driver.__file__, str(question), str(answer)]
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment(side),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{side}, {do}:\n{done.stdout[-3000:]}")
        self.outputs.append(done.stdout)
        found: dict[str, Any] = json.loads(answer.read_text())
        return found

    def build(self, side: str, spec: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Build with a side; give seconds, the image, and seconds to the first line."""
        if side == "raw":
            return self._raw(spec)
        return self.ask(side, "build", spec, **how)

    def _raw(self, spec: dict[str, Any]) -> dict[str, Any]:
        """Build the reference's recipe with envd alone, in a folder that keeps its name."""
        made = Path(self.ask("reference", "recipe", spec)["folder"])
        place = self.folder / "raw"
        shutil.rmtree(place, ignore_errors=True)
        shutil.move(made, place)
        words = [self.envd(), "build", "--path", str(place), "--tag", "bench-raw:dev"]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*words, "--platform", "linux/amd64"],
            env=self.environment("raw"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines, first = [], None
        for line in process.stdout or ():
            first = first or time.perf_counter() - began
            lines.append(line)
        if process.wait():
            raise RuntimeError(f"raw:\n{''.join(lines)[-3000:]}")
        self.outputs.append("".join(lines))
        return {"seconds": time.perf_counter() - began, "image": "bench-raw:dev", "first": first}

    def installed_again(self) -> bool:
        """Did the last build install its packages?"""
        return bool(re.search(r"Collecting pandas|Installed \d+ package", self.outputs[-1]))

    def llb(self) -> float:
        """Seconds that envd takes to interpret the recipe that it built last."""
        began = time.perf_counter()
        words = [self.envd(), "debug", "llb", "--path", str(self.folder / "raw")]
        subprocess.run(words, env=self.environment("raw"), stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began

    def envd(self) -> str:
        """The program that all of them run."""
        return str(Path(sys.executable).parent / "envd")

    def environment(self, side: str) -> dict[str, str]:
        """Variables that a side runs with; envd is the same program, with a home for each."""
        home = self.folder / f"home-{side}"
        paths = os.pathsep.join([str(Path(self.envd()).parent), os.environ["PATH"]])
        own = {
            "PATH": paths,
            "PYTHONPATH": str(Path(__file__).parent.parent) if side == "ours" else "",
            "DOCKER_HOST": self.lab.docker_host,
            "FLYTE_PUSH_IMAGE_SPEC": "false",
        }
        if side == "ours":
            return {**os.environ, **own, "ENVD_MAGIC_HOME": str(home)}
        # Without a context the plug-in makes one whose builder is pulled from outside.
        own |= {"HOME": str(home), "FLYTE_ENVD_CONTEXT": "default", "ENVD_ANALYTICS": "false"}
        own["DOCKER_CONFIG"] = os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
        return {**os.environ, **own, "BUILDKIT_PROGRESS": "plain"}

    def tidy(self, *images: str) -> None:
        """Remove images, and what the engine kept of their builds if it is this one's alone."""
        for image in images:
            subprocess.run(
                ["docker", "-H", self.lab.docker_host, "rmi", "-f", image],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        if self.own_engine:
            self.lab.docker("image", "prune", "-f")
            self.lab.docker("builder", "prune", "-af")


def _spec(side: str, spec: dict[str, Any]) -> dict[str, Any]:
    builder = {} if side == "ours" else {"builder": "envd"}
    return {**spec, **builder, "name": f"bench-{side}"}


def index() -> dict[str, str]:
    """Give the field for this machine's index, where it is not the usual one."""
    found = re.search(r"^index-url = (.+)$", pip_settings(), re.MULTILINE)
    return {"pip_index": found[1]} if found else {}


@contextmanager
def bench() -> Iterator[Bench]:
    """Make all that is needed, and take it down after it."""
    before = os.environ.pop("DOCKER_HOST", None)
    tar = cached_tar(state_folder())
    os.environ[STATE_VARIABLE] = str(_FOLDER / "lab")
    with locked(state_folder()):
        if tar is not None and cached_tar(state_folder()) is None:
            shutil.copy(tar, state_folder() / tar.name)
    with tempfile.TemporaryDirectory() as name:
        running = lab.up()
        own = str(state_folder()) in running.docker_host
        try:
            made = Bench(running, Path(name), _reference(), own)
            _homes(made)
            yield made
        finally:
            lab.reset()
            if before is not None:
                os.environ["DOCKER_HOST"] = before


def _reference() -> Path:
    """Make the virtual environment of the reference plug-in, unless it is there."""
    folder = _FOLDER / "reference"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q"]
        # The same flytekit and kernel on both sides.
        listed = run(sys.executable, "-m", "pip", "freeze").splitlines()
        same = [line for line in listed if re.match(r"(flytekit|ipykernel|envd)==", line)]
        run(*pip, REFERENCE, *same, seconds=1200)
        done.touch()
    return folder / "bin/python"


def _homes(made: Bench) -> None:
    """Make a home for each envd, with a key and with the registry that speaks plain HTTP."""
    for side in ("reference", "raw"):
        folder = made.folder / f"home-{side}" / ".config" / "containers"
        folder.mkdir(parents=True)
        text = f'[[registry]]\nlocation = "{made.lab.registry}"\ninsecure = true\n'
        (folder / "registries.conf").write_text(text)
        run(made.envd(), "context", "ls", env=made.environment(side))
