"""What a person sees in JupyterLab: a real browser, a real kernel, real builds.

With ``ENVD_MAGIC_PICTURES=FOLDER`` the README's pictures are taken on the way (``make pictures``).
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import nbformat
import pytest

from .browser import CONTRAST, Notebook, open_notebook, picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator

    from .browser import Server

LOAD = "%load_ext envd_magic"
SECRET = "sk-very-secret"  # noqa: S105
BUILD = """%%envd_build trainer --no-push --force
ImageSpec(
    name="trainer",
    packages=["attrs"],
    env={"SEED": "{seed}"},
    commands=["for i in $(seq {count}); do echo epoch $i; sleep 0.5; done"],
)"""
BROKEN = """%%envd_build broken --no-push
ImageSpec(
    name="broken",
    packages=["attrs"],
    env={"API_KEY": "{secret}", "SEED": "7"},
    commands=["python -c 'import pandas' > /pandas.txt"],
)""".replace("{secret}", SECRET)
THEMES = ("JupyterLab Light", "JupyterLab Dark")

_BORDER = "(element) => getComputedStyle(element).borderLeftWidth"
_LINES = """(element) => { const range = document.createRange();
  range.selectNodeContents(element); return range.getClientRects().length; }"""
_OVERFLOW = "(element) => element.scrollWidth - element.clientWidth"


def build(count: int) -> str:
    """Give a cell that builds for half of so many seconds, each time anew."""
    return BUILD.replace("{seed}", os.urandom(4).hex()).replace("{count}", str(count))


def card(notebook: Notebook, number: int) -> Locator:
    """Give the card in a cell's output."""
    return notebook.cell(number).locator(".envd-card")


def see_running(notebook: Notebook, number: int) -> Locator:
    """Wait until a build's card has a line of its loop; one that ended without it is told."""
    shown = card(notebook, number)
    line = shown.get_by_role("log").get_by_text(re.compile(r"epoch \d"))
    ended = notebook.cell(number).locator(".envd-card:not(.envd-running)")
    line.or_(ended).first.wait_for()
    assert ended.count() == 0, shown.inner_text()
    return shown


@pytest.fixture(scope="module", params=THEMES)
def story(request: pytest.FixtureRequest, server: Server, browser: Browser) -> Notebook:
    """A notebook with a build that went well and one that failed, in each theme, 700 wide."""
    server.theme(request.param)
    name = request.param.split()[-1].lower()
    notebook = open_notebook(browser, server, name, [LOAD, build(12), BROKEN], width=700)
    for number in range(3):
        notebook.run(number)
        if number == 1:
            see_running(notebook, 1)
            picture(notebook.cell(1), f"running-{name}")
        notebook.wait(number)
    picture(notebook.cell(1), f"built-{name}")
    picture(notebook.cell(2), f"failed-{name}")
    return notebook


def test_running_build_tells_a_screen_reader_how_far_it_is(
    server: Server, browser: Browser
) -> None:
    notebook = open_notebook(browser, server, "running", [LOAD, build(12)])
    notebook.run(0)
    notebook.run(1)
    shown = see_running(notebook, 1)
    bar = shown.get_by_role("progressbar", name="Build progress")
    assert 0 < int(bar.get_attribute("aria-valuenow") or 0) < 100
    assert re.search(r"\d of \d steps", shown.get_by_role("status").inner_text())
    assert "run 1 command" in shown.get_by_role("table", name="Steps").inner_text()
    assert "epoch 1" in shown.get_by_role("log", name="Last lines of the log").inner_text()
    notebook.wait(1)
    assert shown.get_by_role("progressbar").count() == 0


def test_stop_button_ends_the_build_and_the_card_says_so(server: Server, browser: Browser) -> None:
    notebook = open_notebook(browser, server, "stopped", [LOAD, build(600)])
    notebook.run(0)
    notebook.run(1)
    see_running(notebook, 1)
    notebook.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    notebook.wait(1)
    assert card(notebook, 1).locator(".envd-title").inner_text().startswith("Stopped: trainer:")


def test_build_goes_on_when_its_page_is_closed_and_is_there_in_the_next_one(
    server: Server, browser: Browser
) -> None:
    cells = [LOAD, build(12), "print(trainer.name, 'is bound')", "%envd log --lines 0"]
    notebook = open_notebook(browser, server, "closed", cells)
    notebook.run(0)
    notebook.run(1)
    see_running(notebook, 1)
    notebook.save()
    where = notebook.page.url
    notebook.page.close()
    page = browser.new_page()
    page.goto(where)
    again = Notebook(page, notebook.path)
    again.wait_for_kernel()
    for number in (2, 3):
        again.run(number)
        again.wait(number)
    assert again.output(2).first.inner_text().strip() == "trainer is bound"
    assert "epoch 12" in again.output(3).first.inner_text()


def test_background_build_goes_on_in_its_own_cell(server: Server, browser: Browser) -> None:
    cells = [LOAD, build(12).replace("--force", "--force --background"), "1 + 1", "%envd wait"]
    notebook = open_notebook(browser, server, "background", cells)
    for number in range(3):
        notebook.run(number)
        notebook.wait(number)
    assert notebook.output(2).first.inner_text() == "2"
    notebook.run(3)
    notebook.wait(3)
    card(notebook, 1).get_by_text("Built:").wait_for()


