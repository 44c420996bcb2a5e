"""The files of a spec lie in the build folder as they are to lie in the image."""

from __future__ import annotations

import importlib
import os
import socket
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection

from envd_magic.errors import SpecError
from envd_magic.recipe.compose import compose
from envd_magic.spec.tag import image_name

from .interpreted import Interpreter, interpreter
from .users import let_others_in

if TYPE_CHECKING:
    from collections.abc import Iterator

# Names that a shell, Starlark or a pattern would do something with.
NAMES = [
    "a b.txt",
    "[a].txt",
    "*.txt",
    "?",
    "é あ 😀.txt",
    "it's.txt",
    'say "hi".txt',
    "back\\slash",
    "$HOME",
    "-rf",
    "#a",
    "{a,b}",
    "line\nend",
    ".hidden",
    "build.envd",
    "%s",
]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """Be a user who is not root, and who may look into a folder of pytest's."""
    let_others_in(folder)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def closed(path: Path, folder: Path) -> Iterator[None]:
    """Let nobody read a file or a folder."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with nobody(folder):
            yield
    finally:
        path.chmod(mode)


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of modules to forget again."""
    names: list[str] = []
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield names
    for name in names:
        sys.modules.pop(name, None)


def _write(path: str, content: str = "x") -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def _tree(folder: Path) -> dict[str, str]:
    """Everything in a folder: text of files, "->" and target of links, "/" for folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "/" if path.is_dir() else path.read_text()
    return found


def _placed(tmp_path: Path, part: str, **fields: Any) -> dict[str, str]:
    """What a spec's build folder has for /root."""
    recipe = compose(ImageSpec(base_image="debian", **fields))
    target = tmp_path / "target"
    target.mkdir()
    return _tree(recipe.write(target).parent / part / "root")


def _copied(tmp_path: Path, *items: str) -> dict[str, str]:
    return _placed(tmp_path, "copy", copy=list(items))


def _sources(tmp_path: Path, root: str, mode: CopyFileDetection) -> dict[str, str]:
    return _placed(tmp_path, "source", source_root=root, source_copy_mode=mode)


# copy


def test_file_keeps_its_place(tmp_path: Path) -> None:
    _write("data/x.txt", "here")
    assert _copied(tmp_path, "data/x.txt") == {"data": "/", "data/x.txt": "here"}


@pytest.mark.parametrize("item", ["data", "data/", "./data", "./data/.", "data//"])
def test_folder_keeps_its_place_however_it_is_written(tmp_path: Path, item: str) -> None:
    _write("data/x.txt", "here")
    _write("data/sub/y.txt", "there")
    assert _copied(tmp_path, item) == {
        "data": "/",
        "data/sub": "/",
        "data/sub/y.txt": "there",
        "data/x.txt": "here",
    }


def test_folder_in_a_folder_keeps_its_place(tmp_path: Path) -> None:
    _write("a/b/c/x.txt")
    _write("a/other.txt")
    assert set(_copied(tmp_path, "a/b")) == {"a", "a/b", "a/b/c", "a/b/c/x.txt"}


def test_dot_is_the_current_folder(tmp_path: Path) -> None:
    _write("x.txt")
    _write("a/y.txt")
    assert set(_copied(tmp_path, ".")) == {"x.txt", "a", "a/y.txt"}


def test_empty_folder_is_copied(tmp_path: Path) -> None:
    Path("a/empty").mkdir(parents=True)
    assert _copied(tmp_path, "a") == {"a": "/", "a/empty": "/"}


@pytest.mark.parametrize("name", NAMES)
def test_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    _write(name, "here")
    assert _copied(tmp_path, name) == {name: "here"}


@pytest.mark.parametrize("name", NAMES)
def test_file_in_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    _write(f"{name} folder/{name}", "here")
    found = _copied(tmp_path, f"{name} folder")
    assert found == {f"{name} folder": "/", f"{name} folder/{name}": "here"}


