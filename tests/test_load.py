"""Loading and unloading the extension: what it costs, what it leaves."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from .shells import shell

_MEASURE = """
import json, sys, time
began = time.perf_counter()
from IPython.terminal.interactiveshell import TerminalInteractiveShell
shell = TerminalInteractiveShell.instance()
own = time.perf_counter() - began
before = set(sys.modules)
began = time.perf_counter()
shell.run_line_magic("load_ext", "envd_magic")
ours = time.perf_counter() - began
print(json.dumps([own, ours, sorted(set(sys.modules) - before)]))
"""


def measured() -> tuple[float, float, list[str]]:
    """Give the seconds of IPython's start, of loading, and the modules that loading imports."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True
    )
    own, ours, modules = json.loads(done.stdout.splitlines()[-1])
    return own, ours, modules


@pytest.fixture(scope="module")
def loads() -> list[tuple[float, float, list[str]]]:
    return [measured() for _ in range(3)]


@pytest.mark.parametrize(
    "heavy",
    ["flytekit", "ipywidgets", "docker", "rich", "requests", "yaml", "tomllib", "markupsafe"]
    + ["hypothesis", "packaging", "platformdirs", "importlib.metadata", "subprocess"],
)
def test_loading_imports_nothing_heavy(
    loads: list[tuple[float, float, list[str]]], heavy: str
) -> None:
    assert not [name for name in loads[0][2] if name.split(".")[0] == heavy or name == heavy]


def test_loading_costs_at_most_a_tenth_of_ipythons_start(
    loads: list[tuple[float, float, list[str]]],
) -> None:
    assert min(ours / own for own, ours, _ in loads) <= 0.1


def hung_in(ip: Any) -> dict[str, Any]:
    """Give all that an extension can hang into a shell."""
    return {
        "line magics": set(ip.magics_manager.magics["line"]),
        "cell magics": set(ip.magics_manager.magics["cell"]),
        "registry": set(ip.magics_manager.registry),
        "matchers": list(ip.Completer.custom_matchers),
        "cleanup": list(ip.input_transformers_cleanup),
        "post": list(ip.input_transformers_post),
        "settings": [type(one).__name__ for one in ip.configurables],
        "events": {name: list(found) for name, found in ip.events.callbacks.items()},
        "exceptions": ip.custom_exceptions,
        "own": set(vars(ip)),
        "variables": set(ip.user_ns),
        "threads": {thread.name for thread in threading.enumerate()},
        "hook": sys.excepthook,
    }


def test_unloading_takes_everything_away() -> None:
    ip = shell(loaded=False)
    # IPython gets its own magics for extensions at the first use.
    ip.do("%unload_ext envd_magic")
    before = hung_in(ip)
    ip.do("%load_ext envd_magic")
    assert hung_in(ip) != before
    ip.do("%envd builds")
    ip.do("%%envd_build --dry-run\nImageSpec(name='x')")
    ip.do("%unload_ext envd_magic")
    after = hung_in(ip)
    for name, found in after.items():
        more = set(found) - set(before[name]) if isinstance(found, set) else found
        assert more == (set() if isinstance(found, set) else before[name]), name


def test_loading_twice_changes_nothing() -> None:
    ip = shell()
    before = hung_in(ip)
    assert "already loaded" in ip.do("%load_ext envd_magic")
    from envd_magic import load_ipython_extension

    load_ipython_extension(ip)
    assert hung_in(ip) == before


def test_unloading_twice_is_harmless() -> None:
    ip = shell()
    ip.do("%unload_ext envd_magic")
    from envd_magic import unload_ipython_extension

    unload_ipython_extension(ip)
    assert "not loaded" in ip.do("%unload_ext envd_magic")


@pytest.mark.parametrize("again", ["%load_ext envd_magic", "%reload_ext envd_magic"])
def test_loading_again_after_unloading_works(again: str) -> None:
    ip = shell()
    ip.do("%unload_ext envd_magic")
    with pytest.raises(Exception, match="not found"):
        ip.do("%envd builds")
    ip.do(again)
    assert ip.do("%envd builds") == "Nothing has been built in this session.\n"


def test_reloading_keeps_one_of_each() -> None:
    ip = shell()
    before = hung_in(ip)
    ip.do("%reload_ext envd_magic")
    after = hung_in(ip)
    assert len(after["matchers"]) == len(before["matchers"])
    assert after["settings"] == before["settings"]
    assert after["cleanup"] == before["cleanup"]


def test_settings_survive_a_magic_that_fails() -> None:
    ip = shell()
    ip.do("%config EnvdMagic.tail = 3")
    with pytest.raises(Exception, match="unknown command"):
        ip.do("%envd nothing")
    assert ip.magics_manager.registry["EnvdMagic"].setting("tail") == 3
