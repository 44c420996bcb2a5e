"""`freeze` in an environment with odd installs: told apart, and never guessed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from .installs import Environment
from .notebooks import write

if TYPE_CHECKING:
    from pathlib import Path

# From a file alone, and in a kernel that has imported all.
FROM_FILE = """
import sys
from envd_magic.headless.cli import main
main(["freeze", "--no-python", "a.ipynb"])
"""
LIVE = """
import sys, json
from envd_magic.freeze.frozen import freeze_kernel
cells = json.load(open("a.ipynb"))["cells"]
code = ["".join(cell["source"]) for cell in cells]
for one in code:
    try:
        exec(one, globals())
    except ImportError:
        pass
frozen = freeze_kernel({}, code)
print("\\n".join([*frozen.packages, *(f"# note: {note}" for note in frozen.notes)]))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = Environment(tmp_path_factory.mktemp("odd"))
    for name in ("plain", "Local-Cu"):
        version = "1.0+cu1" if name == "Local-Cu" else "1.0"
        made.wheel(name, f"{name.lower().replace('-', '_')}.py", version=version)
    made.wheel("ns-one", "ns/one/__init__.py")
    made.wheel("ns-two", "ns/two.py")
    made.install(
        "plain",
        "Local-Cu",
        "ns-one",
        "ns-two",
        *("--editable", str(made.project("edited", "edited/__init__.py"))),
        *("--editable", str(made.project("ns-three", "ns/three.py"))),
        made.committed(made.project("from-git", "from_git.py")),
        str(made.project("from-folder", "from_folder.py")),
        str(made.wheel("from-wheel", "from_wheel.py")),
    )
    outside = made.folder / "outside"
    outside.mkdir()
    (outside / "by_path.py").touch()
    (made.site / "by_path.pth").write_text(f"{outside}\n")
    # What a removal left that was stopped, and what somebody copied there by hand.
    (made.site / "half.py").touch()
    (made.site / "half-1.0.dist-info").mkdir()
    (made.site / "half-1.0.dist-info" / "RECORD").write_text("half.py,,\n")
    (made.site / "copied.py").touch()
    (made.site / "-roken-1.0.dist-info").mkdir()
    (made.site / "-roken-1.0.dist-info" / "METADATA").write_text("Name:\nVersion")
    # What an upgrade left that was cut off, and a version that no requirement can name.
    (made.site / "twice.py").touch()
    for version in ("1.0", "2.0"):
        (made.site / f"twice-{version}.dist-info").mkdir()
        about = f"Name: twice\nVersion: {version}\n"
        (made.site / f"twice-{version}.dist-info" / "METADATA").write_text(about)
        (made.site / f"twice-{version}.dist-info" / "RECORD").write_text("twice.py,,\n")
    (made.site / "odd.py").touch()
    (made.site / "odd-x.dist-info").mkdir()
    (made.site / "odd-x.dist-info" / "METADATA").write_text("Name: odd\nVersion: not.a.version\n")
    (made.site / "odd-x.dist-info" / "RECORD").write_text("odd.py,,\n")
    # A version of the same name that comes later on the path.
    (outside / "plain-0.1.dist-info").mkdir()
    (outside / "plain-0.1.dist-info" / "METADATA").write_text("Name: plain\nVersion: 0.1\n")
    return made


CELLS = (
    "import plain, local_cu, ns.one\nfrom ns import two, three",
    "import edited\nimport from_git\nimport from_folder\nimport from_wheel",
    "import by_path\nimport half\nimport copied\nimport twice, odd",
    "import beside\nimport not_here",
)


@pytest.mark.parametrize("how", [FROM_FILE, LIVE])
def test_odd_installs_are_told_apart_and_never_guessed(
    environment: Environment, tmp_path: Path, how: str
) -> None:
    write(tmp_path / "a.ipynb", *CELLS)
    (tmp_path / "beside.py").touch()
    code = f"import sys; sys.path.insert(0, ''); sys.stderr = sys.stdout\n{how}"
    told = environment.run(code, tmp_path)
    pins = {"Local-Cu==1.0+cu1", "ns-one==1.0", "ns-two==1.0", "plain==1.0"}
    assert {pin for pin in pins if pin in told} == pins
    named = set(told.partition("# note")[0].replace("'", " ").replace(",", " ").split())
    assert {word for word in named if "==" in word and "flytekit" not in word} == pins
    notes = [line[8:] for line in told.splitlines() if line.startswith("# note: ")]
    expected = {
        "Local-Cu==1.0+cu1: +cu1 is in no public index": 1,
        "edited is left out: installed from a folder as editable": 1,
        "ns-three is left out: installed from a folder as editable": 1,
        "from-git is left out: installed from version control: from-git @ git+file://": 1,
        "from-folder is left out: installed from a folder;": 1,
        "from-wheel is left out: installed from a file, from_wheel-1.0-py3-none-any.whl": 1,
        "by_path is in a folder on Python's path: copy or": 1,
        "twice is left out: its folder has records of 1.0 and 2.0, and which one": 1,
        "odd is left out: no requirement can name its version, 'not.a.version'": 1,
        "half is installed, and no distribution lists it": 1,
        "copied is installed, and no distribution lists it": 1,
        "beside is a file or folder here": 1,
        "not_here is not installed here": how is FROM_FILE,
    }
    counted = {start: sum(note.startswith(start) for note in notes) for start in expected}
    assert counted == expected, json.dumps(notes, indent=1)
    assert len(notes) == sum(expected.values())


def test_all_that_is_installed_is_told_apart_too(environment: Environment, tmp_path: Path) -> None:
    code = """
        from envd_magic.freeze.frozen import freeze_all
        frozen = freeze_all()
        print(*frozen.packages, *frozen.notes, sep="\\n")
    """
    told = environment.run(code, tmp_path).splitlines()
    assert {"plain==1.0", "Local-Cu==1.0+cu1", "ns-one==1.0", "ns-two==1.0"} <= set(told)
    left_out = {line.partition(" is left out")[0] for line in told if " is left out" in line}
    assert {"edited", "ns-three", "from-git", "from-folder", "from-wheel"} <= left_out
    assert not any(line.startswith(("half", "-roken", "copied", "by_path")) for line in told)


def test_below_a_shared_name_it_is_what_is_below_that_is_not_here() -> None:
    from envd_magic.freeze.frozen import freeze_sources

    # google/ is here: protobuf's, which others share.
    frozen = freeze_sources(["import google.protobuf\nfrom google.colab import drive"])
    assert not any(item.startswith("google.colab") for item in frozen.packages)
    only = freeze_sources(["from google.colab import drive"])
    assert only.notes[0].startswith("google.colab is not installed here: ")
