"""Odd and broken notebooks through every command: no traceback, no byte changed in vain."""

from __future__ import annotations

import copy
import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic.records.cell import KEY

from .notebooks import notebook, run, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .lab import Lab

CELL = '%%envd_build x\nImageSpec(name="odd", env={"A": "1"})'


def text(content: Any, **layout: Any) -> bytes:
    """Write JSON as Jupyter does, unless something else is asked for."""
    options = {"indent": 1, "ensure_ascii": False, **layout}
    return f"{json.dumps(content, **options)}\n".encode()


def changed(change: Callable[[Any], object], *sources: str, **metadata: Any) -> Any:
    """Make a notebook with something changed in it."""
    content = copy.deepcopy(notebook(CELL, *sources, **metadata))
    change(content)
    return content


def without_ids(content: Any) -> None:
    for cell in content["cells"]:
        del cell["id"]


def output(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": data}


def plain() -> bytes:
    return text(notebook(CELL, "x"))


SHELL = (
    "%matplotlib inline\n!ls -la\nx = !pwd\n?print\nprint?\n%time import os",
    "await sleep(1)\nasync for x in y: pass",
    "%%bash\necho hi; x='",
    "%%writefile a.py\nimport json",
    "%%time\nfoo()",
    "!pip install\n%pip install -r x.txt 'attrs>=1'",
    "def f(:\n  x",
    "'''",
    "\\",
    "\x00",
    "\t  x\n y",
    "y = " + "-" * 5000 + "1",
)
R = {"kernelspec": {"display_name": "R", "language": "R", "name": "ir"}}
WIDGETS = {
    "widgets": {
        "application/vnd.jupyter.widget-state+json": {
            "version_major": 2,
            "version_minor": 0,
            "state": {"ab": {"model_module": "m", "model_name": "n", "state": {}}},
        }
    }
}
DEEP: Any = json.loads("[" * 300 + "]" * 300)

#: What has one image, and how it is written.
GOOD = {
    "byte order mark": b"\xef\xbb\xbf" + plain(),
    "lines of Windows": plain().replace(b"\n", b"\r\n"),
    "lines of an old Mac": plain().replace(b"\n", b"\r"),
    "indent of 4": text(notebook(CELL), indent=4),
    "tabs": text(notebook(CELL), indent="\t"),
    "one line": text(notebook(CELL), indent=None),
    "no spaces": text(notebook(CELL), indent=None, separators=(",", ":")),
    "no ids": text(changed(without_ids)),
    "minor format 4": text({**changed(without_ids), "nbformat_minor": 4}),
    "a minor format of the future": text(
        changed(
            lambda one: [
                one.update(nbformat_minor=99),
                one["cells"].append({"cell_type": "new", "id": "n", "metadata": {}}),
            ]
        )
    ),
    "the same id twice": text(changed(lambda one: one["cells"][1].update(id="cell-1"), "x")),
    "source as one text": text(changed(lambda one: one["cells"][0].update(source=CELL))),
    "source with lines of Windows": text(
        changed(lambda one: one["cells"][0].update(source=CELL.replace("\n", "\r\n")))
    ),
    "an R kernel": text(notebook(CELL, "x <- c(1, 2)\nlibrary(y)", **R)),
    "widgets": text(
        changed(
            lambda one: one["cells"][1].update(outputs=[output(**{"text/plain": "x"})]),
            "x",
            **WIDGETS,
        )
    ),
    "huge outputs": text(
        changed(
            lambda one: one["cells"][1].update(outputs=[output(**{"text/plain": "x" * 3_000_000})]),
            "x",
        )
    ),
    "deep metadata": text(notebook(CELL, deep=DEEP)),
    "no number": text(notebook(CELL, n=float("nan"), i=float("-inf"))),
    "half a character": text(notebook(CELL, "\ud800"), ensure_ascii=True),
    "any script": text(notebook(CELL, "变量 = 'é'", "# ☃")),
    "a name twice": plain().replace(
        b'"metadata": {},', b'"metadata": {}, "metadata": {"a": 1},', 1
    ),
    "magics, shells and broken code": text(notebook(CELL, *SHELL)),
    "cells for people": text(notebook(CELL, "# %%envd_build", "%%envd_build --help")),
}
#: What cannot be read, and what is said of it.
BROKEN = {
    "empty": (b"", "is no notebook: it is empty"),
    "spaces": (b" \n", "is no notebook: it is empty"),
    "null": (b"null", "without an nbformat"),
    "another language": (b"<!DOCTYPE html>", "its JSON is broken: Expecting value: line 1"),
    "cut": (plain()[:-40], "its JSON is broken"),
    "more at the end": (plain() + b"x", "its JSON is broken: Extra data"),
    "a merge conflict": (
        plain().replace(b' "metadata"', b'<<<<<<< HEAD\n "a": 1,\n=======\n>>>>>>> x\n "metadata"'),
        "it has the marks of a merge conflict",
    ),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
    "packed": (gzip.compress(plain()), "is not UTF-8, at byte 1"),
    "latin-1": (plain().replace(b'"x"', b'"\xe9"'), "is not UTF-8, at byte"),
    "utf-16": (plain().decode().encode("utf-16"), "is not UTF-8, at byte 0"),
    "deeper than Python": (b"[" * 100_000, "its JSON is nested too deeply"),
    "deep": (text(notebook(CELL, deep=json.loads("[" * 900 + "]" * 900))), "nested too deeply"),
    "format 3": (b'{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}', "is older than 4"),
    "format 5": (text({**notebook(CELL), "nbformat": 5}), "4 is the newest known"),
    "format as text": (text({**notebook(CELL), "nbformat": "4"}), 'its nbformat is "4", no whole'),
    "format as truth": (text({**notebook(CELL), "nbformat": True}), "its nbformat is true, no"),
    "minor as text": (text({**notebook(CELL), "nbformat_minor": "5"}), "its nbformat_minor is"),
    "no minor": (plain().replace(b'"nbformat_minor"', b'"x"'), "'nbformat_minor' is a required"),
    "no list of cells": (text({**notebook(), "cells": {}}), "'cells' is a required list"),
    "a cell of nothing": (text({**notebook(), "cells": [None]}), "'cells' is a required list"),
    "a bad id": (plain().replace(b"cell-1", b"a b"), "'a b' does not match"),
    "a kind of cell that is none": (
        plain().replace(b'"code"', b'"heading"', 1),
        "it has a form that no such part has (at cell 1)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_command_says_in_a_line_what_is_wrong_with_a_file(tmp_path: Path, name: str) -> None:
    content, expected = BROKEN[name]
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    for words in (["check"], ["check", "--json"], ["preview"], ["freeze"], ["build"]):
        result = run(*words, path)
        assert result.exit_code == 2, result.output
        told = [line for line in result.output.splitlines() if "finding" not in line]
        assert len(told) == 1
        assert len(told[0]) < 300 + len(str(path))
        assert expected in (json.loads(told[0])["message"] if "--json" in words else told[0])
    assert path.read_bytes() == content


def written(folder: Path) -> list[Path]:
    """Write all that can be read."""
    paths = [folder / f"{number}.ipynb" for number in range(len(GOOD))]
    for path, content in zip(paths, GOOD.values(), strict=True):
        path.write_bytes(content)
    return paths


def test_odd_notebooks_are_read_and_not_changed(tmp_path: Path) -> None:
    paths = written(tmp_path)
    for words in (["check", "--strict"], ["preview", "--json"], ["preview"], ["freeze"]):
        result = run(*words, *paths)
        assert result.exit_code == 0, (words, result.output, result.exception)
        if words[0] == "check":
            count = len(paths)
            assert result.stderr == f"no findings: {count} images in {count} files\n"
    assert [path.read_bytes() for path in paths] == list(GOOD.values())


def common(one: bytes, other: bytes) -> int:
    """Count the bytes at the beginning that are the same in both."""
    most = min(len(one), len(other))
    return next((n for n in range(most) if one[n] != other[n]), most)


def test_a_build_adds_the_record_and_no_other_byte(lab: Lab, tmp_path: Path) -> None:
    paths = written(tmp_path)
    result = run("build", *paths)
    assert result.exit_code == 0, result.output
    # The same image: it is built once.
    assert re.fullmatch(r"1 (built|already there)\n", result.stderr)
    for path, before in zip(paths, GOOD.values(), strict=True):
        after = path.read_bytes()
        start = common(before, after)
        left = common(before[start:][::-1], after[start:][::-1])
        gone, new = before[start : len(before) - left], after[start : len(after) - left]
        assert gone.strip() in (b"", b"}"), path
        assert new.count(KEY.encode()) == 1
        assert len(new) < 700, path
    assert run("check", *paths).exit_code == 0
    # Again: nothing is new.
    seen = [path.read_bytes() for path in paths]
    assert run("build", *paths).exit_code == 0
    assert [path.read_bytes() for path in paths] == seen


def test_a_read_only_notebook_is_built_and_not_written(lab: Lab, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", CELL)
    before = path.read_bytes()
    path.chmod(0o444)
    result = run("build", path)
    assert result.exit_code == 1
    assert f"error: {path}: the build is not recorded: " in result.stderr
    assert "read-only" in result.stderr
    assert path.read_bytes() == before


def test_a_build_that_could_not_begin_is_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    path = write(tmp_path / "a.ipynb", CELL)
    before = path.read_bytes()
    assert run("build", path).exit_code == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["P = ['a'][5]", "%%envd_build\nImageSpec(packages=P)"], "IndexError: list index out"),
        (["Q = 'a' + 1", "%%envd_build --name $Q\nImageSpec()"], "TypeError: can only conc"),
        (["R = {}['x']", "%envd build R"], "KeyError: 'x'"),
        (["%%envd_build\nImageSpec(name='\x00')"], "null bytes"),
        (["%%envd_build\nImageSpec(name=" + "(" * 300], "too many nested parentheses"),
        (["%%envd_build\nImageSpec(name=" + "+".join(["'x'"] * 3000) + ")"], "too deeply nested"),
        (["%%envd_build\nImageSpec(env={'A': '\\ud800'})"], "half of a surrogate pair"),
        (["%%envd_build\nImageSpec(packages=['\x1b[31m'])"], "packages['\\x1b[31m']: "),
        (
            ["%%envd_build --yaml\n!!python/object/apply:os.system [touch ran]"],
            "makes no ImageSpec",
        ),
        (["%%envd_build --yaml\nname: &a [*a]"], "error: "),
        (["%envd build 'x"], "No closing quotation"),
        (["%envd build class"], "error: "),
    ],
)
def test_odd_specs_are_told_in_a_line(tmp_path: Path, cells: list[str], expected: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(text(notebook(*cells), ensure_ascii=True))
    result = run("check", path)
    assert expected in result.stdout
    assert result.stdout.count("\n") == 1
    assert len(result.stdout) < 400 + len(str(path))
    assert "\x1b" not in result.stdout
    assert not (tmp_path / "ran").exists()
    assert run("build", path).exit_code == 1
    assert run("preview", path).exit_code == 1


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("import os\nos._exit(3)", "cell 1 cannot be run: Kernel died"),
        ("while True: pass", "cell 1 cannot be run: it took longer than 2 s; --timeout gives"),
        ("raise SystemExit", "cell 1 cannot be run: SystemExit\n"),
        ("from IPython.display import Image\nImage('no.png')", "1 cannot be run: FileNotFoundErr"),
    ],
)
def test_a_run_that_ends_badly_is_told_in_a_line(
    tmp_path: Path, cell: str, expected: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "a.ipynb", cell, "%%envd_build\nImageSpec(name=str(cell))")
    result = run("check", "--execute", "--timeout", "2", path)
    assert result.exit_code == 1
    assert expected in result.stdout
    assert result.stdout.count("\n") == 1
    # Nor does the kernel's process write to the terminal.
    assert capfd.readouterr() == ("", "")


def test_a_kernel_that_is_not_here_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(text(notebook("%%envd_build\nImageSpec(name=nothing)", **R)))
    told = run("check", "--execute", path).stdout
    assert "error: the kernel 'ir' that the notebook names is not here" in told
