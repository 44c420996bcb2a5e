"""A kernel that is interrupted twice in each phase, restarted, killed, or left alone."""

from __future__ import annotations

import json
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic.engine import images
from envd_magic.engine.client import Engine
from envd_magic.owner import is_abandoned
from envd_magic.pipeline.events import Phase

from .kernels import Kernel, kernel
from .lab.process import LabError
from .processes import seconds, sleeping, until
from .users import User, make_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

# Where a build is interrupted, and what an event tells there.
_POINTS = {
    "checking": "Phase.PREPARE",
    "pull": "Pulling ",
    "bootstrap": "[3/6] Bootstrap",
    "install": "# envd_magic: packages",
    "commands": "step 42",
    "export": "exporting",
    "finish": "Phase.FINISH",
    "push": "Phase.PUSH",
}
# Interrupts the kernel's own process when an event tells of a text, and again while it ends.
_INTERRUPTS = """
import os, signal, threading, time
from envd_magic.pipeline.keep import Keeper
point, hear = None, Keeper.__call__
def twice():
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
def told(self, event):
    global point
    if point and point in repr(event):
        point = None
        thread = threading.Thread(target=twice)
        thread.start()
        thread.join()
    return hear(self, event)
Keeper.__call__ = told
"""


@pytest.fixture(scope="module")
def user(lab: Lab, envd_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """The user of the kernel, with a home of their own and their own folder for temporary files."""
    assert lab
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("HOME", str(home))
        beside = str(Path(sys.executable).parent)
        patch.setenv("PATH", f"{beside}{os.pathsep}{os.environ['PATH']}")
        for name in ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        config = {"registries": [{"name": "localhost", "use_http": True}]}
        (home / "registries.json").write_text(json.dumps(config))
        yield make_user(home, envd_home)


@pytest.fixture(scope="module")
def one_kernel(user: User) -> Iterator[Kernel]:
    with kernel(user.home) as running:
        yield running


@pytest.fixture
def notebook(one_kernel: Kernel) -> Kernel:
    """The kernel, with the extension loaded, whatever was done to it before."""
    assert one_kernel.run("%load_ext envd_magic").error is None
    return one_kernel


def cell(user: User, *commands: str, options: str = "--force", **fields: Any) -> str:
    """Write the cell that builds the image that the user has, anew."""
    named = {"name": user.name, "tag_format": "v1", "copy": ["data.txt"]}
    words = ", ".join(f"{name}={value!r}" for name, value in {**named, **fields}.items())
    return f"%%envd_build {options}\nImageSpec({words}, commands={[*commands]!r})"


def left(notebook: Kernel, lab: Lab, home: Path) -> list[str]:
    """Give what a build has left that it should not have."""
    pid = notebook.run("import os; print(os.getpid(), end='')").text
    names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    names += lab.docker("ps", "-a", "--format", "{{.Names}}").split()
    return left_here(notebook, home) + [name for name in names if f"-{pid}-" in name]


def left_here(notebook: Kernel, home: Path) -> list[str]:
    """Give what a build has left on this machine."""
    found = notebook.processes("envd build") + notebook.processes("envd bootstrap")
    folders = notebook.run("import glob, tempfile; print(*glob.glob(tempfile.gettempdir() + '/*'))")
    found += [name for name in folders.text.split() if "envd_magic" in name]
    return found + [str(path) for path in home.glob("cache/building/*")]


@pytest.fixture
def base(lab: Lab) -> Iterator[str]:
    """A base image that the engine has to pull."""
    name = f"{lab.registry}/fault-base-{uuid.uuid4().hex[:8]}:1"
    lab.docker("tag", lab.base_image, name)
    lab.docker("push", "-q", name)
    lab.docker("rmi", name)
    yield name
    with suppress(LabError):
        lab.docker("rmi", "-f", name)


def test_two_interrupts_in_a_row_end_the_build_wherever_it_is_and_leave_nothing(
    notebook: Kernel, user: User, lab: Lab, envd_home: Path, base: str
) -> None:
    fields: dict[str, Any] = {"registry": lab.registry, "registry_config": "registries.json"}
    image = f"{lab.registry}/{user.name}:v1"
    engine = Engine()
    assert notebook.run(cell(user, "true", **fields)).error is None
    good, pushed = lab.inspect(image)["Id"], images.registry_digest(engine, image)
    notebook.run(_INTERRUPTS)
    for point, text in _POINTS.items():
        notebook.run(f"point = {text!r}")
        # What no build has run, and what none has installed.
        command = f"echo {point} {uuid.uuid4().hex}; echo step $((6 * 7))"
        new: dict[str, Any] = {}
        if point == "install":
            new["packages"] = [f"six!=0.{uuid.uuid4().int % 10**9}"]
        built = notebook.run(cell(user, command, base_image=base, **fields, **new))
        assert built.outputs[-1].startswith(f"Stopped: {image}"), point
        # The second may come when IPython tells of the first, which then tells of neither.
        assert built.error in ("BuildInterrupted", "KeyboardInterrupt", None), built.error_text
        until(lambda: left_here(notebook, envd_home) == [])
        user.has_what_was()
        # What is pushed has its name in the engine already.
        assert (lab.inspect(image)["Id"] == good) is (point != "push")
        assert images.registry_digest(engine, image) == pushed
        assert in_the_log(text) in notebook.run("%envd log --lines 0").text, point
    engine.close()
    again = notebook.run(cell(user, "echo again", base_image=base, **fields))
    assert again.error is None, again.error_text
    assert left_here(notebook, envd_home) == []
    # The engine may end and name what the build did not wait for.
    until(lambda: left(notebook, lab, envd_home) == [])


def in_the_log(text: str) -> str:
    """Give what the log has where an event tells of a text."""
    name = text.removeprefix("Phase.")
    return text if name == text else f"[{Phase[name].value}"


def started(notebook: Kernel, user: User) -> str:
    """Start a build whose step is deaf to signals, and give the time that it sleeps."""
    mark, long = uuid.uuid4().hex, seconds()
    command = f'trap "" INT TERM HUP; echo at-{mark}-$((6 * 7)); sleep {long}'
    notebook.start(cell(user, command)).until(f"at-{mark}-42")
    assert notebook.processes("envd build")
    assert sleeping(long)
    return long


def is_over(notebook: Kernel, long: str) -> bool:
    return not notebook.processes("envd build") and not sleeping(long)


@pytest.mark.parametrize("now", [False, True], ids=["gracefully", "by SIGKILL"])
def test_kernel_that_is_restarted_in_a_build_leaves_no_process_and_builds_again(
    notebook: Kernel, user: User, lab: Lab, envd_home: Path, now: bool
) -> None:
    long = started(notebook, user)
    notebook.manager.restart_kernel(now=now)
    assert until(lambda: is_over(notebook, long)) < 5
    user.has_what_was()
    notebook.client.wait_for_ready(timeout=60)
    # Logs are written at once, so that the end of a process loses nothing.
    newest = max((envd_home / "log").glob(f"*{user.name}*.log"), key=lambda path: path.name)
    assert "-42\n" in newest.read_text()
    assert notebook.run("%load_ext envd_magic").error is None
    built = notebook.run(cell(user, f"echo after {long}"))
    assert built.error is None, built.error_text
    user.good = lab.inspect(f"{user.name}:v1")["Id"]
    until(lambda: left(notebook, lab, envd_home) == [])
    names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert [name for name in names if is_abandoned(name)] == []


def test_interrupt_ends_a_step_that_is_deaf_to_signals(
    notebook: Kernel, user: User, lab: Lab, envd_home: Path
) -> None:
    long = started(notebook, user)
    notebook.manager.interrupt_kernel()
    assert until(lambda: is_over(notebook, long)) < 5
    assert "-42\n" in notebook.run("%envd log --lines 0").text
    until(lambda: left(notebook, lab, envd_home) == [])
    user.has_what_was()


def test_build_goes_on_when_nobody_listens_any_more(notebook: Kernel, user: User) -> None:
    mark = uuid.uuid4().hex
    command = f"echo begun-{mark}; sleep 2; seq 1 2000; echo ended-{mark}-$((6 * 7))"
    code = cell(user, command, options="alone").replace(user.name, f"{user.name}-alone")
    notebook.start(code).until(f"begun-{mark}")
    notebook.client.stop_channels()
    notebook.client = notebook.manager.blocking_client()
    notebook.client.start_channels()
    notebook.client.wait_for_ready(timeout=60)
    assert notebook.run("print(alone.name, end='')").text == f"{user.name}-alone"
    assert f"ended-{mark}-42\n" in notebook.run("%envd log --lines 0").text
    user.has_what_was()
