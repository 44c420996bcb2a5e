"""IPython in a terminal: a pty, as a person at a keyboard has it."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pexpect  # type: ignore[import-untyped]  # comes with IPython
import pytest

from .gates import Gates, gates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PROMPT = r"In \[\d+\]: "


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, envd_home: Path) -> Iterator[Gates]:
    place = tmp_path_factory.mktemp("terminal")
    with gates(place, envd_home) as made:
        yield made


@pytest.fixture(scope="module")
def terminal(gate: Gates) -> Iterator[Any]:
    words = ["-m", "IPython", "--no-banner", "--simple-prompt", "--colors=NoColor"]
    child = pexpect.spawn(
        sys.executable, words, cwd=str(gate.folder), encoding="utf-8", dimensions=(30, 100)
    )
    child.expect(_PROMPT, timeout=60)
    child.sendline("%load_ext envd_magic")
    child.expect(_PROMPT, timeout=60)
    yield child
    child.close(force=True)


def build(terminal: Any, gate: Gates, name: str, options: str = "") -> None:
    terminal.sendline(f"%envd build {options} {gate.spec(name)!r} {name.replace('-', '_')}")


def until_prompt(terminal: Any) -> str:
    """Give what is shown until the next prompt, without what moves the cursor."""
    terminal.expect(_PROMPT, timeout=60)
    return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", terminal.before).replace("\r", "")


def test_card_is_drawn_in_place_while_it_builds_and_stays_at_the_end(
    terminal: Any, gate: Gates
) -> None:
    build(terminal, gate, "drawn")
    terminal.expect("Building: ", timeout=60)
    terminal.expect("at the gate drawn", timeout=60)
    # The cursor goes up to draw again.
    terminal.expect(r"\x1b\[\d*A", timeout=60)
    gate.open("drawn")
    shown = until_prompt(terminal)
    last = shown[shown.rindex("Built: ") :]
    assert last.startswith("Built: localhost:30000/drawn:")
    assert "@task(container_image=drawn)" in last
    assert "run the commands" in last
    assert "Building: " not in last


def test_interrupt_ends_the_build_and_gives_the_prompt_back(terminal: Any, gate: Gates) -> None:
    build(terminal, gate, "stopped")
    terminal.expect("at the gate stopped", timeout=60)
    terminal.sendintr()
    shown = until_prompt(terminal)
    assert "Stopped: localhost:30000/stopped:" in shown
    assert "BuildInterrupted: The build of localhost:30000/stopped:" in shown
    assert "Traceback" not in shown
    terminal.sendline("print(6 * 7)")
    assert "42" in until_prompt(terminal)


def test_several_builds_are_shown_one_after_another_and_run_at_once(
    terminal: Any, gate: Gates
) -> None:
    both = f"[{gate.spec('long')}, {gate.spec('short')}]"
    terminal.sendline(f"%envd build {both!r} two")
    gate.open("short")
    terminal.expect("at the gate long", timeout=60)
    gate.open("long")
    shown = until_prompt(terminal)
    ends = re.findall(r"^Built: localhost:30000/(\w+):", shown, re.MULTILINE)
    assert ends == ["long", "short"]
    # Each end has its own lines alone.
    assert "at the gate long" not in shown[shown.index("Built: localhost:30000/short:") :]
    terminal.sendline("[one.name for one in two]")
    assert "['long', 'short']" in until_prompt(terminal)


def test_failure_is_a_card_and_one_line(terminal: Any, gate: Gates) -> None:
    gate.open("broken", "fail")
    build(terminal, gate, "broken")
    shown = until_prompt(terminal)
    last = shown[shown.rindex("Failed to build: ") :]
    assert "gone wrong" in last
    assert "BuildError: " in last
    assert "Traceback" not in last


def test_quiet_build_draws_its_end_alone(terminal: Any, gate: Gates) -> None:
    gate.open("hushed")
    build(terminal, gate, "hushed", "--quiet")
    shown = until_prompt(terminal)
    assert "Building: " not in shown
    assert "Built: localhost:30000/hushed:" in shown


def test_build_in_the_background_is_refused(terminal: Any, gate: Gates) -> None:
    build(terminal, gate, "hidden", "--background")
    assert "--background needs a notebook" in until_prompt(terminal)
    terminal.sendline("%envd wait")
    assert "No build is running." in until_prompt(terminal)


def test_card_is_drawn_whole_in_a_small_window(terminal: Any, gate: Gates) -> None:
    terminal.setwinsize(10, 40)
    gate.open("narrow")
    build(terminal, gate, "narrow")
    shown = until_prompt(terminal)
    terminal.setwinsize(30, 100)
    words = "".join(shown[shown.rindex("Built: ") :].split())
    assert "@task(container_image=narrow)" in words
