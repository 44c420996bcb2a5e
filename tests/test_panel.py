"""The build panel in JupyterLab, driven by the names that a screen reader says."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from .browser import CONTRAST, open_notebook, picture
from .fakes import fake_envd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator

    from .browser import Notebook, Server
    from .lab import Lab

PANEL = "%load_ext envd_magic\n%envd panel"
SECRET = "hunter-22-hunter"  # noqa: S105
LINES = 100_000
_PLACE = """(button) => {
  const [own, all] = [button, button.closest(".envd-panel")].map((e) => e.getBoundingClientRect());
  return [own.left - all.left, own.top - all.top];
}"""
_FLOOD = f"""
out = b"".join(b"#1 0.1 line %d\\n" % number for number in range({LINES}))
sys.stdout.write("#1 flood\\n")
sys.stdout.flush()
sys.stdout.buffer.write(out)
sys.stdout.flush()
real()
"""


@pytest.fixture(autouse=True)
def _alone(browser: Browser, server: Server) -> Iterator[None]:
    """Let no page and no kernel of another test take this one's time."""
    yield
    for context in browser.contexts:
        context.close()
    server.end_kernels()


def open_panel(
    browser: Browser,
    server: Server,
    name: str,
    *cells: str,
    width: int = 1200,
    theme: str = "JupyterLab Light",
) -> Notebook:
    """Open a notebook whose first cell shows a panel."""
    server.theme(theme)
    notebook = open_notebook(browser, server, f"panel-{name}", [PANEL, *cells], width=width)
    notebook.run(0)
    notebook.wait(0)
    button(notebook, "Build").wait_for()
    return notebook


def box(notebook: Notebook, label: str) -> Locator:
    """Give a text box, or one with suggestions."""
    role = "combobox" if label in ("Base image", "Registry", "Show as", "History") else "textbox"
    return notebook.main.get_by_role(role, name=label, exact=True)  # type: ignore[arg-type]


def button(notebook: Notebook, name: str) -> Locator:
    return notebook.main.get_by_role("button", name=name, exact=True)


def place(notebook: Notebook, name: str) -> object:
    """Give where a button is in the panel."""
    return button(notebook, name).evaluate(_PLACE)


def tab(notebook: Notebook, name: str) -> None:
    notebook.main.get_by_role("tab", name=name).click()


def says(notebook: Notebook, text: str) -> None:
    """Wait until the panel's status says something."""
    notebook.main.get_by_role("status").filter(has_text=text).first.wait_for()


def commands(notebook: Notebook, text: str) -> None:
    tab(notebook, "System")
    box(notebook, "Commands").fill(text)


def slow(count: int) -> str:
    """Give a command that runs half of so many seconds, each time anew."""
    return f"for i in $(seq {count}); do echo epoch $i; sleep 0.5; done; echo {os.urandom(4).hex()}"


def test_a_spec_is_made_from_nothing_and_built(lab: Lab, server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "nothing", "print(made.env['SEED'])")
    box(notebook, "Name").fill("from-the-panel")
    box(notebook, "Packages").fill("# what it needs\nattrs\n")
    commands(notebook, "python -c 'import attrs' && printf there > /made.txt")
    box(notebook, "Environment variables").fill(f"SEED=7\nNONCE={os.urandom(4).hex()}")
    box(notebook, "Variable").fill("made")
    button(notebook, "Build").click()
    says(notebook, "Built: from-the-panel:")
    heading = notebook.main.locator(".envd-title").inner_text()
    image = heading.removeprefix("Built: ").strip()
    assert lab.run(image, "cat", "/made.txt") == "there"
    notebook.run(1)
    notebook.wait(1)
    assert notebook.output(1).first.inner_text().strip() == "7"
    assert "@task(container_image=made)" in notebook.main.locator(".envd-card").inner_text()
    picture(notebook.cell(0), "panel-built")


def test_a_plan_is_shown_before_a_build(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "plan")
    box(notebook, "Name").fill("planned-in-the-panel")
    commands(notebook, f"echo {os.urandom(4).hex()}")
    button(notebook, "Plan").click()
    says(notebook, "Plan: planned-in-the-panel:")
    row = notebook.main.get_by_role("table", name="Planned steps").get_by_role("row")
    row.filter(has_text="run 1 command").filter(has_text="runs").first.wait_for()
    picture(notebook.cell(0), "panel-plan")
    # In a narrow window the table is scrolled, and no column has a letter a line.
    notebook.page.set_viewport_size({"width": 480, "height": 900})
    shown = notebook.main.locator(".envd-card")
    assert shown.evaluate("(element) => element.scrollWidth - element.clientWidth") <= 0
    step = row.get_by_role("cell", name="run 1 command", exact=True)
    assert step.evaluate("(element) => element.clientWidth") >= 80


