"""Short texts that ask for much: time, memory, files without end. Each is told, and in no time."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.envd.progress import Output, ProgressReader
from envd_magic.errors import EnvdMagicError, FileError, SpecError
from envd_magic.freeze.imports import installed_by
from envd_magic.records.cell import spec_hash
from envd_magic.records.notebook import parse_notebook
from envd_magic.spec.requirements import read_requirements
from envd_magic.spec.validate import validate
from envd_magic.spec.yaml_form import specs_from_yaml

from .notebooks import run, write

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is quadratic takes hours for these; what is not, less than a second.
pytestmark = pytest.mark.timeout(60)
LONG = 1_000_000
BUILD = "%%envd_build trainer\n"
DOUBLED = "\n".join(["a = 'xxxxxxxx'", *["a = a + a"] * 60])
LOOP = "for {} in range(999)"
NESTED = " ".join(LOOP.format(name) for name in "abc")

CELLS = {
    "a list times a number": [f"{BUILD}ImageSpec(packages=[0] * 10**10)"],
    "a text times a number": [f"{BUILD}ImageSpec(name='x' * 10**9)"],
    "a power": [f"{BUILD}ImageSpec(name=str(2 ** 10 ** 8))"],
    "a shift": [f"{BUILD}ImageSpec(name=str(1 << 10 ** 10))"],
    "a width": [f"{BUILD}ImageSpec(name=f'{{1:999999999}}')"],
    "a width with a percent sign": [f"{BUILD}ImageSpec(name='%999999999d' % 1)"],
    "a width of format": [f"{BUILD}ImageSpec(name='{{:999999999}}'.format(1))"],
    "a width in a tag": [f"{BUILD}ImageSpec(name='a', tag_format='{{spec_hash:>999999999}}')"],
    "many names of a cell that is not read": [
        "%%bash\n" + "x " * 200_000,
        *[f"{BUILD}ImageSpec(packages=[{', '.join(f'a{n}' for n in range(3000))}])"] * 20,
    ],
    "loops in loops": [f"{BUILD}ImageSpec(packages=['a' {NESTED}])"],
    "loops that give nothing": [f"{BUILD}ImageSpec(packages=['a' {NESTED} if 0])"],
    "loops over texts": [f"{BUILD}ImageSpec(packages=['a' {NESTED} if 'ab' in '{'a' * LONG}'])"],
    "a set of loops": [f"{BUILD}ImageSpec(packages=[*{{(a, b, c) {NESTED}}}])"],
    "doubled in cells": [*DOUBLED.splitlines(), f"{BUILD}ImageSpec(name=a)"],
    "doubled in a cell": [f"{BUILD}{DOUBLED}\nImageSpec(name=a)"],
    "doubled in place": [f"{BUILD}a = [0]\n" + "a += a\n" * 60 + "ImageSpec(packages=a)"],
    "doubled in an item": [f"{BUILD}a = ['x']\n" + "a[0] += a[0]\n" * 60 + "ImageSpec(packages=a)"],
    "doubled by a slice": [f"{BUILD}a = [0]\n" + "a[0:0] = a\n" * 60 + "ImageSpec(packages=a)"],
    "doubled by a star": [f"{BUILD}a = [0]\n" + "a = [*a, *a]\n" * 60 + "ImageSpec(packages=a)"],
    "lists in lists": [f"{BUILD}a = [0]\n" + "a = [a, a]\n" * 60 + "ImageSpec(packages=a)"],
    "joined": [f"{BUILD}a = 'xx'\n" + "a = a.join(list(a))\n" * 9 + "ImageSpec(name=a)"],
    "joined by who sorts": [
        f"{BUILD}a = sorted([['' {LOOP.format('b')}] {LOOP.format('c')}], key='{'x' * LONG}'.join)",
        f"{BUILD}ImageSpec(packages=sorted([['' {LOOP.format('b')}]], key='{'x' * LONG}'.join)[0])",
    ],
    "filled in": [f"{BUILD}a = 'x'\n" + "a = f'{a}{a}'\n" * 60 + "ImageSpec(name=a)"],
    "a list in itself": [f"{BUILD}a = [0]\na[0] = a\nImageSpec(packages=a)"],
    "a mapping in itself": [f"{BUILD}a = {{}}\na['a'] = a\nImageSpec(env=a)"],
    "brackets": [f"{BUILD}ImageSpec(packages={'[' * 5000}{']' * 5000})"],
    "signs": [f"{BUILD}ImageSpec(name={'-' * 50_000}1)"],
    "nots": [f"{BUILD}ImageSpec(name={'not ' * 50_000}1)"],
    "sums": [f"{BUILD}ImageSpec(name='a'{' + b' * 20_000})"],
    "attributes": [f"{BUILD}ImageSpec{'.ALL' * 20_000}"],
    "calls": [f"{BUILD}ImageSpec(){'.force_push()' * 5000}"],
    "a large number": [f"{BUILD}ImageSpec(name=str(0x{'f' * LONG}))"],
    "specs on specs": [
        f"{BUILD}ImageSpec(name='a')",
        *[f"{BUILD}ImageSpec(base_image=trainer, name='a')"] * 60,
    ],
    "many specs in a list": [
        f"{BUILD}[ImageSpec(name='a', tag_format=f'{{i}}') {LOOP.format('i')}]"
    ],
    "many mistakes": [f"{BUILD}ImageSpec(packages={['1 x'] * 3000})"],
    "values for names": [
        DOUBLED.replace("60", "10"),
        f"%%envd_build --name {'{a}' * 3000}\nImageSpec()",
    ],
    "a long line of a magic": [f"%%envd_build {'{' * LONG}\nImageSpec()"],
    "many lines of magics": ["%matplotlib inline\n" * 20_000, f"{BUILD}ImageSpec()"],
    "YAML of names for names": [
        f"{BUILD[:-1]} --yaml\npackages: &a0 [x, x]\n"
        + "\n".join(
            f"builder_config: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)
        )
    ],
    "YAML of merges": [
        f"{BUILD[:-1]} --yaml\nbuilder_config:\n  a0: &a0 {{x: x}}\n"
        + "\n".join(
            f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)
        )
    ],
    "YAML in itself": [f"{BUILD[:-1]} --yaml\n&a packages: &b [*b]"],
    "YAML that is its own merge": [f"{BUILD[:-1]} --yaml\nenv: &a {{<<: *a}}"],
    "YAML with a long number": [f"{BUILD[:-1]} --yaml\nname: 1{':59' * 100_000}"],
    "deep YAML": [f"{BUILD[:-1]} --yaml\npackages: {'[' * 50_000}"],
    "many names in YAML": [f"{BUILD[:-1]} --yaml\n" + "\n".join(f"a{n}: b" for n in range(3000))],
}


def limits() -> None:
    """Let a process have a gigabyte and a half, and two minutes."""
    resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))


@pytest.mark.timeout(150)
def test_cells_that_ask_for_much_are_told_and_not_evaluated(tmp_path: Path) -> None:
    files = {
        name: write(tmp_path / f"{number}.ipynb", *cells)
        for number, (name, cells) in enumerate(CELLS.items())
    }
    checked = subprocess.run(
        [sys.executable, "-m", "envd_magic", "check", "--json", *files.values()],
        capture_output=True,
        text=True,
        preexec_fn=limits,
    )
    assert checked.returncode == 1, checked.stderr[-1000:]
    told: dict[str, str] = {}
    for line in checked.stdout.splitlines():
        finding = json.loads(line)
        told.setdefault(finding["path"], finding["message"])
    untold = {name for name, path in files.items() if str(path) not in told}
    assert untold == {"many lines of magics"}
    assert not [text for text in told.values() if "MemoryError" in text]


def test_a_python_file_of_many_names_is_read_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    names = "".join(f"a{number} = {number}\n" for number in range(20_000))
    path.write_text(f"from flytekit import ImageSpec as I\n{names}x = I(packages=['1 x', a7])\n")
    assert "packages" in run("check", path).output


def test_names_that_hold_many_others_are_read_in_no_time(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    ours, others = ([f"{name}{number}" for number in range(5000)] for name in "ab")
    path.write_text(
        "from flytekit import ImageSpec\nb1 = ['six']\n"
        f"for {', '.join(ours)} in [{', '.join(others)}]:\n    a7.append(1)\n"
        f"{'; '.join(f'{name}.pop()' for name in ours)}\nImageSpec(packages=b1)\n"
    )
    assert "may be changed before it is used" in run("check", path).output


def test_what_a_cell_would_set_in_others_classes_is_not_set(tmp_path: Path) -> None:
    before = dict(vars(ImageSpec))
    for number, statement in enumerate(
        (
            "ImageSpec.name = 'stolen'",
            "ImageSpec.with_packages = str",
            "ImageSpec().with_packages.x = 1",
            "import flytekit\nflytekit.ImageSpec = str",
            "[0 for ImageSpec.name in 'ab']",
            "del ImageSpec.name",
            "ImageSpec.name += 'stolen'",
        )
    ):
        path = write(tmp_path / f"{number}.ipynb", f"{BUILD}{statement}\nImageSpec(name='a')")
        assert "has to be run" in run("check", path).output
    assert dict(vars(ImageSpec)) == before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with files that have no end, or only look like files."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "kernel").symlink_to("/proc/version")
    (tmp_path / "up").symlink_to("/")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket")
        yield tmp_path


ODD = ("pipe", "zero", "/dev/zero", "kernel", "huge", "socket", "/proc/self/environ", "/dev/stdin")


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("field", ["requirements", "pip_secret_mounts", "registry_config"])
def test_files_without_end_are_refused_and_not_read(folder: Path, field: str, name: str) -> None:
    value = [(name, "/run/x")] if field == "pip_secret_mounts" else name
    path = write(
        folder / "a.ipynb",
        f"{BUILD}ImageSpec(name='a', base_image='debian', packages=['x'], {field}={value!r})",
    )
    checked = run("check", path)
    assert checked.exit_code == 1
    assert f"error: {field}" in checked.output
    for words in ("preview", "plan"):
        assert run(words, path).exit_code == 1


def test_copies_leave_out_what_is_no_file(folder: Path) -> None:
    (folder / "below").mkdir()
    for name in ("pipe", "zero", "kernel", "socket", "up"):
        (folder / name).rename(folder / "below" / name)
    path = write(folder / "a.ipynb", f"{BUILD}ImageSpec(name='a', base_image='a', copy=['below'])")
    checked = run("check", path)
    for name in ("pipe", "zero", "kernel", "socket"):
        assert f"'below/{name}' is no file, folder or link and is left out" in checked.output
    assert "'below/up' links to a folder around it" in checked.output
    assert run("preview", path).exit_code == 0


@pytest.mark.parametrize("root", ["/", "/proc", "up", "/sys/"])
def test_all_of_a_machine_is_no_source(folder: Path, root: str) -> None:
    path = write(
        folder / "a.ipynb",
        f"{BUILD}ImageSpec(name='a', source_root={root!r}, source_copy_mode=CopyFileDetection.ALL)",
    )
    assert "holds all of a machine" in run("check", path).output


def test_a_record_lets_nothing_be_read_that_is_refused(folder: Path) -> None:
    path = write(folder / "a.ipynb", f"{BUILD}ImageSpec(name='a', requirements='/dev/zero')")
    content = json.loads(path.read_text())
    spec = ImageSpec(name="a", requirements="/dev/zero")
    record = {"image": "a:b", "spec_hash": spec_hash(spec), "status": "built", "finished": "now"}
    content["cells"][0]["metadata"] = {"envd_magic": record}
    path.write_text(json.dumps(content))
    assert run("check", path).exit_code == 1


LINE = "root:x:0:0:planted-in-a-file:/root"


def test_a_check_tells_no_line_of_a_file_outside_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "notebooks").mkdir(parents=True)
    (project / "pyproject.toml").write_text("")
    (project / "link.txt").symlink_to("../secret")
    (project / "nested.txt").write_text("-r ../secret\n-c ../key\n-e ../other\n")
    (tmp_path / "secret").write_text(f"{LINE}\n--{LINE}\n'{LINE}\n-r {LINE}\n")
    (tmp_path / "key").write_text(f"-i {LINE}\n--find-links {LINE}\n-e {LINE}\n")
    (tmp_path / "other").write_bytes(f"\xff{LINE}".encode("latin-1"))
    names = [f"{tmp_path}/secret", "../../key", "../link.txt", "../nested.txt", "../../other"]
    cells = [f"{BUILD}ImageSpec(name='a{n}', requirements='{one}')" for n, one in enumerate(names)]
    cells.append(f"{BUILD}ImageSpec(name='b', registry_config='{tmp_path}/secret')")
    path = write(project / "notebooks" / "a.ipynb", *cells)
    for words in (["check"], ["check", "--json"], ["preview"], ["plan"], ["build"]):
        result = run(*words, path)
        assert result.exit_code == 1
        assert "planted" not in result.output + result.stderr
    # One of the project's own is told, with its line.
    (project / "own.txt").write_text("attrs\npandas=>2\n")
    path = write(project / "notebooks" / "a.ipynb", f"{BUILD}ImageSpec(requirements='../own.txt')")
    assert "own.txt, line 2'" in run("check", path).output
    assert "pandas=>2" in run("check", path).output


@pytest.mark.parametrize("unit", [" ", "a ", "#", "\\", " #", "-", "a@", "://", "[", ";", "=", "'"])
def test_a_long_line_of_requirements_is_read_in_no_time(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"a{unit * (LONG // len(unit))}!")
    with suppress(SpecError):
        read_requirements(path)


@pytest.mark.parametrize(
    "unit", ["level=error ", 'level=fatal error="', 'error="\\', "#1 0.1 #1 ", "time=", "#1 ", "0."]
)
def test_a_long_line_of_output_is_read_in_no_time(unit: str) -> None:
    reader = ProgressReader()
    text = f"#1 a\n\n#1 {unit * (LONG // len(unit))}\n{unit * (LONG // len(unit))}\n"
    assert sum(len(one.text) for one in reader.read(text) if isinstance(one, Output)) == len(text)


def test_long_texts_of_other_kinds_are_read_in_no_time(tmp_path: Path) -> None:
    assert installed_by(["\n" * LONG, "%pip install " + " " * LONG, " " * LONG]) == ([], [])
    with pytest.raises(FileError, match="its JSON is broken"):
        parse_notebook(tmp_path, "<<<<<<< a\n=======\n" * (LONG // 18))


def made(text: str) -> None:
    for _, spec in specs_from_yaml(text).items:
        validate(spec)


@pytest.mark.parametrize(
    "text",
    [
        "? [a, b]\n: c",
        "? {a: b}\n: c",
        "~: a",
        ": a",
        "name: [a]",
        "name: {a: b}",
        "registry: [a]",
        "registry: {a: b}",
        "name: a\nname: b",
        "env: {? [a] : b}",
        "env: {~: b}",
        f"python_version: {'9' * 5000}",
        "python_version: 0x" + "f" * 5000,
        "packages: [2024-13-45]",
        "builder_config: {a: !!int x}",
        "builder_config: {a: !!int ''}",
        "builder_config: {a: !!bool x}",
        "builder_config: {a: !!timestamp x}",
        "builder_config: {a: 2024-13-45}",
        "builder_config: {a: !!binary x}",
        "builder_config: {[a]: b}",
        "builder_config: !!python/object/apply:os.system [exit]",
        "name: !!python/name:os.system ''",
        "name: !!python/object:os.system {}",
        "name: !unknown a",
        "- ~",
        "- [a]",
        "packages: *nowhere",
        "a: b\n---\nname: a",
        "%YAML 9.9\n---\nname: a",
        'name: "\\ud800"',
        "\x00",
    ],
)
def test_odd_yaml_is_told_as_a_mistake(text: str) -> None:
    with pytest.raises(EnvdMagicError):
        made(text)


def test_a_name_that_is_left_open_in_yaml_is_not_given() -> None:
    [(_, spec)] = specs_from_yaml("name: ~\nregistry:\npackages: null").items
    assert spec == ImageSpec()