def test_items_may_overlap(tmp_path: Path) -> None:
    _write("a/x.txt", "here")
    assert _copied(tmp_path, "a", "a/x.txt", "a") == {"a": "/", "a/x.txt": "here"}


def test_two_files_of_one_name_keep_their_places(tmp_path: Path) -> None:
    _write("a/x.txt", "one")
    _write("b/x.txt", "two")
    found = _copied(tmp_path, "a/x.txt", "b/x.txt")
    assert (found["a/x.txt"], found["b/x.txt"]) == ("one", "two")


def test_content_stays_byte_for_byte(tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    Path("x").write_bytes(content)
    recipe = compose(ImageSpec(base_image="debian", copy=["x"]))
    assert (recipe.write(tmp_path).parent / "copy/root/x").read_bytes() == content


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o444])
def test_mode_of_a_file_stays(tmp_path: Path, mode: int) -> None:
    _write("x").chmod(mode)
    recipe = compose(ImageSpec(base_image="debian", copy=["x"]))
    placed = recipe.write(tmp_path).parent / "copy/root/x"
    assert stat.S_IMODE(placed.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o555])
def test_mode_of_a_folder_stays(tmp_path: Path, mode: int) -> None:
    _write("a/x")
    Path("a").chmod(mode)
    recipe = compose(ImageSpec(base_image="debian", copy=["a"]))
    placed = recipe.write(tmp_path).parent / "copy/root/a"
    assert stat.S_IMODE(placed.stat().st_mode) == mode


def test_folder_that_is_not_writable_is_filled_by_who_is_not_root(tmp_path: Path) -> None:
    _write("a/x")
    Path("a").chmod(0o555)
    recipe = compose(ImageSpec(base_image="debian", copy=["a"]))
    target = tmp_path / "target"
    target.mkdir(mode=0o777)
    target.chmod(0o777)
    with nobody(tmp_path):
        recipe.write(target)
    assert (target / "spec/copy/root/a/x").read_text() == "x"


@pytest.mark.parametrize("name", ["data/sub", "data/sub/a"])
def test_what_cannot_be_read_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    _write("data/sub/a")
    path = Path(name)
    with closed(path, tmp_path), pytest.raises(SpecError, match="cannot be read") as caught:
        compose(ImageSpec(name="trainer", base_image="b", copy=["data"]))
    [problem] = caught.value.problems
    assert (problem.field, problem.item) == ("copy", str(path))


def test_folder_of_a_project_that_cannot_be_read_is_left_out_with_a_warning(
    tmp_path: Path,
) -> None:
    _write("project/a.py")
    _write("project/volume/b")
    mode = CopyFileDetection.ALL
    spec = ImageSpec(name="a", base_image="b", source_root="project", source_copy_mode=mode)
    with closed(Path("project/volume"), tmp_path):
        recipe = compose(spec)
    assert "source/root/a.py" in recipe.files
    assert any("project/volume' cannot be read" in text for text in recipe.warnings)


def test_link_inside_a_folder_stays_a_link(tmp_path: Path) -> None:
    _write("a/x.txt")
    Path("a/link").symlink_to("x.txt")
    assert _copied(tmp_path, "a")["a/link"] == "-> x.txt"


def test_link_to_a_folder_inside_stays_a_link(tmp_path: Path) -> None:
    _write("a/sub/x.txt")
    Path("a/link").symlink_to("sub")
    found = _copied(tmp_path, "a")
    assert found["a/link"] == "-> sub"
    assert "a/link/x.txt" not in found


def test_link_to_a_file_outside_becomes_the_file(tmp_path: Path) -> None:
    _write("outside.txt", "here")
    Path("a").mkdir()
    Path("a/link").symlink_to("../outside.txt")
    assert _copied(tmp_path, "a")["a/link"] == "here"


