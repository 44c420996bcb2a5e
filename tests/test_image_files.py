"""Files in an image: `copy` and `source_root`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection

from envd_magic import BuildError, SpecError, build
from envd_magic.pipeline.build import build_prepared, prepare
from envd_magic.pipeline.events import Phase, PhaseChanged
from envd_magic.pipeline.options import Options

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event

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


def test_what_is_changed_during_the_build_is_for_the_next_one(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("one/x.txt", "one/y.txt", "src/main.py", "elsewhere/z.txt")
    Path("r.txt").write_text("attrs==23.2.0\n")
    spec = ImageSpec(
        name="while",
        copy=["one"],
        source_root="src",
        source_copy_mode=CopyFileDetection.ALL,
        requirements="r.txt",
        env={"UNIQUE": uuid.uuid4().hex},
        commands=["cp -r /root /then"],
    )

    def change(event: Event) -> None:
        if isinstance(event, PhaseChanged) and event.phase is Phase.BASE:
            Path("one/x.txt").write_text("new\n")
            Path("one/y.txt").unlink()
            Path("src/main.py").write_text("new\n")
            Path("r.txt").write_text("attrs==22.2.0\n")
            spec.commands.append("false")
            monkeypatch.chdir("elsewhere")

    first = build(spec, listener=change)
    monkeypatch.chdir(tmp_path)
    for name, content in (("one/x.txt", "one/x.txt"), ("main.py", "src/main.py")):
        assert lab.run(first.image, "cat", f"/then/{name}") == f"content of {content}\n"
    assert "attrs==23.2.0" in lab.run(first.image, "pip", "freeze")
    write("one/x.txt", "one/y.txt", "src/main.py")
    Path("r.txt").write_text("attrs==23.2.0\n")
    spec.commands.pop()
    # What was built is known by what is in it.
    assert build(spec).status == "exists"


def test_what_is_changed_while_the_base_is_built_is_for_the_next_build(lab: Lab) -> None:
    write("x.txt")
    base = ImageSpec(name="below", env={"UNIQUE": uuid.uuid4().hex})

    def change(event: Event) -> None:
        if isinstance(event, PhaseChanged) and event.phase is Phase.BASE:
            Path("x.txt").write_text("new\n")

    image = build(ImageSpec(name="over", base_image=base, copy=["x.txt"]), listener=change).image
    assert lab.run(image, "cat", "/root/x.txt") == "content of x.txt\n"


def test_a_build_that_was_prepared_can_wait_while_its_files_change(lab: Lab) -> None:
    write("x.txt")
    prepared = prepare(ImageSpec(name="later", copy=["x.txt"]))
    prepared.keep_files()
    Path("x.txt").unlink()
    image = build_prepared(prepared, Options(force=True)).image
    prepared.close()
    assert lab.run(image, "cat", "/root/x.txt") == "content of x.txt\n"


def test_a_file_that_has_gone_before_it_was_copied_is_named() -> None:
    write("x.txt")
    prepared = prepare(ImageSpec(name="gone", base_image="debian", copy=["x.txt"]))
    Path("x.txt").unlink()
    with pytest.raises(SpecError, match=r"copy\['.*x\.txt'\].*No such file"):
        prepared.keep_files()
    prepared.close()
