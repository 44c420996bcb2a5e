"""What plain widgets cannot carry: the log, and buttons that put a text elsewhere.

A hundred thousand lines in an ``HTML`` widget stop the page; here only the rows in sight are drawn.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets
from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATIC = Path(__file__).parent / "static"
# Bytes of a message: reading one takes the page a few milliseconds.
_PIECE = 1 << 18
# A page that comes late gets this much of the end.
_MOST = 48 << 20


@contextmanager
def of_no_request() -> Iterator[None]:
    """Send what widgets send inside as an answer to nothing.

    What a thread sends counts as an answer to the kernel's last request, whichever that was, and
    ipykernel 7.4 hands what a page says to a widget to the subshell of the request that the widget
    answered last. After a reload that is one that the page has ended, and the widget hears
    nothing any more.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    parent = getattr(kernel, "_shell_parent", None)
    if not isinstance(parent, ContextVar):
        yield
        return
    token = parent.set({})
    try:
        yield
    finally:
        parent.reset(token)


class LogView(anywidget.AnyWidget):
    """The log of a build as it grows, read from its file.

    The file is masked, bounded by the disk only, and there for a page that comes later.
    """

    _esm = _STATIC / "panel.js"
    _css = _STATIC / "panel.css"
    part = traitlets.Unicode("log").tag(sync=True)
    name = traitlets.Unicode("build.log").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._path: Path | None = None
        self._sent = 0
        # The build's thread sends, and the kernel's answers a page.
        self._lock = threading.Lock()
        self.on_msg(self._heard)

    def show(self, path: Path | None) -> None:
        """Show another file from its beginning; None shows nothing."""
        with self._lock:
            self._path, self._sent = path, 0
            if path is not None:
                self.name = path.name
            self.send({"kind": "clear"})
        self.more()

    def more(self) -> None:
        """Send what has come to the file."""
        with self._lock:
            self._send_file()

    def _send_file(self) -> None:
        if self._path is None:
            return
        try:
            file = self._path.open("rb")
        except OSError:
            # Somebody tidies up: no reason to end the build that writes it.
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            start = self._sent == 0
            self._sent = max(self._sent, size - _MOST)
            file.seek(self._sent)
            while piece := file.read(_PIECE):
                self.send({"kind": "piece", "place": self._sent, "start": start}, [piece])
                self._sent += len(piece)
                start = False

    def _heard(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        if content.get("kind") == "hello":
            with self._lock:
                self._sent = 0
                self._send_file()
                # Answered as well where there is no log, or the page would go on asking.
                self.send({"kind": "answered"})


class TakeAway(anywidget.AnyWidget):
    """Buttons that copy a text or write it into a cell: (label, "copy" or "insert", text) each."""

    _esm = _STATIC / "panel.js"
    _css = _STATIC / "panel.css"
    part = traitlets.Unicode("take").tag(sync=True)
    actions: traitlets.List[tuple[str, str, str]] = traitlets.List().tag(sync=True)