def test_result_says_what_was_built_and_how_to_use_it(story: Notebook) -> None:
    text = card(story, 1).inner_text()
    assert re.search(r"Built: trainer:\S+", text)
    assert "@task(container_image=trainer)" in text
    assert re.search(r"sha256:[0-9a-f]{64}", text)
    assert re.search(r"Size\s+\d+ MB", text)


def test_result_folds_its_steps(story: Notebook) -> None:
    steps = card(story, 1).get_by_role("table", name="Steps")
    assert not steps.is_visible()
    card(story, 1).locator("summary").press("Enter")
    assert steps.is_visible()
    assert "install 1 package" in steps.inner_text()


def test_failure_marks_the_command_at_fault_and_shows_what_helps(story: Notebook) -> None:
    shown = card(story, 2)
    assert "the image's Python has no module 'pandas'" in shown.inner_text()
    assert "No module named 'pandas'" in shown.get_by_role("log").inner_text()
    marked = " ".join(shown.locator("mark").all_inner_texts())
    assert marked == "\"python -c 'import pandas' > /pandas.txt\""
    assert shown.locator(".envd-helps li").first.inner_text().startswith("add pandas to packages")
    assert shown.locator("ins").inner_text() == "+    packages=['attrs', 'pandas'],"


@pytest.mark.parametrize(
    "part", [".envd-title", ".envd-title b", "pre", "th", "td", "summary", "mark", "ins", "del"]
)
def test_every_part_can_be_read_in_each_theme(story: Notebook, part: str) -> None:
    # 4.5 is what WCAG 2.1 asks of text (1.4.3).
    everywhere = story.main.locator(f".envd-card {part}").all()
    assert everywhere
    assert min(float(each.evaluate(CONTRAST)) for each in everywhere) >= 4.5


def test_narrow_window_cuts_nothing_off(story: Notebook) -> None:
    assert card(story, 1).evaluate(_OVERFLOW) <= 0
    assert card(story, 2).evaluate(_OVERFLOW) <= 0


def test_narrow_window_breaks_no_name_of_a_field(story: Notebook) -> None:
    shown = card(story, 1)
    shown.locator("details").first.evaluate("(element) => { element.open = true }")
    size = story.page.viewport_size
    assert size is not None
    story.page.set_viewport_size({**size, "width": 480})
    try:
        cell = shown.get_by_role("cell", name="base_image", exact=True)
        lines = cell.evaluate(_LINES)
    finally:
        story.page.set_viewport_size(size)
        shown.locator("details").first.evaluate("(element) => { element.open = false }")
    assert lines == 1


@pytest.fixture(scope="module")
def saved(story: Notebook) -> nbformat.NotebookNode:
    """The story's notebook as it is in its file. JupyterLab does not save what has not changed."""
    return story.save()


def test_saved_notebook_holds_no_secret_and_no_flood(saved: nbformat.NotebookNode) -> None:
    outputs = json.dumps([cell.outputs for cell in saved.cells])
    assert SECRET not in outputs
    assert len(json.dumps(saved.cells[1].outputs)) < 10_000
    assert len(json.dumps(saved.cells[2].outputs)) < 15_000


def test_saved_notebook_can_be_read_without_a_kernel_or_trust(
    story: Notebook, saved: nbformat.NotebookNode, server: Server, browser: Browser
) -> None:
    # What somebody else ran is not signed here: JupyterLab takes styles and scripts away.
    saved.cells.append(nbformat.v4.new_markdown_cell("A month later."))
    copy = story.path.with_name(f"later-{story.path.name}")
    nbformat.write(saved, copy)
    page = browser.new_page(viewport={"width": 900, "height": 1200})
    page.goto(f"{server.url}/doc/workspaces/later/tree/{copy.name}")
    page.get_by_role("paragraph").get_by_text("A month later.").wait_for()
    assert page.locator(".envd-card").first.evaluate(_BORDER) == "0px"
    text = page.locator(".jp-Notebook").inner_text()
    picture(page.locator(".jp-Notebook"), f"later-{copy.stem}")
    page.close()
    assert "Built: trainer:" in text
    assert "Failed to build: broken:" in text
    assert "No module named 'pandas'" in text
    assert "commands=[" in text


def test_fix_puts_a_cell_below_that_is_ready_to_run(server: Server, browser: Browser) -> None:
    refused = "%%envd_build trainer\nImageSpec(name='My Trainer', base_image='a:1')"
    notebook = open_notebook(browser, server, "fix", [LOAD, refused, "%envd fix"])
    for number in range(3):
        notebook.run(number)
        notebook.wait(number)
    new = notebook.cell(3).get_by_role("textbox")
    new.filter(has_text="my-trainer").wait_for()
    assert "%%envd_build trainer" in new.inner_text()
    assert "ImageSpec(name='my-trainer', base_image='a:1')" in new.inner_text()