def test_bad_input_is_said_beside_its_field_and_nothing_is_built(
    server: Server, browser: Browser
) -> None:
    notebook = open_panel(browser, server, "bad")
    box(notebook, "Packages").press_sequentially("pandas >>2")
    said = notebook.main.get_by_role("status", name="Packages says")
    said.filter(has_text="is no Python requirement").wait_for()
    assert button(notebook, "Build").is_disabled()
    says(notebook, "To mend before it can be built: Packages")
    box(notebook, "Packages").fill("pandas >=2")
    says(notebook, "Ready to build")
    assert button(notebook, "Build").is_enabled()
    picture(notebook.cell(0), "panel-form")


def test_cancel_ends_the_build(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "cancel", "1 + 1")
    commands(notebook, slow(600))
    button(notebook, "Build").click()
    notebook.main.get_by_role("log", name="Build log").get_by_text("epoch 2").first.wait_for()
    notebook.run(1)
    notebook.wait(1)
    assert notebook.output(1).first.inner_text() == "2"
    button(notebook, "Cancel").click()
    says(notebook, "Stopped: flytekit:")
    assert button(notebook, "Build").is_enabled()
    assert button(notebook, "Cancel").is_disabled()


def test_a_failure_marks_the_field_and_shows_the_card(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "failure")
    commands(notebook, "python -c 'import nothing_of_that_name'")
    box(notebook, "Environment variables").fill(f"API_TOKEN={SECRET}")
    button(notebook, "Build").click()
    says(notebook, "Failed to build:")
    said = notebook.main.get_by_role("status", name="Commands says")
    assert "The last build failed here" in said.inner_text()
    assert "nothing_of_that_name" in notebook.main.locator(".envd-card mark").first.inner_text()
    assert SECRET not in notebook.page.content()
    assert "•" in box(notebook, "Environment variables").input_value()
    box(notebook, "Commands").fill("true")
    said.filter(has_text="failed here").wait_for(state="hidden")
    picture(notebook.cell(0), "panel-failed")


def test_what_helps_is_put_into_the_form_and_builds(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "helps")
    wanted = f"python --version && echo {os.urandom(4).hex()}"
    commands(notebook, wanted.replace("python", "pyhton"))
    button(notebook, "Build").click()
    says(notebook, "Failed to build:")
    button(notebook, "Use 1: write python in place of pyhton").click()
    says(notebook, "The fix is in the form")
    assert box(notebook, "Commands").input_value() == wanted
    assert notebook.main.get_by_role("button", name=re.compile("^Use")).count() == 0
    button(notebook, "Build").click()
    says(notebook, "Built:")


def test_after_a_reload_the_build_and_the_form_are_there(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "reload")
    box(notebook, "Packages").fill("attrs")
    commands(notebook, slow(600))
    button(notebook, "Build").click()
    log = notebook.main.get_by_role("log", name="Build log")
    log.get_by_text("epoch 2").first.wait_for()
    notebook.save()
    notebook.page.reload()
    box(notebook, "Packages").wait_for()
    assert box(notebook, "Packages").input_value() == "attrs"
    assert button(notebook, "Build").is_disabled()
    log.get_by_text(re.compile(r"epoch \d\d")).first.wait_for()
    notebook.main.get_by_role("searchbox", name="Search the log").fill("epoch 1")
    log.get_by_text(re.compile(r"epoch 1$")).first.wait_for()
    button(notebook, "Cancel").click()
    says(notebook, "Stopped")


def test_what_is_typed_moves_no_button_away(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "still")
    before = place(notebook, "Build")
    box(notebook, "Packages").fill("\n".join(f"package-{number}" for number in range(30)))
    commands(notebook, "true\n" * 10)
    notebook.main.get_by_text("package-29").last.wait_for()
    assert place(notebook, "Build") == before
    box(notebook, "Packages").fill("no package at all")
    says(notebook, "To mend before it can be built: Packages")
    assert place(notebook, "Build") == before


