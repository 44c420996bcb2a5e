"""A real kernel, driven as a front end drives it."""

from __future__ import annotations

import os
import queue
import sys
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

from .processes import marked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 120.0
_MARK = "ENVD_MAGIC_TEST_KERNEL"


class Kernel:
    """A kernel and what it says."""

    def __init__(self, manager: Any, client: Any, mark: str) -> None:
        self.mark = f"{_MARK}={mark}"
        self.manager = manager
        self.client = client
        self.places: dict[str, dict[str, str]] = {}
        """What stands in each output that can be replaced, by its kinds, in the order of birth."""
        self.born: dict[str, str] = {}
        """Of each such output, the run of a cell that made it."""

    def processes(self, words: str) -> list[str]:
        """Command lines with these words of processes that the kernel has started.

        They have its environment, also when it is no more; other kernels' have not.
        """
        return [line for line in marked(self.mark).values() if words in line]

    def run(self, code: str, patience: float = _PATIENCE) -> Cell:
        """Run a cell to its end."""
        return self.start(code).finish(patience)

    def start(self, code: str) -> Cell:
        """Start a cell."""
        # Else what comes right after a cell that fails is not run, as in "run all cells".
        return Cell(self, self.client.execute(code, stop_on_error=False))


class Cell:
    """One run of a cell: what it printed and how it ended."""

    def __init__(self, kernel: Kernel, message: str) -> None:
        self.kernel = kernel
        self.message = message
        self.text = ""
        self.error: str | None = None
        self.error_text = ""
        self.messages = 0
        self.everything = 0
        """Messages of all cells that came while it ran."""
        self.shown: dict[str, str] = {}
        """The last output that is no stream, by its kinds."""
        self.done = False

    def until(self, text: str) -> Cell:
        """Wait until the cell has printed a text."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.text and not self.done and time.monotonic() < deadline:
            self._next(1.0)
        assert text in self.text, self.text[-2000:] + self.error_text
        return self

    def finish(self, patience: float = _PATIENCE) -> Cell:
        """Wait for its end."""
        deadline = time.monotonic() + patience
        while not self.done and time.monotonic() < deadline:
            self._next(1.0)
        assert self.done, self.text[-2000:]
        return self

    def finish_or_lose(self, patience: float) -> float:
        """Wait for its end, which a flood may keep the front end from hearing; give when it was."""
        deadline = time.monotonic() + patience
        replied, heard = 0.0, -1
        while not self.done and not (replied and heard == self.everything):
            assert time.monotonic() < deadline, self.text[-2000:]
            heard = self.everything
            self._next(1.0)
            replied = replied or self._replied()
        return replied or time.time()

    def _replied(self) -> float:
        try:
            message = self.kernel.client.get_shell_msg(timeout=0)
        except queue.Empty:
            return 0.0
        return time.time() if message["parent_header"].get("msg_id") == self.message else 0.0

    @property
    def outputs(self) -> list[str]:
        """Texts of its outputs that can be replaced, as they stand now."""
        return [
            self.kernel.places[place]["text/plain"]
            for place, message in self.kernel.born.items()
            if message == self.message
        ]

    def _next(self, timeout: float) -> None:
        try:
            message = self.kernel.client.get_iopub_msg(timeout=timeout)
        except queue.Empty:
            return
        content = message["content"]
        self.everything += 1
        if place := content.get("transient", {}).get("display_id"):
            self.kernel.places[place] = content["data"]
            if message["msg_type"] == "display_data":
                self.kernel.born[place] = message["parent_header"]["msg_id"]
        if message["parent_header"].get("msg_id") != self.message:
            return
        self.messages += 1
        if place and self.kernel.born.get(place) != self.message:
            # What a build in the background shows in its own cell.
            return
        if message["msg_type"] == "stream":
            self.text += content["text"]
        elif message["msg_type"] in ("execute_result", "display_data", "update_display_data"):
            self.text += content["data"].get("text/plain", "")
            self.shown = content["data"]
        elif message["msg_type"] == "error":
            self.error = content["ename"]
            self.error_text = "\n".join(content["traceback"])
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            self.done = True


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """Start a kernel in a folder, with the extension loaded."""
    with bare_kernel(folder) as found:
        loaded = found.run("%load_ext envd_magic")
        assert loaded.error is None, loaded.error_text
        yield found


@contextmanager
def bare_kernel(folder: Path, python: str = sys.executable) -> Iterator[Kernel]:
    """Start a kernel of a Python in a folder."""
    mark = uuid.uuid4().hex
    env = {**os.environ, _MARK: mark}
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = python
    manager.start_kernel(cwd=str(folder), env=env)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=_PATIENCE)
        yield Kernel(manager, client, mark)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