def test_link_to_a_folder_outside_becomes_the_folder(tmp_path: Path) -> None:
    _write("outside/x.txt", "here")
    Path("a").mkdir()
    Path("a/link").symlink_to("../outside")
    assert _copied(tmp_path, "a")["a/link/x.txt"] == "here"


def test_absolute_link_becomes_the_file(tmp_path: Path) -> None:
    target = _write("a/x.txt", "here").resolve()
    Path("a/link").symlink_to(target)
    assert _copied(tmp_path, "a")["a/link"] == "here"


def test_item_that_is_a_link_to_a_file_becomes_the_file(tmp_path: Path) -> None:
    _write("x.txt", "here")
    Path("link").symlink_to("x.txt")
    assert _copied(tmp_path, "link") == {"link": "here"}


def test_item_that_is_a_link_to_a_folder_becomes_the_folder(tmp_path: Path) -> None:
    _write("a/x.txt", "here")
    Path("link").symlink_to("a")
    assert _copied(tmp_path, "link") == {"link": "/", "link/x.txt": "here"}


def test_link_to_nothing_outside_is_left_out_with_a_warning() -> None:
    _write("a/x.txt")
    Path("a/link").symlink_to("/not/there")
    recipe = compose(ImageSpec(base_image="debian", copy=["a"]))
    assert "copy/root/a/link" not in recipe.files
    assert any("a/link" in warning for warning in recipe.warnings)


@pytest.mark.timeout(60)
def test_link_to_itself_does_not_stop_the_build() -> None:
    _write("a/x.txt")
    Path("a/link").symlink_to("link")
    assert "copy/root/a/x.txt" in compose(ImageSpec(base_image="debian", copy=["a"])).files


@pytest.mark.timeout(60)
def test_folders_that_link_to_each_other_do_not_stop_the_build() -> None:
    _write("a/x.txt")
    _write("b/y.txt")
    Path("a/link").symlink_to("../b")
    Path("b/back").symlink_to("../a")
    files = compose(ImageSpec(base_image="debian", copy=["a"])).files
    assert {"copy/root/a/x.txt", "copy/root/a/link/y.txt"} <= set(files)


@pytest.mark.timeout(60)
def test_what_is_no_file_is_left_out_with_a_warning() -> None:
    _write("a/x.txt")
    os.mkfifo("a/pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a/socket")
        recipe = compose(ImageSpec(base_image="debian", copy=["a"]))
    assert set(recipe.files) == {"copy/root", "copy/root/a", "copy/root/a/x.txt"}
    assert any("a/pipe" in warning for warning in recipe.warnings)
    assert any("a/socket" in warning for warning in recipe.warnings)


@pytest.mark.timeout(60)
def test_tag_beside_what_is_no_file_tells_one_content_from_another() -> None:
    _write("a/x.txt")
    os.mkfifo("a/pipe")
    spec = ImageSpec(base_image="debian", copy=["a"])
    first = image_name(spec)
    assert image_name(ImageSpec(base_image="debian", copy=["a"])) == first
    assert spec.image_name() == first
    _write("a/x.txt", "changed")
    assert image_name(ImageSpec(base_image="debian", copy=["a"])) != first


@pytest.mark.parametrize("mode", [None, CopyFileDetection.ALL])
def test_file_whose_name_is_no_text_is_refused_by_its_name(mode: CopyFileDetection | None) -> None:
    _write("a/x.txt")
    Path(os.fsdecode(b"a/\xff.txt")).write_text("x")
    fields: dict[str, Any] = {"source_root": "a", "source_copy_mode": mode} if mode else {}
    with pytest.raises(SpecError, match=r"a/\?\.txt.*no UTF-8"):
        compose(ImageSpec(base_image="debian", **(fields or {"copy": ["a"]})))


