"""Fixtures that every test may use."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from . import lab as lab_package
from .tidying import take_away

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser

    from .browser import Server

_HOME = "ENVD_MAGIC_HOME"
_KEEP = "ENVD_MAGIC_LAB_KEEP"
_BROWSER = "browser"


_WORKER = "PYTEST_XDIST_WORKER"
_STOOD = pytest.StashKey[bool]()
_LAB = pytest.StashKey[lab_package.Lab]()


# How long an example takes is the machine's affair.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that build for real, and put them after the fast ones.

    Of several processes one takes all that a module's fixtures are made for, and one all that needs
    the browser, first, since that takes longest.
    """
    for item in items:
        if _needs_lab(item):
            item.add_marker(pytest.mark.lab)
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: (_is_slow(item), _group(item) != _BROWSER))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Note whether the lab ran before the tests."""
    if _WORKER not in os.environ:
        session.config.stash[_STOOD] = lab_package.runs()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take down what several processes have used, when all of them have ended."""
    several = session.config.getoption("numprocesses", None)
    if not several or _WORKER in os.environ or os.environ.get(_KEEP) == "1":
        return
    if not session.config.stash[_STOOD]:
        lab_package.down()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell with a failure what the open pages showed."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("chromium")
    if report.failed and browser is not None:
        from .browser import pages_text

        report.sections += pages_text(browser)
    return report


@pytest.fixture(scope="session")
def envd_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what the tests' envd keeps; one for all, since a new one costs seconds."""
    return tmp_path_factory.mktemp("envd_magic_home")


@pytest.fixture(autouse=True)
def _isolated(envd_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test from the user's own envd."""
    monkeypatch.setenv(_HOME, str(envd_home))
    # Tests start envd by its name too; it lies beside the interpreter.
    beside = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", f"{beside}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def lab(envd_home: Path, pytestconfig: pytest.Config) -> Iterator[lab_package.Lab]:
    """Engine, registry and base image, with the environment pointing at them.

    What ran before stays; with ENVD_MAGIC_LAB_KEEP=1 everything does.
    """
    running = pytestconfig.stash[_LAB] = lab_package.up()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", running.docker_host)
            patch.setenv("FLYTE_INTERNAL_IMAGE", running.base_image)
            # For fixtures of the session, which are made before a test's own variables are set.
            patch.setenv(_HOME, str(envd_home))
            yield running
    finally:
        alone = _WORKER not in os.environ
        if alone and running.started and os.environ.get(_KEEP) != "1":
            running.down()


@pytest.fixture(scope="module", autouse=True)
def _tidied(request: pytest.FixtureRequest, envd_home: Path) -> Iterator[None]:
    """Take what a module has built out of the lab's engine."""
    began = time.time()
    yield
    if (running := request.config.stash.get(_LAB, None)) is not None:
        take_away(envd_home, began, running.docker_host)


@pytest.fixture(scope="session")
def gateway(lab: lab_package.Lab) -> str:
    """Address of this machine, as containers see it."""
    route = lab.run(lab.base_image, "python", "-c", _GATEWAY)
    return route.strip()


_GATEWAY = """
import socket, struct
for line in open('/proc/net/route').readlines()[1:]:
    words = line.split()
    if words[1] == '00000000':
        print(socket.inet_ntoa(struct.pack('<L', int(words[2], 16))))
"""


@pytest.fixture(scope="session")
def server(lab: lab_package.Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab, with the lab in its environment."""
    from .browser import Server

    running = Server(tmp_path_factory.mktemp("jupyterlab"))
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Chromium itself."""
    from .browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: Browser, server: Server) -> Iterator[Browser]:
    """Chromium for the tests of one module: their pages and kernels end with them."""
    yield chromium
    for context in chromium.contexts:
        context.close()
    server.end_kernels()


def _group(item: pytest.Item) -> str:
    names = getattr(item, "fixturenames", ())
    if "server" in names or "chromium" in names:
        return _BROWSER
    return f"{item.path.stem}-lab" if _needs_lab(item) else item.path.stem


def _is_slow(item: pytest.Item) -> bool:
    return _needs_lab(item) or "binder" in getattr(item, "fixturenames", ())


def _needs_lab(item: pytest.Item) -> bool:
    return "lab" in getattr(item, "fixturenames", ())
