"""Files in an image: `copy` and `source_root`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection

from envd_magic import BuildError, build

if TYPE_CHECKING:
    from .lab import Lab


def write(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n")


def files(lab: Lab, image: str) -> set[str]:
    listed = lab.run(image, "find", "/root", "-mindepth", "1", "!", "-type", "d")
    return {path for path in listed.splitlines() if not path.endswith((".bashrc", ".profile"))}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_files_and_folders_land_at_the_same_place_below_root(lab: Lab) -> None:
    write("a b.txt", "data [x]/é*.txt", "data [x]/sub/y.txt", "deep/er/f.txt", "plain/g.txt")
    Path("plain/empty").mkdir()
    Path("plain/link").symlink_to("g.txt")
    spec = ImageSpec(name="copies", copy=["a b.txt", "data [x]", "deep/er/f.txt", "./plain"])
    image = build(spec, force=True).image
    assert files(lab, image) == {
        "/root/a b.txt",
        "/root/data [x]/é*.txt",
        "/root/data [x]/sub/y.txt",
        "/root/deep/er/f.txt",
        "/root/plain/g.txt",
        "/root/plain/link",
    }
    assert lab.run(image, "cat", "/root/data [x]/é*.txt") == "content of data [x]/é*.txt\n"
    assert lab.run(image, "readlink", "/root/plain/link") == "g.txt\n"
    lab.run(image, "test", "-d", "/root/plain/empty")


def test_modes_and_roots_own_mode_stay(lab: Lab) -> None:
    write("run.sh")
    Path("run.sh").chmod(0o750)
    image = build(ImageSpec(name="modes", copy=["run.sh"]), force=True).image
    assert lab.run(image, "stat", "-c", "%a %U", "/root/run.sh", "/root") == "750 root\n700 root\n"


def test_commands_find_the_copies(lab: Lab) -> None:
    write("mod.py")
    Path("mod.py").write_text("answer = 42\n")
    spec = ImageSpec(
        name="found", copy=["mod.py"], commands=["python -c 'import mod; print(mod.answer)' > /a"]
    )
    assert lab.run(build(spec, force=True).image, "cat", "/a") == "42\n"


@pytest.mark.parametrize("root", ["src", "src/", "."])
def test_source_root_with_its_ignore_files(lab: Lab, root: str) -> None:
    base = "" if root == "." else "src/"
    names = ("main.py", "pkg/part.py", "data/keep.csv", "secret.env", "x.pyc", "logs/a.log")
    write(*(base + name for name in names))
    Path(base + ".dockerignore").write_text("secret.env\nlogs\n")
    spec = ImageSpec(name="source", source_root=root, source_copy_mode=CopyFileDetection.ALL)
    found = files(lab, build(spec, force=True).image)
    assert found == {
        "/root/main.py",
        "/root/pkg/part.py",
        "/root/data/keep.csv",
        "/root/.dockerignore",
    }


def test_copy_that_the_base_is_in_the_way_of_tells_why(lab: Lab) -> None:
    base = lab.derive("in-the-way", ["RUN ln -s /opt /root/link"])
    Path("link").mkdir()
    Path("link/x.txt").write_text("x")
    with pytest.raises(BuildError, match=r"(?s)field copy.*cannot copy to non-directory"):
        build(ImageSpec(name="way", base_image=base, copy=["link"]), force=True)


def test_a_changed_copy_is_built_again(lab: Lab) -> None:
    write("one/x.txt")
    spec = ImageSpec(name="changed", copy=["one/x.txt"], env={"UNIQUE": uuid.uuid4().hex})
    first = build(spec)
    Path("one/x.txt").write_text("new\n")
    second = build(spec)
    assert second.status == "built"
    assert first.image != second.image
    assert lab.run(second.image, "cat", "/root/one/x.txt") == "new\n"
