"""`envd-magic check` and `preview`: what is found in files, without running them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from envd_magic.headless.building import tasks_of, unasked
from envd_magic.headless.find import find

from .notebooks import SPEC, notebook, run, write

if TYPE_CHECKING:
    from pathlib import Path


def names(path: Path) -> list[str]:
    source = find(path)
    assert source.error is None
    return [spec.name for one in source.definitions for _, spec in one.images()]


def why(path: Path) -> str:
    return str(find(path).definitions[-1].error)


def test_each_cell_of_the_magic_is_found_and_nothing_else(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "# %%envd_build",
        "raise SystemExit",
        f"%%envd_build a\n{SPEC}",
        f"\n\n%%envd_build --name second\n{SPEC}",
        f"%%envd_builder\n{SPEC}",
        '%%envd_build\nname = "third"\npackages = ["attrs"]',
        "%%envd_build --yaml\nname: fourth",
    )
    assert names(path) == ["trainer", "second", "third", "fourth"]


def test_names_that_other_cells_give_literally_count(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "from flytekit import ImageSpec as Image\nNAME, _ = 'x', 1\nTAG = 'base'",
        'PACKAGES = ["attrs"] + ["six"]\nprint(len(PACKAGES))\n%matplotlib inline',
        "%%envd_build base --name $TAG\nImage(packages=[*PACKAGES, f'x=={1}'])",
        "%%envd_build top\nImageSpec(name='top', base_image=base).with_commands(['ls'])",
    )
    assert names(path) == ["base", "top"]
    spec = find(path).definitions[1].images()[0][1]
    assert spec.base_image.packages == ["attrs", "six", "x==1"]


def test_copies_that_are_changed_leave_what_they_were_made_of(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "BASE = ['attrs']\nALL = BASE + ['six']\nALL.append('tomli')\nMORE = list(BASE)\n"
        "MORE += ['tomli']\nNAME = 'a b'\nWORDS = NAME.split()\nWORDS.append('c')\n"
        "for ONE in BASE:\n    WORDS.append(ONE)\nBY_NAME = {'base': BASE}",
        "%%envd_build\nImageSpec(name=NAME[0], packages=BASE + BY_NAME['base'])",
    )
    [(_, spec)] = find(path).definitions[0].images()
    assert (spec.name, spec.packages) == ("a", ["attrs", "attrs"])


def test_lines_that_build_what_a_variable_holds_are_found(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "from flytekit import ImageSpec\n%load_ext envd_magic",
        "\ntrainer = ImageSpec(name='trainer')\nTAG = 'two'\n"
        "%envd build trainer --registry \\\n    localhost:5000 final\n%envd build --help\n"
        "%envd preview trainer\nprint()\n%envd build final --name {TAG}",
        "%%capture\ndone = %envd build 'ImageSpec(name=\"third\")'\n!echo $TAG\n",
        "images = [ImageSpec(name='a'), ImageSpec(name='b')]\n%envd build images[1] --base-image x",
        '"""\n%envd build no_such_thing\n"""',
    )
    assert names(path) == ["trainer", "two", "third", "b"]
    found = find(path).definitions
    assert [(one.cell, one.line, one.variable) for one in found] == [
        (2, 4, "final"),
        (2, 9, "final"),
        (3, 2, ""),
        (4, 2, ""),
    ]
    assert found[1].images()[0][1].registry == "localhost:5000"


@pytest.mark.parametrize(
    ("cell", "expected", "line"),
    [
        ("import x\n%envd build x.spec()", "warning: `x.spec()` has to be run", 2),
        ("for one in []:\n    %envd build one", "warning: `%envd build one` in a block has", 2),
        ("a = ImageSpec(name='a')\n%run b.py a\n%envd build a", "warning: `a` may be set", 3),
        ("a = ImageSpec(name='a')\n%envd build a --nope", "error: %envd build: there is no opt", 2),
        ("a = 3\n\n%envd build a", "error: %envd: a is int, not an ImageSpec", 3),
        ("a = ImageSpec()\n%envd build f() a\n%envd build a", "warning: `a` (cell 1) has to", 3),
        ("a = ImageSpec(packages=['no good'])\n%envd build a", "error: packages['no good']: ", 2),
    ],
)
def test_a_line_that_cannot_build_is_told_with_its_place(
    tmp_path: Path, cell: str, expected: str, line: int
) -> None:
    path = write(tmp_path / "a.ipynb", f"from flytekit import ImageSpec\n{cell}")
    told = run("check", path).stdout.splitlines()
    assert told[-1].startswith(f"{path}:cell 1:{line + 1}: {expected}")


@pytest.mark.parametrize("executed", [[], ["--execute"]])
def test_settings_of_the_notebook_count_for_what_stands_after_them(
    tmp_path: Path, executed: list[str]
) -> None:
    path = write(
        tmp_path / "a.ipynb",
        f"%load_ext envd_magic\nname = {'str(8)' if executed else '8'}",
        "%%envd_build\nImageSpec(name=f'a{name}')",
        "%config EnvdMagic.registry = 'localhost:5000'",
        "%%envd_build\nImageSpec(name=f'b{name}')",
    )
    result = run("preview", *executed, "--json", path)
    images = [json.loads(line)["image"].partition(":")[0] for line in result.stdout.splitlines()]
    assert images == ["a8", "localhost"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%config EnvdMagic.regstry = 'x'", "did you mean 'registry'?"),
        ("%config EnvdMagic.push = 'x'", "error: %config EnvdMagic: "),
        ("%config EnvdMagic.push = f()", "` (cell 1): `f()` has to be run"),
        ("if 1:\n    %config EnvdMagic.push = True", "` (cell 1) has to be run"),
        ("%config EnvdMagic.push = '", "` (cell 1): unterminated string"),
        ("%config InlineBackend.figure_format = f()", ""),
    ],
)
def test_settings_of_the_notebook_that_are_not_known_are_told(
    tmp_path: Path, line: str, expected: str
) -> None:
    path = write(tmp_path / "a.ipynb", line, f"%%envd_build\n{SPEC}")
    told = run("check", path).stdout
    assert expected in told
    assert bool(told) == bool(expected)


def test_settings_that_are_not_known_keep_no_other_file_from_being_looked_at(
    tmp_path: Path,
) -> None:
    first = write(tmp_path / "a.ipynb", "%config EnvdMagic.push = f()", f"%%envd_build\n{SPEC}")
    second = write(tmp_path / "b.ipynb", "%%envd_build\nImageSpec(packages=['no good'])")
    told = run("verify", first, second).output
    assert f"{first}:cell 2:2: " in told
    assert f"{second}:cell 1:2: " in told
    sources = [find(path) for path in (first, second)]
    assert [task.path for task in tasks_of(sources, unasked(None))] == [second]


def test_what_is_wrong_with_an_image_is_told_once(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "%%envd_build a\nImageSpec(packages=['no good'])",
        "%envd build a\n%envd build a again",
    )
    assert run("check", path).stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("before", "cell", "expected"),
    [
        ("import os", "ImageSpec(packages=os.listdir())", "`os.listdir()` has to be run"),
        ("P = ['a']\nP.append('b')", "ImageSpec(packages=P)", "`P` (cell 1) has to be run"),
        ("P = ['a']\nchange(P)", "ImageSpec(packages=P)", "may be changed"),
        ("P = ['a']\nQ = P", "ImageSpec(packages=P)", "may be changed"),
        ("P = [['a']]\nfor Q in P: Q.append('b')", "ImageSpec(packages=P[0])", "may be changed"),
        ("P = {'x': ['a']}\nQ = P['x']\nQ += 'b'", "ImageSpec(packages=P['x'])", "may be changed"),
        ("P = ['a']\nQ = {'x': P}\nQ['x'].pop()", "ImageSpec(packages=P)", "may be changed"),
        (
            "P = [['a']]\n[Q.pop() for _, Q in zip('a', P)]",
            "ImageSpec(packages=P)",
            "may be changed",
        ),
        ("P = ['a']\nQ = R = 1 and [0, P]\nR[1].pop()", "ImageSpec(packages=P)", "may be changed"),
        ("for P in []: pass", "ImageSpec(packages=P)", "`P` (cell 1) has to be run"),
        ("%%timeit\nP = []", "ImageSpec(packages=P)", "`P` may be set in cell 1"),
        ("P = !ls", "ImageSpec(packages=P)", "`P` (cell 1): "),
        ("P = []\n%run other.py P", "ImageSpec(packages=P)", "`P` may be set in cell 1"),
        ("x = 1", "ImageSpec(packages=P)", "`P` is given nowhere before"),
        ("from mine import ImageSpec", SPEC, "`ImageSpec` (cell 1) has to be run"),
        ("x = 1", "__import__('os').system('touch ran')\n" + SPEC, "has to be run"),
        ("x = 1", "(lambda: 0)()\n" + SPEC, "has to be run"),
        ("x = 1", "[0 for n in range(10000000000)]\n" + SPEC, "has to be run"),
        ("x = 1", "x = 9 ** 9 ** 9\n" + SPEC, "has to be run"),
        ("x = 1", "f'{1:999999999}'\n" + SPEC, "has to be run"),
        ("x = 1", "list = open\nlist('ran', 'w')\n" + SPEC, "has to be run"),
        ("x = 1", "ImageSpec.__init__.__globals__\n" + SPEC, "has to be run"),
    ],
)
def test_what_has_to_be_run_is_told_and_not_run(
    tmp_path: Path, before: str, cell: str, expected: str
) -> None:
    path = write(tmp_path / "a.ipynb", before, f"%%envd_build\n{cell}")
    assert expected in why(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.ipynb"]


def test_a_finding_names_the_cell_and_the_line_in_it(tmp_path: Path) -> None:
    cell = '%%envd_build\nImageSpec(\n    name="x",\n    packages=["attrs", "no good"],\n)'
    path = write(tmp_path / "a.ipynb", "# Text", cell)
    result = run("check", path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}:cell 2:4: error: packages['no good']: ")
    assert result.stdout.count("\n") == 1


def test_no_finding_is_told_with_exit_code_0(tmp_path: Path) -> None:
    result = run("check", write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no findings: 1 image in 1 file\n"


def test_warnings_count_only_where_they_are_to(tmp_path: Path) -> None:
    cell = '%%envd_build\nImageSpec(packages=["attrs"], conda_channels=["x"])'
    path = write(tmp_path / "a.ipynb", cell)
    assert (run("check", path).exit_code, run("check", "--strict", path).exit_code) == (0, 1)
    assert "warning: conda_channels: " in run("check", path).stdout


def test_a_mistake_in_the_options_is_told_at_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build --registery x\n{SPEC}")
    result = run("check", path)
    assert result.stdout.startswith(f"{path}:cell 1:1: error: ")
    assert "did you mean --registry?" in result.stdout


def test_files_are_meant_from_the_notebooks_folder(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("attrs\n")
    cell = '%%envd_build\nImageSpec(requirements="requirements.txt")'
    assert run("check", write(tmp_path / "a.ipynb", cell)).exit_code == 0
    (tmp_path / "requirements.txt").unlink()
    assert "error: requirements: " in run("check", tmp_path / "a.ipynb").stdout


def test_settings_of_the_notebooks_project_count(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.envd_magic]\nregistry = "localhost:5000"\n')
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    assert find(path).definitions[0].images()[0][1].registry == "localhost:5000"


def test_two_images_of_one_name_are_refused_unless_they_are_the_same(tmp_path: Path) -> None:
    cell = f"%%envd_build\n{SPEC}"
    assert run("check", write(tmp_path / "a.ipynb", cell, cell)).exit_code == 0
    result = run("check", write(tmp_path / "b.ipynb", cell, cell.replace("attrs", "six")))
    assert result.exit_code == 1
    assert ":cell 2:2: error: name: two images are called 'trainer'" in result.stdout


def test_images_without_a_name_may_differ(tmp_path: Path) -> None:
    cells = [f"%%envd_build\nImageSpec(packages=['{name}'])" for name in ("attrs", "six")]
    assert run("check", write(tmp_path / "a.ipynb", *cells)).exit_code == 0


def test_a_notebook_with_names_of_a_later_minor_version_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    path.write_text(path.read_text().replace('"nbformat_minor": 5', '"nbformat_minor": 4'))
    assert names(path) == ["trainer"]


def test_a_python_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "flow.py"
    path.write_text(
        "import flytekit as fl\nfrom flytekit import ImageSpec, task\nimport nothing\n"
        "open('ran', 'w')\nPACKAGES = ['attrs']\n"
        "base = ImageSpec(\n    name='base',\n    packages=PACKAGES,\n)\n"
        "@task(container_image=fl.ImageSpec(name='inner', base_image=base))\n"
        "def t() -> None:\n    ImageSpec(name='never')\n"
        "images = {'a': ImageSpec(name='a'), 'b': ImageSpec(name=nothing.name)}\n"
    )
    assert names(path) == ["base", "inner", "a"]
    assert "`nothing.name` has to be run" in why(path)
    assert not (tmp_path / "ran").exists()
    assert f"{path}:13: warning: " in run("check", path).stdout


def test_yaml_is_read_in_flytekits_form(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("name: x\npython_version: 3.10\n")
    result = run("check", path)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{path}:2: error: python_version: YAML reads 3.10")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is no notebook: it is empty"),
        (b"\xff", "is not UTF-8, at byte 0"),
        (b"[" * 100_000, "is no notebook"),
        (b"{}", "without an nbformat"),
        (b'{"nbformat": 3, "worksheets": []}', "of format 3, which is older than 4"),
        (b'{"nbformat": 5}', "4 is the newest known"),
        (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "'cells' is a required"),
        (json.dumps(notebook("x")).replace(', "outputs": []', "").encode(), "(at cell 1)"),
    ],
)
def test_what_is_no_notebook_is_said_and_exits_with_2(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content)
    for command in ("check", "preview"):
        result = run(command, path)
        assert result.exit_code == 2
        assert expected in result.output
        assert "Traceback" not in result.output


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert run("check", tmp_path / "a.ipynb").stderr == f"error: {tmp_path}/a.ipynb: is not there\n"
    assert run("check", tmp_path / "a.ipynb").exit_code == 2


def test_a_folder_stands_for_its_notebooks_and_the_python_with_imagespecs(tmp_path: Path) -> None:
    write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    write(tmp_path / ".ipynb_checkpoints" / "a.ipynb", f"%%envd_build\n{SPEC}")
    (tmp_path / "flow.py").write_text(f"from flytekit import ImageSpec\nx = {SPEC}\n")
    (tmp_path / "other.py").write_text("1 +\n")
    assert run("check", tmp_path).stderr == "no findings: 2 images in 2 files\n"


def test_preview_shows_each_recipe_without_secrets(tmp_path: Path) -> None:
    cell = '%%envd_build t\nImageSpec(pip_index="https://me:hunter2x@h/simple", packages=["attrs"])'
    path = write(tmp_path / "a.ipynb", cell)
    result = run("preview", path)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"# {path}:cell 1:2: t\n# flytekit:")
    assert "hunter2x" not in result.stdout + run("preview", "--json", path).stdout
    assert json.loads(run("preview", "--json", path).stdout)["variable"] == "t"


def test_json_has_an_object_for_each_finding(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", '%%envd_build\nImageSpec(packages=["no good"])')
    found = json.loads(run("check", "--json", path).stdout)
    assert (found["path"], found["cell"], found["line"]) == (str(path), 1, 2)
    assert (found["field"], found["kind"]) == ("packages['no good']", "error")


def test_junit_has_a_test_for_each_cell(tmp_path: Path) -> None:
    from xml.etree import ElementTree as ET

    good, bad = f"%%envd_build\n{SPEC}", '%%envd_build\nImageSpec(packages=["no\\x07 good"])'
    path = write(tmp_path / "a.ipynb", good, bad)
    report = tmp_path / "report.xml"
    assert run("check", "--junit", report, path).exit_code == 1
    suite = ET.parse(report).getroot()[0]  # noqa: S314
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.find("failure") is not None for case in suite] == [False, True]


def test_where_it_has_to_a_notebook_is_run_up_to_there(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "%load_ext envd_magic\nimport pathlib\npackages = sorted(['six', 'attrs'])\nwhich = '1'",
        "%%envd_build --name base{which} base\nImageSpec(packages=packages[:int(which)])",
        "assert base.packages == ['attrs']\n%envd build base\n%envd run base true",
        "%%envd_build top\nImageSpec(name='top', base_image=base)",
        "pathlib.Path('ran').touch()",
    )
    before = path.read_bytes()
    assert run("check", "--strict", path).exit_code == 1
    result = run("preview", "--execute", path)
    assert result.exit_code == 0, result.output
    assert f"{path}:cell 2:2: base\n# base1:" in result.stdout
    assert f"{path}:cell 4:2: top\n# top:" in result.stdout
    assert path.read_bytes() == before
    assert not (tmp_path / "ran").exists()


def test_lines_in_loops_and_captured_cells_are_gathered_by_a_run(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        "from flytekit import ImageSpec\nspecs = [ImageSpec(name=n) for n in sorted('ab')]",
        "%%capture out\nfor spec in specs:\n    %envd build spec\n"
        "    if spec.name == 'never':\n        %envd build spec never",
        "# Text",
        "%envd build \"dict(c=specs[0])['c']\" last --name {specs[0].name}c\n"
        "assert last.name == 'ac'",
    )
    result = run("preview", "--json", "--execute", path)
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    told = [(one["cell"], one["variable"], one["image"].partition(":")[0]) for one in found]
    assert told == [(2, "a", "a"), (2, "b", "b"), (4, "last", "ac")]


def test_a_cell_that_fails_when_it_is_run_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", "raise OSError('no disk')", "%%envd_build\nx()")
    result = run("check", "--execute", path)
    assert result.exit_code == 1
    assert "error: cell 1 cannot be run: OSError: no disk" in result.stdout


def test_magics_that_run_their_body_may_stand_above(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        f"%%time\n%%envd_build a\n{SPEC}",
        "\n%%capture out\n%%time\n%%envd_build --name second\nImageSpec(packages=['six=1'])",
    )
    assert names(path)[0] == "trainer"
    found = find(path).definitions[1]
    assert (found.cell, found.line, found.magic_line) == (2, 5, 4)


def test_a_magic_with_something_above_it_is_told(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.ipynb",
        f"#: the image\n\n%%envd_build a\n{SPEC}",
        f"x = 1\n%%envd_build a\n{SPEC}",
        f"text = '''\n%%envd_build a\n{SPEC}\n'''",
        f"%%writefile a.txt\n%%envd_build a\n{SPEC}",
    )
    result = run("check", path)
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == [
        f"{path}:cell 1:3",
        f"{path}:cell 2:2",
    ]
    assert "%%envd_build has to be the first line of its cell" in result.stdout


def test_a_python_file_is_read_in_the_encoding_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    text = "# -*- coding: latin-1 -*-\nfrom flytekit import ImageSpec\na = ImageSpec(name='é')\n"
    path.write_bytes(text.encode("latin-1"))
    assert names(path) == ["é"]
    path.write_bytes(b"# coding: nosuch\n")
    result = run("check", path)
    assert result.exit_code == 2
    assert "is no Python: unknown encoding" in result.stdout


def test_several_documents_of_yaml_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: a\n---\nname: b\n")
    assert "several YAML documents; a list in one makes several images" in run("check", path).stdout
