"""Markup in what a spec says and what its build prints: shown in the browser, never run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .browser import open_notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from .browser import Server
    from .lab import Lab

ATTACK = "<img src=x onerror=window.ran=1><script>window.ran=2</script>"
LINK = "javascript:window.ran=3"
SPEC = r"""
from flytekit import ImageSpec
def spec(nonce):
    return ImageSpec(
        name="shown",
        env={"A": A, "NONCE": nonce},
        commands=[
            f"echo '{A}'",
            f"printf '\033]8;;{L}\033\\link\033[31m%s\033[0m\n' '{A}'",
            f"echo '{A}' >&2; '{A}'; exit 3",
        ],
    )
"""
CELLS = [
    f"%load_ext envd_magic\nA, L = {ATTACK!r}, {LINK!r}\n{SPEC}",
    f"%%envd_build built --force --no-push\nspec({os.urandom(4).hex()!r})",
    "%envd record a.jsonl.gz",
    "%envd replay a.jsonl.gz --speed 1000",
    "%envd fix",
    """%%envd_build refused
ImageSpec(name=A, packages=[A, f'a @ {A}'], apt_packages=[A], env={A: A}, pip_index=A, copy=[A],
          base_image=A, tag_format=A, platform=A)""",
    "%%envd_build refused --yaml\nname: a\npackages: ['" + ATTACK + "']\n",
    f"p = spec({os.urandom(4).hex()!r})\n%envd preview p",
    "%envd plan p",
    "%envd history",
    "%envd panel p",
]


# A build that succeeds, all that looks at it, and a recording that somebody else has made.
MORE = [
    f"""%load_ext envd_magic
import json, os
from pathlib import Path
from flytekit import ImageSpec
A = {ATTACK!r}
NAME = "<img src=x onerror=window.ran=4>.txt"
Path(NAME).write_text(A)
p = ImageSpec(name="shown-well", packages=["six"], env={{"A": A, "NONCE": os.urandom(4).hex()}},
              copy=[NAME], commands=[f"echo '{{A}}'"], entrypoint=["echo", A])
q = ImageSpec(name="shown-well", packages=["attrs"], env={{"A": A + A}}, commands=[f"echo '{{A}}'"])
def odd(value, key=""):
    if isinstance(value, dict):
        return {{name: odd(one, name) for name, one in value.items()}}
    if isinstance(value, list):
        return [odd(one, key) for one in value]
    keep = ("event", "status", "began", "stage", "phase", "kind")
    return value + A if isinstance(value, str) and key not in keep else value""",
    "%envd build p --force --no-push",
    "%envd verify p",
    "%envd verify q shown-well",
    "%envd diff p q",
    "%envd run p cat '/root/<img src=x onerror=window.ran=4>.txt'",
    "%envd record b.jsonl",
    """lines = [json.loads(line) for line in Path("b.jsonl").read_text().splitlines()]
Path("c.jsonl").write_text("".join(json.dumps(odd(line)) + "\\n" for line in lines))
from envd_magic.records.history import entries
newest = entries()[0].number""",
    "%envd replay c.jsonl --speed 1000",
    "%envd history {newest}",
    "%envd images",
    "%envd doctor q",
    "%envd panel p",
]

_SILENT = (0, 7)


def nothing_ran(page: Page) -> None:
    assert page.evaluate("() => window.ran") is None
    assert page.evaluate("() => document.querySelectorAll('img[src=x]').length") == 0
    assert page.evaluate("() => document.querySelectorAll('a[href^=javascript]').length") == 0


def test_markup_of_what_was_built_compared_and_recorded_is_never_run(
    lab: Lab, server: Server, browser: Browser
) -> None:
    assert lab
    notebook = open_notebook(browser, server, "hostile-well", MORE)
    shown = {}
    for number in range(len(MORE)):
        notebook.run(number)
        notebook.wait(number)
        if number not in _SILENT:
            # Now: the page keeps no cell that is far from what is looked at.
            notebook.output(number).first.wait_for(timeout=60_000)
            shown[number] = " ".join(notebook.output(number).all_inner_texts())
        nothing_ran(notebook.page)
    panel = notebook.cell(len(MORE) - 1)
    panel.get_by_role("button", name="Plan", exact=True).click()
    panel.get_by_text("shown-well").first.wait_for(timeout=60_000)
    nothing_ran(notebook.page)
    assert "Built: shown-well:" in shown[1], shown
    told = {number for number, text in shown.items() if "<img src=x" in text}
    assert {4, 8, 9} <= told, shown


def test_markup_is_shown_and_never_run(server: Server, browser: Browser) -> None:
    notebook = open_notebook(browser, server, "hostile", CELLS)
    for number in range(len(CELLS)):
        notebook.run(number)
        notebook.wait(number)
        # What failed shows it: in the card, and in the traceback under it.
        if number in (1, 3, 5, 6, 7):
            shown = notebook.output(number).filter(has_text=ATTACK)
            shown.first.wait_for(timeout=60_000)
    panel = notebook.cell(len(CELLS) - 1)
    panel.get_by_role("textbox", name="Packages", exact=True).fill(ATTACK)
    panel.get_by_role("status", name="Packages says").filter(has_text=ATTACK).wait_for()
    panel.get_by_role("textbox", name="Packages", exact=True).fill("")
    panel.get_by_role("button", name="Build", exact=True).click()
    panel.get_by_role("status").filter(has_text="Failed to build: shown").first.wait_for(
        timeout=60_000
    )
    log = panel.get_by_role("log", name="Build log")
    log.get_by_text(ATTACK).first.wait_for()
    page = notebook.page
    nothing_ran(page)
    # The test itself sees what runs.
    page.evaluate("(text) => { document.body.insertAdjacentHTML('beforeend', text) }", ATTACK)
    page.wait_for_function("() => window.ran === 1")