def test_tag_without_such_a_thing_is_flytekits_own() -> None:
    _write("a/x.txt")
    fields: dict[str, Any] = {
        "base_image": ImageSpec(base_image="debian"),
        "copy": ["a"],
        "source_root": ".",
        "source_copy_mode": CopyFileDetection.ALL,
    }
    assert image_name(ImageSpec(**fields)) == ImageSpec(**fields).image_name()


@pytest.mark.timeout(60)
def test_item_that_is_no_file_is_refused() -> None:
    os.mkfifo("pipe")
    with pytest.raises(SpecError, match="neither a file nor a folder"):
        compose(ImageSpec(base_image="debian", copy=["pipe"]))


# source_root


def test_all_of_a_source_root_is_copied(tmp_path: Path) -> None:
    _write("src/x.py", "one")
    _write("src/sub/y.txt", "two")
    _write("outside.py")
    found = _sources(tmp_path, "src", CopyFileDetection.ALL)
    assert found == {"sub": "/", "sub/y.txt": "two", "x.py": "one"}


@pytest.mark.parametrize("root", ["src", "src/", "./src", "src/sub/..", "src//"])
def test_source_root_may_be_written_in_any_way(tmp_path: Path, root: str) -> None:
    _write("src/x.py")
    _write("src/sub/y.py")
    assert set(_sources(tmp_path, root, CopyFileDetection.ALL)) == {"x.py", "sub", "sub/y.py"}


def test_source_root_may_be_the_current_folder(tmp_path: Path) -> None:
    _write("x.py")
    assert _sources(tmp_path, ".", CopyFileDetection.ALL) == {"x.py": "x"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "line\nend"])
def test_source_may_have_any_name(tmp_path: Path, name: str) -> None:
    _write(f"src/{name}", "here")
    assert _sources(tmp_path, "src", CopyFileDetection.ALL) == {name: "here"}


def test_what_dockerignore_names_is_left_out(tmp_path: Path) -> None:
    _write("src/.dockerignore", "secret.txt\nbig\n")
    _write("src/secret.txt")
    _write("src/big/x")
    _write("src/x.py")
    found = _sources(tmp_path, "src", CopyFileDetection.ALL)
    assert "x.py" in found
    assert not {"secret.txt", "big", "big/x"} & set(found)


def test_what_gitignore_names_is_left_out(tmp_path: Path) -> None:
    _write("src/.gitignore", "secret.txt\n")
    _write("src/secret.txt")
    _write("src/x.py")
    os.system("git init -q src")  # noqa: S605
    found = _sources(tmp_path, "src", CopyFileDetection.ALL)
    assert "x.py" in found
    assert "secret.txt" not in found


def test_bytecode_and_git_are_left_out(tmp_path: Path) -> None:
    _write("src/x.pyc")
    _write("src/__pycache__/y.cpython-311.pyc")
    _write("src/.git/config")
    _write("src/x.py")
    assert _sources(tmp_path, "src", CopyFileDetection.ALL) == {"x.py": "x"}


def test_link_among_sources_becomes_the_file(tmp_path: Path) -> None:
    _write("outside.py", "here")
    Path("src").mkdir()
    Path("src/link.py").symlink_to("../outside.py")
    assert _sources(tmp_path, "src", CopyFileDetection.ALL) == {"link.py": "here"}


@pytest.mark.timeout(60)
def test_what_is_no_file_among_sources_is_left_out_with_a_warning() -> None:
    _write("src/x.py")
    _write("src/.dockerignore", "ignored")
    os.mkfifo("src/pipe")
    os.mkfifo("src/ignored")
    spec = ImageSpec(base_image="debian", source_root="src", source_copy_mode=CopyFileDetection.ALL)
    recipe = compose(ImageSpec(base_image=spec, name="above"))
    recipe = compose(spec)
    assert "source/root/x.py" in recipe.files
    assert "source/root/pipe" not in recipe.files
    assert ["pipe" in warning for warning in recipe.warnings] == [True]


