"""JupyterLab in a real browser: open a notebook, run its cells, look at its outputs."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import nbformat.reader
import requests
from playwright.sync_api import expect, sync_playwright

from .lab.machine import need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

# Seconds; far more than anything may take.
_PATIENCE = 120.0
# Characters of a page that a failure tells.
_MOST_TEXT = 5000
_CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
_CHROMIUM += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

# Gaps between the pictures that the browser draws, in milliseconds: the longest of them is how
# long the page stood still.
_WATCH_FRAMES = """() => {
  window.gaps = []; let last = performance.now(); window.watching = true;
  const step = (now) => { window.gaps.push(now - last); last = now;
    if (window.watching) requestAnimationFrame(step); };
  requestAnimationFrame(step);
  window.tasks = [0];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((e) => e.duration)))
    .observe({ entryTypes: ["longtask"] });
}"""
# Ratio of two colours' luminance, as in WCAG 2.1 (relative luminance, contrast ratio); the ground
# is the first ancestor's that is not see-through, with the see-through ones laid over it.
CONTRAST = """(element) => {
  const parse = (text) => { const found = (text.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
    return text.startsWith("color(") ? found.map((c, i) => i < 3 ? c * 255 : c) : found; };
  const over = (top, below) => { const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)); };
  const light = (rgb) => { const [r, g, b] = rgb.map((c) => c / 255).map(
      (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const ground = parse(getComputedStyle(at).backgroundColor);
    layers.unshift(ground);
    if (ground.length === 3) break;
  }
  const ground = layers.reduce((below, top) => over(top, below), [255, 255, 255]);
  const text = over(parse(getComputedStyle(element).color), ground);
  const [high, low] = [light(text), light(ground)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}"""
# The page's circle says "idle" from the beginning, so that it tells nothing.
_HAS_KERNEL = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
  return context?.isReady && context.session?.kernel?.connectionStatus === "connected";
}"""
_LONGEST_GAP = "() => { window.watching = false; return Math.max(...window.gaps); }"


class Server:
    """A JupyterLab of its own: no settings, extensions or files of the user's.

    Parameters
    ----------
    folder
        Where it keeps everything; notebooks are in ``notebooks``.
    """

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self._settings = folder / "settings"
        names = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        for name in (*names.values(), "notebooks"):
            (folder / name).mkdir(parents=True)
        self.theme("JupyterLab Light")
        self._set("notification", {"fetchNews": "false", "checkForUpdates": False})
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        command += ["--expose-app-in-browser", "--ServerApp.disable_check_xsrf=True"]
        command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={self.notebooks}"]
        environment = {**os.environ, **{name: str(folder / sub) for name, sub in names.items()}}
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            command, env=environment, stdout=self._log, stderr=subprocess.STDOUT
        )

    def _set(self, name: str, values: dict[str, Any]) -> None:
        place = self._settings / "@jupyterlab" / "apputils-extension"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.jupyterlab-settings").write_text(json.dumps(values))

    def theme(self, name: str) -> None:
        """Choose the theme of pages that are opened from now on."""
        self._set("themes", {"theme": name})

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with suppress(requests.ConnectionError):
                requests.get(f"{self.url}/api", timeout=5)
                return
            time.sleep(0.1)
        raise AssertionError("JupyterLab does not answer")

    def wait_for_kernel(self, notebook: str) -> None:
        """Wait until a notebook has a kernel: before, the page drops what it is asked to run."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            sessions = requests.get(f"{self.url}/api/sessions", timeout=5).json()
            states = [
                each["kernel"]["execution_state"] for each in sessions if each["path"] == notebook
            ]
            if states == ["idle"]:
                return
            time.sleep(0.1)
        raise AssertionError(f"{notebook} has no kernel")

    def end_kernels(self) -> None:
        """End the kernels of all notebooks."""
        for each in requests.get(f"{self.url}/api/sessions", timeout=5).json():
            ended = requests.delete(f"{self.url}/api/sessions/{each['id']}", timeout=_PATIENCE)
            ended.raise_for_status()

    def stop(self) -> None:
        """End it and its kernels."""
        # One that never answered has none.
        with suppress(requests.ConnectionError):
            self.end_kernels()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            # With its kernels gone, on a loaded machine, it sometimes never ends.
            self._process.kill()
            self._process.wait()
        self._log.close()


class Notebook:
    """An open notebook in a browser's page."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.main = page.locator(".jp-Notebook")

    def cell(self, number: int) -> Locator:
        """One cell, from 0 on."""
        return self.main.locator(".jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        """The outputs of one cell."""
        return self.cell(number).locator(".jp-OutputArea-output")

    def run(self, number: int) -> None:
        """Start one cell."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before, timeout=_PATIENCE * 1000)

    def wait_for_kernel(self) -> None:
        """Wait until the page has its kernel: a cell that is run before gets a new one."""
        self.page.wait_for_function(_HAS_KERNEL, timeout=_PATIENCE * 1000)

    def wait(self, number: int) -> None:
        """Wait until a cell has ended."""
        ended = self.cell(number).locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]"))
        ended.wait_for(timeout=_PATIENCE * 1000)

    def save(self) -> nbformat.NotebookNode:
        """Save the notebook and give what is in the file."""
        before = self.path.stat().st_mtime_ns
        self.cell(0).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+s")
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            # A file that is just being written is no notebook yet.
            with suppress(nbformat.reader.NotJSONError):
                if self.path.stat().st_mtime_ns != before:
                    return nbformat.read(self.path, as_version=4)
            self.page.wait_for_timeout(50)
        raise AssertionError("the notebook was not saved")

    def watch_frames(self) -> None:
        """Begin to note how long the page stands still."""
        self.page.evaluate(_WATCH_FRAMES)

    def longest_gap(self) -> float:
        """Longest time between two pictures since then, in milliseconds."""
        return float(self.page.evaluate(_LONGEST_GAP))

    def longest_task(self) -> float:
        """Longest time that the page's own code took since then, in milliseconds; 0 is below 50."""
        return float(self.page.evaluate("() => Math.max(...window.tasks)"))


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, with no head."""
    need(["chromium"])
    path = shutil.which("chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=_CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


def open_notebook(
    browser: Browser, server: Server, name: str, cells: list[str], width: int = 1100
) -> Notebook:
    """Write a notebook and open it in a page of its own.

    Parameters
    ----------
    browser
        Where.
    server
        Which JupyterLab.
    name
        Of the notebook, without its ending.
    cells
        Code, a cell each.
    width
        Of the page, in pixels.
    """
    path = server.notebooks / f"{name}.ipynb"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, path)
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(_PATIENCE * 1000)
    page.goto(f"{server.url}/doc/workspaces/{name}/tree/{name}.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=_PATIENCE * 1000)
    server.wait_for_kernel(path.name)
    notebook = Notebook(page, path)
    notebook.wait_for_kernel()
    return notebook


def pages_text(browser: Browser) -> list[tuple[str, str]]:
    """Give the address and the text of all open pages."""
    pages = [page for context in browser.contexts for page in context.pages]
    return [(page.url, page.locator("body").inner_text()[-_MOST_TEXT:]) for page in pages]


def picture(what: Locator, name: str) -> None:
    """Take a picture, if somebody wants pictures."""
    folder = os.environ.get("ENVD_MAGIC_PICTURES")
    if folder:
        size = what.page.viewport_size
        assert size is not None
        # All of it at once: what is scrolled away is not in the picture.
        what.page.set_viewport_size({**size, "height": 2000})
        what.scroll_into_view_if_needed()
        what.screenshot(path=Path(folder) / f"{name}.png")
