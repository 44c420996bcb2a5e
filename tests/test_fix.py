"""Fixes: made on a copy of a spec, in the text of a cell, and by ``%envd fix``."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from IPython.core.error import UsageError

from envd_magic.diagnosis.edits import difference, fixed
from envd_magic.diagnosis.fixes.machine import make_room
from envd_magic.diagnosis.model import Change, Diagnosis, Fix
from envd_magic.diagnosis.rewrite import NotFoundError, rewritten
from envd_magic.errors import SpecError
from envd_magic.interactive.commands import COMMANDS
from envd_magic.interactive.fixing import fixed_cell
from envd_magic.interactive.jobs import Job, Origin
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.stop import Stop
from envd_magic.spec.several import Specs

from .shells import shell

if TYPE_CHECKING:
    from pathlib import Path

SPEC = ImageSpec(
    name="trainer",
    packages=["attrs", "pandsa>=2"],
    env={"API_TOKEN": "sesame-4711", "SEED": "7"},
    pip_extra_args="--no-deps --retries 3",
)
TYPO = Change("packages", "replace", "pandas>=2", 1)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (TYPO, "packages", ["attrs", "pandas>=2"]),
        (Change("packages", "remove", None, 0), "packages", ["pandsa>=2"]),
        (
            Change("packages", "rewrite", ["pandsa", "pandas"], 1),
            "packages",
            ["attrs", "pandas>=2"],
        ),
        (Change("apt_packages", "add", "git"), "apt_packages", ["git"]),
        (Change("python_version", "set", "3.12"), "python_version", "3.12"),
        (Change("pip_extra_args", "remove", None, "--no-deps"), "pip_extra_args", "--retries 3"),
        (Change("pip_extra_args", "add", "--pre"), "pip_extra_args", "--no-deps --retries 3 --pre"),
        (
            Change("pip_extra_args", "replace", "--pre", "--no-deps"),
            "pip_extra_args",
            "--pre --retries 3",
        ),
        (Change("env", "remove", None, "SEED"), "env", {"API_TOKEN": "sesame-4711"}),
        (Change("env", "replace", "8", "SEED"), "env", {"API_TOKEN": "sesame-4711", "SEED": "8"}),
    ],
)
def test_a_fix_changes_a_copy(change: Change, field: str, value: Any) -> None:
    before = repr(SPEC)
    assert getattr(fixed(SPEC, Fix("x", (change,))), field) == value
    assert repr(SPEC) == before


def test_the_last_item_that_is_left_out_empties_the_field() -> None:
    spec = ImageSpec(name="a", packages=["x"])
    assert fixed(spec, Fix("x", (Change("packages", "remove", None, 0),))).packages is None


def test_a_fix_of_a_base_spec_changes_that() -> None:
    spec = ImageSpec(name="top", base_image=SPEC)
    fix = Diagnosis("x", "packages", fixes=(Fix("x", (TYPO,)),)).within("base_image").fixes[0]
    assert fixed(spec, fix).base_image.packages == ["attrs", "pandas>=2"]
    assert spec.base_image.packages == ["attrs", "pandsa>=2"]


def test_a_fix_that_is_for_another_spec_is_refused() -> None:
    with pytest.raises(ValueError, match="no item 1"):
        fixed(ImageSpec(name="a", packages=["x"]), Fix("x", (TYPO,)))


def test_what_a_fix_changes_is_shown_without_secrets() -> None:
    lines = difference(SPEC, Fix("x", (TYPO, Change("env", "remove", None, "SEED"))))
    assert "-    packages=['attrs', 'pandsa>=2']," in lines
    assert "+    packages=['attrs', 'pandas>=2']," in lines
    assert "sesame" not in "".join(lines)


@pytest.mark.parametrize(
    ("text", "change", "expected"),
    [
        (
            "ImageSpec(name='a', packages=['attrs', 'pandsa>=2'], env=secrets())",
            TYPO,
            "ImageSpec(name='a', packages=['attrs', 'pandas>=2'], env=secrets())",
        ),
        (
            (
                "import os\n\nImageSpec(\n    name='a',  # the name\n    packages=[\n"
                "        'attrs',\n        'pandsa>=2',\n    ],\n    env={'T': os.environ['T']},\n)"
            ),
            TYPO,
            (
                "import os\n\nImageSpec(\n    name='a',  # the name\n    packages=[\n"
                "        'attrs',\n        'pandas>=2',\n    ],\n    env={'T': os.environ['T']},\n)"
            ),
        ),
        (
            "ImageSpec(name='ü', packages=['attrs', 'pandsa>=2'])",
            Change("packages", "remove", None, 1),
            "ImageSpec(name='ü', packages=['attrs'])",
        ),
        (
            "ImageSpec(name='a', packages=['attrs', 'b'])",
            Change("packages", "remove", None, 0),
            "ImageSpec(name='a', packages=['b'])",
        ),
        (
            "ImageSpec(name='a', packages=['attrs'], registry='x')",
            Change("packages", "remove", None, 0),
            "ImageSpec(name='a', registry='x')",
        ),
        (
            "ImageSpec(name='a')",
            Change("apt_packages", "add", "git"),
            "ImageSpec(name='a', apt_packages=['git'])",
        ),
        (
            "ImageSpec(\n    name='a',\n)",
            Change("apt_packages", "add", "git"),
            "ImageSpec(\n    name='a',\n    apt_packages=['git'],\n)",
        ),
        (
            "ImageSpec(name='a', apt_packages=COMMON)",
            Change("apt_packages", "add", "git"),
            "ImageSpec(name='a', apt_packages=[*COMMON, 'git'])",
        ),
        (
            "ImageSpec(\n    apt_packages=[\n        'curl',\n    ],\n)",
            Change("apt_packages", "add", "git"),
            "ImageSpec(\n    apt_packages=[\n        'curl',\n        'git',\n    ],\n)",
        ),
        (
            "name = 'a'\npackages = ['attrs', 'pandsa>=2']\n",
            TYPO,
            "name = 'a'\npackages = ['attrs', 'pandas>=2']\n",
        ),
        (
            "name = 'a'\n",
            Change("python_version", "set", "3.12"),
            "name = 'a'\npython_version = '3.12'\n",
        ),
        (
            "ImageSpec(name='a', registry='x')",
            Change("registry", "set", None),
            "ImageSpec(name='a')",
        ),
        (
            "ImageSpec(name='a', env={'A': x(), 'HTTPS_PROXY': 'http://h:1'})",
            Change("env", "remove", None, "HTTPS_PROXY"),
            "ImageSpec(name='a', env={'A': x()})",
        ),
        (
            "ImageSpec(name='a', commands=['true', 'pyhton -c 1'])",
            Change("commands", "rewrite", ["pyhton", "python"], 1),
            "ImageSpec(name='a', commands=['true', 'python -c 1'])",
        ),
        (
            "ImageSpec(name='a', base_image=ImageSpec(name='b', packages=['attrs', 'x']))",
            Change("base_image.packages", "replace", "y", 1),
            "ImageSpec(name='a', base_image=ImageSpec(name='b', packages=['attrs', 'y']))",
        ),
        (
            "ImageSpec(name='a', pip_extra_args='--no-deps')",
            Change("pip_extra_args", "add", "--trusted-host h"),
            "ImageSpec(name='a', pip_extra_args='--no-deps --trusted-host h')",
        ),
    ],
)
def test_a_cell_is_changed_where_the_fix_is_and_nowhere_else(
    text: str, change: Change, expected: str
) -> None:
    assert rewritten(text, [change]) == expected


@pytest.mark.parametrize("end", ["\u2028", "\x0c", "\x85", "\x1c", "\r"])
def test_lines_of_a_cell_are_counted_as_python_counts_them(end: str) -> None:
    cell = f"'''a{end}b'''\nspec = 1\nImageSpec(packages=['attrs'])"
    assert rewritten(cell, [Change("packages", "add", "six")]) == cell.replace(
        "'attrs'", "'attrs', 'six'"
    )
    computed = f"'''a{end}b'''\nimport copy\ncopy.copy(spec)"
    job = Job(1, Specs((("", SPEC),)), Options(), Stop(), origin=Origin("", computed))
    assert "import copy" in fixed_cell(job, Fix("", (TYPO,)))


def test_what_is_offered_to_be_run_in_a_notebook_is_a_line_that_can_be_run() -> None:
    nothing: Any = None
    offered = [fix.command for fix in make_room(nothing, nothing, nothing, nothing)]
    lines = [line.split(maxsplit=2) for line in offered if line.startswith("%envd ")]
    assert lines
    for _, name, options in lines:
        assert COMMANDS[name].parser().parse_line(options)


def test_one_of_several_specs_is_changed() -> None:
    text = "{'a': ImageSpec(name='a'), 'b': ImageSpec(name='b', packages=['q', 'x'])}"
    changed = rewritten(text, [Change("packages", "replace", "y", 1)], number=1)
    assert changed == "{'a': ImageSpec(name='a'), 'b': ImageSpec(name='b', packages=['q', 'y'])}"


@pytest.mark.parametrize(
    "text",
    [
        "make_spec()",
        "ImageSpec(**fields)",
        "ImageSpec(name='a', packages=common + ['x'])",
        "ImageSpec(name='a', packages=[*common, 'x'])",
        "for packages in ([], ['a', 'b']):\n    pass",
        "ImageSpec(",
    ],
)
def test_what_a_cell_does_not_show_is_not_guessed(text: str) -> None:
    with pytest.raises(NotFoundError):
        rewritten(text, [TYPO])


def refused(cell: str, line: str = "") -> Any:
    """A shell in which a cell was refused."""
    ip = shell()
    with pytest.raises(SpecError):
        ip.do(f"%%envd_build {line}\n{cell}")
    return ip


def test_fix_prints_a_cell_where_nobody_is_before_a_notebook() -> None:
    ip = refused("ImageSpec(name='My Trainer', base_image='a:1')", "trainer --no-push")
    shown = ip.do("%envd fix")
    assert "take the name 'my-trainer'" in shown
    cell = "%%envd_build trainer --no-push\nImageSpec(name='my-trainer', base_image='a:1')\n"
    assert shown.endswith(f"\n{cell}")


def test_an_option_that_would_beat_the_fix_is_left_out() -> None:
    ip = refused("ImageSpec(base_image='a:1')", "--name 'My Trainer' --no-push")
    shown = ip.do("%envd fix 1")
    assert "%%envd_build --no-push\nImageSpec(base_image='a:1', name='my-trainer')" in shown


def test_a_spec_of_a_variable_is_fixed_by_the_variable(tmp_path: Path) -> None:
    ip = shell()
    ip.do("from flytekit import ImageSpec")
    ip.do("trainer = ImageSpec(name='Up Per', env={'TOKEN': 'sesame-4711'}, base_image='a:1')")
    with pytest.raises(SpecError):
        ip.do("%envd build trainer --no-push")
    shown = ip.do("%envd fix")
    assert "%%envd_build trainer --no-push\nfrom dataclasses import replace\n\n" in shown
    assert shown.rstrip().endswith("replace(trainer, name='up-per')")
    assert "sesame" not in shown


def test_a_cell_that_computes_its_spec_is_wrapped() -> None:
    cell = "def made(name):\n    return ImageSpec(name=name, base_image='a:1')\nmade('Up Per')"
    shown = refused(cell, "trainer").do("%envd fix")
    assert "spec = made('Up Per')\nreplace(spec, name='up-per')" in shown
    assert "def made(name):" in shown


def test_a_fixed_cell_builds_what_was_meant() -> None:
    ip = refused("ImageSpec(name='My Trainer', base_image='a:1', packages=['x'])", "trainer")
    cell = ip.do("%envd fix").partition("\n%%envd_build")[2].partition("\n")[2]
    shown = ip.do(f"%%envd_build trainer --dry-run\n{cell}")
    assert "my-trainer" in shown


def test_fix_says_where_there_is_nothing_to_fix() -> None:
    with pytest.raises(UsageError, match="no build of this session has failed"):
        shell().do("%envd fix")
    ip = refused("ImageSpec(name='My Trainer', base_image='a:1')")
    with pytest.raises(UsageError, match="there is no 7; there is: 1"):
        ip.do("%envd fix 7")
    ip = refused("ImageSpec(name='a', base_image='a:1', cuda='new', python_version='3.11')")
    with pytest.raises(UsageError, match="nothing is known that helps"):
        ip.do("%envd fix")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("base_image='localhost:5000/Lab/python:3 '", "base_image='localhost:5000/lab/python:3'"),
        ("python_version='3,11'", "python_version='3.11'"),
        ("env={'MY VAR': '1'}", "env={'MY_VAR': '1'}"),
    ],
)
def test_a_value_that_is_almost_one_is_offered_as_one(wrong: str, right: str) -> None:
    shown = refused(f"ImageSpec(name='a', {wrong})").do("%envd fix")
    assert right in shown


def test_what_a_cell_has_raised_can_be_pickled() -> None:
    ip = shell()
    error = ip.run_cell("%%envd_build\nImageSpec(name='My Trainer')").error_in_exec
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert again.diagnosis == error.diagnosis
    assert str(again) == str(error)