def test_empty_source_root_is_warned_about() -> None:
    Path("src").mkdir()
    spec = ImageSpec(base_image="debian", source_root="src", source_copy_mode=CopyFileDetection.ALL)
    recipe = compose(spec)
    assert any(warning.startswith("source_root") for warning in recipe.warnings)
    assert not any("source_root" in rule.fields for rule in recipe.rules)


def test_no_copy_copies_nothing() -> None:
    _write("src/x.py")
    spec = ImageSpec(
        base_image="debian", source_root="src", source_copy_mode=CopyFileDetection.NO_COPY
    )
    recipe = compose(spec)
    assert recipe.files == {}
    assert recipe.warnings == ()


def _import(name: str, folder: str, imported: list[str]) -> None:
    imported.append(name)
    sys.path.insert(0, str(Path(folder).absolute()))
    importlib.invalidate_caches()
    importlib.import_module(name)


@pytest.mark.parametrize("root", ["src", "src/", "./src"])
def test_modules_that_are_imported_are_copied_and_no_others(
    tmp_path: Path, imported: list[str], root: str
) -> None:
    _write("src/module_of_a_test.py", "here = 1")
    _write("src/other_module_of_a_test.py")
    _write("src/data.txt")
    _import("module_of_a_test", "src", imported)
    found = _sources(tmp_path, root, CopyFileDetection.LOADED_MODULES)
    assert found == {"module_of_a_test.py": "here = 1"}


def test_package_that_is_imported_keeps_its_place(tmp_path: Path, imported: list[str]) -> None:
    _write("src/package_of_a_test/__init__.py", "")
    _write("src/package_of_a_test/inner.py", "here = 1")
    imported.append("package_of_a_test.inner")
    _import("package_of_a_test", "src", imported)
    importlib.import_module("package_of_a_test.inner")
    found = _sources(tmp_path, "src", CopyFileDetection.LOADED_MODULES)
    assert set(found) == {
        "package_of_a_test",
        "package_of_a_test/__init__.py",
        "package_of_a_test/inner.py",
    }


def test_imported_module_that_is_a_link_is_copied_to_its_place(
    tmp_path: Path, imported: list[str]
) -> None:
    _write("outside.py", "here = 1")
    Path("src").mkdir()
    Path("src/linked_module_of_a_test.py").symlink_to("../outside.py")
    _import("linked_module_of_a_test", "src", imported)
    found = _sources(tmp_path, "src", CopyFileDetection.LOADED_MODULES)
    assert found == {"linked_module_of_a_test.py": "here = 1"}


def test_modules_below_a_root_that_is_a_link_are_copied(
    tmp_path: Path, imported: list[str]
) -> None:
    _write("real/module_below_a_link.py", "here = 1")
    Path("src").symlink_to("real")
    _import("module_below_a_link", "src", imported)
    found = _sources(tmp_path, "src", CopyFileDetection.LOADED_MODULES)
    assert found == {"module_below_a_link.py": "here = 1"}


def test_nothing_imported_is_warned_about() -> None:
    _write("src/x.py")
    spec = ImageSpec(
        base_image="debian", source_root="src", source_copy_mode=CopyFileDetection.LOADED_MODULES
    )
    assert any("imported modules" in warning for warning in compose(spec).warnings)


# Both, through envd.


def test_files_are_laid_over_the_root_of_the_image(tmp_path: Path) -> None:
    _write("src/[x] y.py")
    _write("data/a b.txt")
    envd: Interpreter = interpreter(tmp_path / "home")
    spec = ImageSpec(
        base_image=envd.base,
        copy=["data"],
        source_root="src",
        source_copy_mode=CopyFileDetection.ALL,
    )
    copies = envd.copies_of(compose(spec), tmp_path)
    assert [(Path(source), target) for source, target in copies] == [
        (Path("/source/root"), "/"),
        (Path("/copy/root"), "/"),
    ]