def test_two_panels_build_at_once(server: Server, browser: Browser) -> None:
    first = open_panel(browser, server, "first")
    second = open_panel(browser, server, "second")
    for notebook in (first, second):
        commands(notebook, slow(30))
        button(notebook, "Build").click()
    for notebook in (first, second):
        log = notebook.main.get_by_role("log", name="Build log")
        log.get_by_text(re.compile(r"epoch \d")).first.wait_for()
        assert button(notebook, "Cancel").is_enabled()
    for notebook in (first, second):
        says(notebook, "Built: flytekit:")


def test_a_hundred_thousand_lines_are_all_there(
    server: Server, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_envd(tmp_path, monkeypatch, _FLOOD)
    path = f"import os; os.environ['PATH'] = {os.environ['PATH']!r}"
    notebook = open_panel(browser, server, "flood", path)
    notebook.run(1)
    notebook.wait(1)
    commands(notebook, f"echo {os.urandom(4).hex()}")
    button(notebook, "Build").click()
    says(notebook, "Built: flytekit:")
    log = notebook.main.get_by_role("log", name="Build log")
    search = notebook.main.get_by_role("searchbox", name="Search the log")
    for number in (0, LINES // 2, LINES - 1):
        search.fill(f"line {number}")
        log.get_by_text(re.compile(rf"line {number}\b")).first.wait_for()
    assert log.locator("pre div").count() < 100


def test_code_can_be_put_into_a_cell(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "insert")
    box(notebook, "Packages").fill("attrs")
    box(notebook, "Variable").fill("mine")
    notebook.main.get_by_role("region", name="Recipe").get_by_text("attrs").first.wait_for()
    button(notebook, "Insert as cell").click()
    says(notebook, "Inserted below")
    text = notebook.cell(1).locator(".cm-content").inner_text()
    assert text.splitlines() == ["%%envd_build mine", "ImageSpec(", "    packages=['attrs'],", ")"]


def test_the_spec_is_shown_as_code(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "code")
    box(notebook, "Packages").fill("attrs")
    forms = {
        "Python": "from flytekit import ImageSpec",
        "Cell": "%%envd_build",
        "YAML": "packages:",
    }
    for form, expected in forms.items():
        box(notebook, "Show as").select_option(form)
        notebook.main.get_by_role("region", name=form).get_by_text(expected).first.wait_for()


def test_a_past_build_comes_back_into_the_form(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "history")
    box(notebook, "Packages").fill("attrs")
    notebook.main.get_by_role("checkbox", name="Build even if it is there").check()
    button(notebook, "Build").click()
    says(notebook, "Built: flytekit:")
    button(notebook, "Clear the form").click()
    notebook.page.wait_for_function("() => !document.querySelector('textarea').value")
    button(notebook, "Restore").click()
    notebook.page.wait_for_function("() => document.querySelector('.envd-panel textarea').value")
    assert box(notebook, "Packages").input_value() == "attrs"


def test_the_keyboard_alone_is_enough(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "keyboard")
    keys = notebook.page.keyboard
    box(notebook, "Name").focus()
    keys.type("typed")
    for _ in range(3):
        keys.press("Tab")
    keys.type("attrs")
    says(notebook, "Ready to build")
    for _ in range(40):
        keys.press("Tab")
        if notebook.page.evaluate("() => document.activeElement.innerText") == "Build":
            break
    keys.press("Enter")
    says(notebook, ": typed:")


def test_every_control_has_a_name(server: Server, browser: Browser) -> None:
    notebook = open_panel(browser, server, "names", width=700)
    for name in ("Image", "Python", "Conda", "System", "Files", "More"):
        tab(notebook, name)
        shown = notebook.main.locator(".envd-panel").aria_snapshot()
        assert not re.search(
            r"- (textbox|combobox|button|checkbox|tab|searchbox)(:|$)", shown, re.MULTILINE
        )
    overflow = "(element) => element.scrollWidth - element.clientWidth"
    assert notebook.main.locator(".envd-panel").evaluate(overflow) <= 0


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_what_the_panel_says_can_be_read_in_each_theme(
    server: Server, browser: Browser, theme: str
) -> None:
    name = theme.rpartition(" ")[2].lower()
    notebook = open_panel(browser, server, name, width=700, theme=theme)
    box(notebook, "Packages").fill("a b c")
    notebook.main.get_by_role("status", name="Packages says").get_by_text("a b c").wait_for()
    parts = notebook.main.locator(
        ".envd-panel [role=status] div, .envd-code span, .envd-take button"
    )
    assert min(float(part.evaluate(CONTRAST)) for part in parts.all()) >= 4.5
    picture(notebook.cell(0), f"panel-{name}")
