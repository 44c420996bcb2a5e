"""``make bench``, what people feel in JupyterLab: standstills, the panel's delay, sizes.

A page that does nothing stands still as well where other programs take the processors; what its own
code takes (the longest task, 0 below 50 ms) is told apart from that.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import lab
from .browser import Server, chromium, open_notebook
from .fakes import fake_envd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from .browser import Notebook

_FLOOD = """
began = time.monotonic()
for number in range({count}):
    sys.stdout.write("#1 0.1 line %d of the flood\\n" % number)
    if number % 1000 == 999:
        sys.stdout.flush()
        time.sleep(max(0.0, began + {seconds} * number / {count} - time.monotonic()))
sys.stdout.flush()
real()
"""
_BUILD = "%%envd_build --no-push --force\nImageSpec(name='flood', env={{'N': '{}'}})"
# From the key to the picture that has what follows from it, in milliseconds.
_DELAY = """(text) => new Promise((done) => {
  const box = [...document.querySelectorAll('.envd-panel input')][0];
  const began = performance.now();
  box.value = text;
  box.dispatchEvent(new Event('input', { bubbles: true }));
  const look = () => document.querySelector('.envd-code')?.innerText.includes(text + ':')
    ? requestAnimationFrame(() => done(performance.now() - began)) : setTimeout(look, 2);
  look();
})"""
_KEYS = 60
_PROMISE = "at most 100 ms"
_BUILDS = 30


def main() -> int:
    """Print a line for each figure."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        running = lab.up()
        folder = Path(name)
        patch.setenv("DOCKER_HOST", running.docker_host)
        patch.setenv("FLYTE_INTERNAL_IMAGE", running.base_image)
        patch.setenv("ENVD_MAGIC_HOME", str(folder / "home"))
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        server = Server(folder / "jupyter")
        try:
            server.wait()
            with chromium() as browser:
                for what, figure, promise in _measure(folder, patch, server, browser):
                    print(f"{what:52} {figure:>28}   {promise}", flush=True)
        finally:
            server.stop()
            if running.started:
                running.down()
    return 0


def _measure(
    folder: Path, patch: pytest.MonkeyPatch, server: Server, browser: Browser
) -> Iterator[tuple[str, str, str]]:
    yield "standstill of a page at rest", _rest(server, browser), ""
    (folder / "floods").mkdir()
    for seconds in (0, 20):
        place = folder / "floods" / str(seconds)
        place.mkdir()
        with patch.context() as path:
            path.setenv("PATH", os.environ["PATH"])
            fake_envd(place, path, _FLOOD.format(count=200_000, seconds=seconds))
            how = f"200,000 lines in {seconds or 'no'} s"
            stood, size = _cell(server, browser, seconds)
            yield f"standstill, a cell, {how}", stood, _PROMISE
            yield f"notebook's output after it, {how}", f"{size / 1000:.1f} kB", ""
            yield f"standstill, a panel, {how}", _panel(server, browser, seconds), _PROMISE
    middle, late = _delay(server, browser)
    yield "panel, key to recipe", f"median {middle:.0f}, p95 {late:.0f} ms", "p95 at most 150 ms"
    size = _many(server, browser)
    yield f"saved notebook of {_BUILDS} builds", f"{size / 1000:.0f} kB", ""


def _stood(notebook: Notebook) -> str:
    own = notebook.longest_task()
    return f"{notebook.longest_gap():.0f} ms, own code {own:.0f} ms"


def _rest(server: Server, browser: Browser) -> str:
    notebook = open_notebook(browser, server, "rest", ["import time; time.sleep(5)"])
    notebook.run(0)
    notebook.watch_frames()
    notebook.wait(0)
    stood = _stood(notebook)
    notebook.page.context.close()
    return stood


def _path() -> str:
    return f"import os; os.environ['PATH'] = {os.environ['PATH']!r}\n%load_ext envd_magic"


def _cell(server: Server, browser: Browser, seconds: int) -> tuple[str, int]:
    cells = [_path(), _BUILD.format(os.urandom(4).hex())]
    notebook = open_notebook(browser, server, f"cell-{seconds}", cells)
    notebook.run(0)
    notebook.wait(0)
    notebook.run(1)
    notebook.page.locator(".envd-card").wait_for()
    notebook.watch_frames()
    notebook.page.locator(".envd-built").wait_for(timeout=120_000)
    stood = _stood(notebook)
    size = len(json.dumps(notebook.save().cells[1].outputs))
    notebook.page.context.close()
    return stood, size


def _panel(server: Server, browser: Browser, seconds: int) -> str:
    notebook = open_notebook(browser, server, f"panel-{seconds}", [f"{_path()}\n%envd panel"])
    notebook.run(0)
    notebook.wait(0)
    page = notebook.page
    page.get_by_role("textbox", name="Name", exact=True).fill(f"flood{os.urandom(3).hex()}")
    page.get_by_role("button", name="Build", exact=True).click()
    page.locator(".envd-card").wait_for()
    notebook.watch_frames()
    page.locator(".envd-built").wait_for(timeout=120_000)
    stood = _stood(notebook)
    page.context.close()
    return stood


def _delay(server: Server, browser: Browser) -> tuple[float, float]:
    notebook = open_notebook(browser, server, "delay", [f"{_path()}\n%envd panel"])
    notebook.run(0)
    notebook.wait(0)
    notebook.page.locator(".envd-code").wait_for()
    took = [float(notebook.page.evaluate(_DELAY, f"name{number}")) for number in range(_KEYS)]
    notebook.page.context.close()
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


def _many(server: Server, browser: Browser) -> int:
    cells = [_path(), *(_BUILD.format(f"many-{number}") for number in range(_BUILDS))]
    notebook = open_notebook(browser, server, "many", cells)
    for number in range(len(cells)):
        notebook.run(number)
        notebook.wait(number)
    notebook.save()
    size = notebook.path.stat().st_size
    notebook.page.context.close()
    return size


if __name__ == "__main__":
    sys.exit(main())
