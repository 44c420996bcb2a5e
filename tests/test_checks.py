"""What a field takes and what it refuses, field and item named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flytekit import ImageSpec

from envd_magic.errors import SpecError
from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.problems import Problem
from envd_magic.spec.validate import problems_of, validate

GOOD: list[tuple[str, Any]] = [
    ("name", "flytekit"),
    ("name", "team/my-image_1.x"),
    ("registry", "localhost:30000"),
    ("tag_format", "v1-{spec_hash}"),
    ("platform", "linux/amd64"),
    ("platform", "linux/amd64, linux/arm64"),
    ("platform", "linux/arm/v7"),
    ("base_image", "debian"),
    ("base_image", "ghcr.io/flyteorg/flytekit:py3.11-latest"),
    ("base_image", "localhost:5000/a/b@sha256:" + "0" * 64),
    ("base_image", "Registry.Example.com:5000/a__b/c-d.e:Tag"),
    ("python_version", "3.11"),
    ("python_version", "3.10.4"),
    ("packages", []),
    ("packages", ["pandas", "attrs[tests]>=23 ; python_version < '3.13'", "x==1.0+local"]),
    ("packages", ["git+https://github.com/o/r.git@main#egg=r", "https://h.test/x-1.whl"]),
    ("packages", ["x @ https://h.test/x-1.whl", "git+https://h.test/r ; os_name == 'posix'"]),
    ("conda_packages", ["numpy", "numpy=2.1", "numpy >=2,<3", "conda-forge::pytorch=2.*=cuda*"]),
    ("conda_packages", ["numpy 1.26", "numpy 1.26.* py311_0"]),
    ("conda_channels", ["conda-forge", "pytorch/label/dev", "https://h.test/channel"]),
    ("apt_packages", ["git", "g++", "libc6:amd64", "curl=7.88.1-10+deb12u5", "vim/stable"]),
    ("cuda", "11.8"),
    ("cuda", "12.4.1"),
    ("cudnn", "8"),
    ("env", {"A": "", "_b": "x\ny", "C1": "'\"$(id)`\\"}),
    ("pip_index", "https://user:pass@h.test:8443/simple/"),
    ("pip_index", "file:///wheels"),
    ("pip_extra_index_url", ["http://127.0.0.1:1/simple", "https://[::1]/simple"]),
    ("pip_extra_args", "--pre"),
    ("entrypoint", []),
    ("entrypoint", ["a b", "$HOME"]),
    ("commands", ["echo 'a' && echo \"b\"", "# comment", "cat <<E\nx\nE"]),
    ("runtime_packages", ["pandas"]),
    ("builder_options", {}),
    ("builder_options", {"installer": "uv"}),
    ("builder_options", {"installer": "pip"}),
]

# Field, value, and the item that is to be named (None for the field as a whole).
BAD: list[tuple[str, Any, str | None]] = [
    ("name", "", None),
    ("name", "a b", None),
    ("name", "-a", None),
    ("name", "a:b", None),
    ("tag_format", "{hash}", None),
    ("tag_format", "{", None),
    ("tag_format", "{spec_hash} x", None),
    ("tag_format", "{spec_hash.__class__}", None),
    ("platform", "amd64", "amd64"),
    ("platform", "windows/amd64", "windows/amd64"),
    ("platform", "linux/amd64,", ""),
    ("platform", "linux/amd64,linux/amd64", "linux/amd64"),
    ("base_image", "", None),
    ("base_image", "a b", None),
    ("base_image", "a:", None),
    ("base_image", "debian/UPPER", None),
    ("python_version", 3.1, None),
    ("python_version", "2.7", None),
    ("python_version", "3.11 ", None),
    ("python_version", "3.x", None),
    ("packages", ["pandas", "pandas pandas"], "pandas pandas"),
    ("packages", "pandas", None),
    ("packages", ["pandas", 1], "1"),
    ("packages", ["-r requirements.txt"], "-r requirements.txt"),
    ("packages", ["x @ ./folder"], "x @ ./folder"),
    ("packages", ["x @ folder/x"], "x @ folder/x"),
    ("packages", ["./folder"], "./folder"),
    ("packages", [""], ""),
    ("conda_packages", ["numpy numpy"], "numpy numpy"),
    ("conda_packages", [""], ""),
    ("conda_channels", [""], ""),
    ("conda_channels", ["ftp://h.test/x"], "ftp://h.test/x"),
    ("apt_packages", ["Git"], "Git"),
    ("apt_packages", ["git "], "git "),
    ("apt_packages", ["git="], "git="),
    ("cuda", 11.8, None),
    ("cuda", "11.x", None),
    ("cudnn", "", None),
    ("env", ["A=b"], None),
    ("env", {"A": 1}, "A"),
    ("env", {1: "a"}, "1"),
    ("env", {"": "a"}, ""),
    ("env", {"A-B": "a"}, "A-B"),
    ("env", {"1A": "a"}, "1A"),
    ("env", {"A": "\0"}, "A"),
    ("env", {"A": "\ud800"}, "A"),
    ("env", {"_F_IMG_ID": "x"}, "_F_IMG_ID"),
    ("pip_index", "PYPI-SIMPLE-INDEX", None),
    ("pip_index", "ftp://h.test", None),
    ("pip_index", "https://", None),
    ("pip_index", "https://h.test:x/", None),
    ("pip_index", "file://relative", None),
    ("pip_index", "file://host/wheels", None),
    ("pip_extra_index_url", ["https://h.test", "h.test/simple"], "h.test/simple"),
    ("pip_extra_args", "\0", None),
    ("entrypoint", ["a\0"], "a\0"),
    ("commands", ["echo", "\ud800"], "\ud800"),
    ("copy", ["/etc/passwd"], "/etc/passwd"),
    ("copy", ["../x"], "../x"),
    ("copy", ["a/../../x"], "a/../../x"),
    ("copy", ["not there"], "not there"),
    ("copy", [""], ""),
    ("copy", "file.txt", None),
    ("requirements", "not there", None),
    ("source_root", "not there", None),
    ("registry_config", "not there", None),
    ("pip_secret_mounts", [("file.txt", "relative")], "relative"),
    ("pip_secret_mounts", [("file.txt", "/a/../b")], "/a/../b"),
    ("pip_secret_mounts", [("file.txt", "/a/")], "/a/"),
    ("pip_secret_mounts", [("not there", "/a")], "not there"),
    ("pip_secret_mounts", [("file.txt",)], "('file.txt',)"),
    ("builder_options", [], None),
    ("builder_options", {"installer": "conda"}, "installer"),
    ("builder_options", {"color": True}, "color"),
]

INJECTED: list[tuple[str, Any, str | None]] = [
    ("packages", ["x; touch /f"], "x; touch /f"),
    ("packages", ["x$(id)"], "x$(id)"),
    ("packages", ["x\n--index-url=https://evil.test"], "x\n--index-url=https://evil.test"),
    ("packages", ["https://h.test/x.whl --pre"], "https://h.test/x.whl --pre"),
    ("packages", ["https://h.test/x.whl\v--pre"], "https://h.test/x.whl\v--pre"),
    ("packages", ["https://h.test/'x.whl"], "https://h.test/'x.whl"),
    ("packages", ["-e ."], "-e ."),
    ("packages", ["--index-url=https://evil.test"], "--index-url=https://evil.test"),
    # A requirements file ends lines at more than line feeds.
    ("packages", ["x @ https://h.test/x\v--pre"], "x @ https://h.test/x\v--pre"),
    ("packages", ["x ; os_name == '\u2028--pre'"], "x ; os_name == '\u2028--pre'"),
    ("conda_packages", ["x; id"], "x; id"),
    ("conda_packages", ["x' 'y"], "x' 'y"),
    ("conda_packages", ["--file=/etc/passwd"], "--file=/etc/passwd"),
    ("conda_packages", ["x\n>=2"], "x\n>=2"),
    ("conda_packages", ["x\t=2"], "x\t=2"),
    ("conda_packages", ["--file/x::y"], "--file/x::y"),
    ("conda_channels", ["-c"], "-c"),
    ("conda_channels", ["x --override-channels"], "x --override-channels"),
    ("conda_channels", ["https://h.test/$(id)"], "https://h.test/$(id)"),
    ("conda_channels", ["https://h.test/'x"], "https://h.test/'x"),
    ("apt_packages", ["git;id"], "git;id"),
    ("apt_packages", ["git$(id)"], "git$(id)"),
    ("apt_packages", ["git`id`"], "git`id`"),
    ("apt_packages", ['git"'], 'git"'),
    ("apt_packages", ["git curl"], "git curl"),
    ("apt_packages", ["git\n"], "git\n"),
    ("apt_packages", ["-y"], "-y"),
    ("apt_packages", ["./x.deb"], "./x.deb"),
    # To apt, a "-" at the end of what no package is named asks for a removal.
    ("apt_packages", ["bash-"], "bash-"),
    ("apt_packages", ["bash=5-"], "bash=5-"),
    ("apt_packages", ["bash/stable-"], "bash/stable-"),
    ("apt_packages", ["bash:amd64-"], "bash:amd64-"),
    ("env", {"A;id": "a"}, "A;id"),
    ("env", {"A=b C": "a"}, "A=b C"),
    ("env", {"A\n": "a"}, "A\n"),
    ("pip_index", "https://h.test/ --pre", None),
    ("pip_index", "https://h.test/\nx", None),
    ("pip_index", 'https://h.test/"x', None),
    ("pip_extra_index_url", ["https://h.test/ x"], "https://h.test/ x"),
    ("copy", ["file.txt\0"], "file.txt\0"),
    ("base_image", 'debian", dev=True)', None),
    ("base_image", "debian\nrun", None),
    ("base_image", "--help", None),
    ("platform", "linux/amd64 --push", "linux/amd64 --push"),
    ("python_version", "3.11; id", None),
    ("python_version", "3.11\n", None),
    ("cuda", "11.8\n", None),
    ("name", "a\n", None),
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.txt").write_text("x")
    Path("folder").mkdir()


def _problems(field: str, value: Any) -> list[Problem]:
    return list(BY_NAME[field].check(field, value))


def _named(case: tuple[Any, ...]) -> str:
    return f"{case[0]}-{case[1]!r}".encode("ascii", "backslashreplace").decode()[:60]


@pytest.mark.parametrize(("field", "value"), GOOD, ids=map(_named, GOOD))
def test_good_value_is_taken(field: str, value: Any) -> None:
    assert _problems(field, value) == []


@pytest.mark.parametrize(("field", "value", "item"), BAD, ids=map(_named, BAD))
def test_bad_value_is_refused_by_field_and_item(field: str, value: Any, item: str | None) -> None:
    found = _problems(field, value)
    assert [problem.field for problem in found] == [field]
    assert [problem.item for problem in found] == [item]
    assert found[0].fatal


@pytest.mark.parametrize(("field", "value", "item"), INJECTED, ids=map(_named, INJECTED))
def test_injection_is_refused_by_field_and_item(field: str, value: Any, item: str | None) -> None:
    found = _problems(field, value)
    assert [(problem.field, problem.item) for problem in found] == [(field, item)]


def test_every_item_that_is_wrong_is_named() -> None:
    found = _problems("apt_packages", ["git", "A", "curl", "B"])
    assert [problem.item for problem in found] == ["A", "B"]


def test_problem_reads_as_field_item_and_reason() -> None:
    assert str(_problems("apt_packages", ["A"])[0]).startswith("apt_packages['A']: ")


def test_misspelt_builder_option_is_told_the_close_one() -> None:
    assert (
        "did you mean 'installer'?" in _problems("builder_options", {"instaler": "uv"})[0].message
    )


def test_misspelt_installer_is_told_what_there_is() -> None:
    assert "there is: pip, uv" in _problems("builder_options", {"installer": "conda"})[0].message


def test_option_among_packages_is_told_where_it_belongs() -> None:
    assert "pip_extra_args" in _problems("packages", ["--pre"])[0].message


def test_path_among_packages_is_told_where_it_belongs() -> None:
    assert "`copy`" in _problems("packages", ["./folder"])[0].message


def test_number_for_a_python_version_is_told_to_be_quoted() -> None:
    assert "quotes" in _problems("python_version", 3.1)[0].message


def test_files_and_folders_that_are_there_are_taken() -> None:
    assert _problems("copy", ["file.txt", "folder/", "./folder", "."]) == []
    assert _problems("requirements", "file.txt") == []
    assert _problems("source_root", "folder") == []
    assert _problems("pip_secret_mounts", [("file.txt", "/root/.netrc")]) == []


def test_path_objects_are_taken_where_a_path_is_asked_for() -> None:
    assert _problems("requirements", Path("file.txt")) == []
    assert _problems("source_root", Path("folder")) == []


def test_folder_is_no_requirements_file() -> None:
    assert [problem.field for problem in _problems("requirements", "folder")] == ["requirements"]


def test_file_is_no_source_root() -> None:
    assert [problem.field for problem in _problems("source_root", "file.txt")] == ["source_root"]


@pytest.mark.parametrize("field", ["requirements", "source_root", "registry_config", "copy"])
def test_text_in_place_of_a_path_is_refused(field: str) -> None:
    text = "pandas\n" * 60
    assert _problems(field, [text] if field == "copy" else text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "no JSON"),
        ("[]", '"registries"'),
        ('{"registries": [{}]}', '"name"'),
        ('{"registries": [{"name": "h.test", "ca": "not there"}]}', "not there"),
        ('{"registries": [{"name": "h.test", "ca": 1}]}', '"ca"'),
    ],
)
def test_registry_config_that_envd_cannot_read_is_refused(content: str, told: str) -> None:
    Path("r.json").write_text(content)
    found = _problems("registry_config", "r.json")
    assert len(found) == 1
    assert told in found[0].message


def test_registry_config_as_envd_reads_it_is_taken() -> None:
    Path("r.json").write_text('{"registries": [{"name": "h.test", "ca": "file.txt"}]}')
    assert _problems("registry_config", "r.json") == []


@pytest.mark.timeout(5)
def test_long_item_is_refused_without_trying_every_way_to_read_it() -> None:
    assert _problems("conda_packages", ["numpy" + "=1" * 60 + " @"])


# What spans fields.


def _spec(**fields: Any) -> ImageSpec:
    return ImageSpec(base_image="debian", **fields)


def _refused(spec: ImageSpec) -> list[str]:
    with pytest.raises(SpecError) as caught:
        validate(spec)
    return [problem.field for problem in caught.value.problems]


def _warned(spec: ImageSpec) -> list[tuple[str, str | None]]:
    return [(problem.field, problem.item) for problem in validate(spec)]


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert _refused(_spec(apt_packages=["A"], packages=["-x"])) == ["packages", "apt_packages"]


def test_what_is_wrong_comes_before_warnings() -> None:
    found = problems_of(_spec(builder_config={"x": "y"}, tag_format="{"))
    assert [problem.fatal for problem in found] == [True, False]


def test_mistake_in_a_base_spec_names_the_base() -> None:
    assert _refused(ImageSpec(base_image=_spec(apt_packages=["A"]))) == ["base_image.apt_packages"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("base_image", 5), ("builder_config", 5), ("env", ["A=b"]), ("copy", 5), ("requirements", 5)],
)
def test_value_of_a_wrong_type_is_told_by_its_field(field: str, value: Any) -> None:
    found = problems_of(ImageSpec(**{"base_image": "debian", field: value}))
    assert [problem.field for problem in found] == [field]


def test_cudnn_alone_is_refused() -> None:
    assert _refused(ImageSpec(cudnn="8", python_version="3.11")) == ["cudnn"]


@pytest.mark.parametrize(
    "value", ["pandas", "-r x.txt", "-rx.txt", "--requirement=x.txt", "-e .", "--editable=.", "'"]
)
def test_extra_argument_that_is_no_option_is_refused(value: str) -> None:
    assert "pip_extra_args" in _refused(_spec(packages=["x"], pip_extra_args=value))


def test_secret_mount_that_nothing_reads_is_warned_about() -> None:
    spec = _spec(pip_secret_mounts=[("file.txt", "/root/.netrc")])
    assert _warned(spec) == [("pip_secret_mounts", None)]


def test_channels_without_packages_are_warned_about() -> None:
    assert _warned(_spec(conda_channels=["x"])) == [("conda_channels", None)]


def test_new_python_without_flytekit_is_warned_about() -> None:
    assert _warned(_spec(python_version="3.11")) == [("python_version", None)]


def test_new_python_with_flytekit_is_not_warned_about() -> None:
    assert _warned(_spec(python_version="3.11", packages=["flytekit"])) == []


def test_conda_packages_without_python_version_are_warned_about() -> None:
    assert _warned(_spec(conda_packages=["numpy"])) == [("conda_packages", None)]


def test_other_builder_is_warned_about() -> None:
    assert _warned(_spec(builder="default")) == [("builder", None)]


def test_variable_with_a_login_in_its_url_is_warned_about() -> None:
    env = {"DATABASE": "postgres://u:secret@h.test/db", "PLAIN": "https://h.test"}
    assert _warned(_spec(env=env)) == [("env", "DATABASE")]


def test_variable_with_a_login_in_one_of_several_urls_is_warned_about() -> None:
    env = {"PIP_EXTRA_INDEX_URL": "https://a.test https://u:secret@h.test/simple"}
    assert _warned(_spec(env=env)) == [("env", "PIP_EXTRA_INDEX_URL")]


def test_pythonpath_without_roots_folder_is_warned_about() -> None:
    assert _warned(_spec(env={"PYTHONPATH": "/src"})) == [("env", "PYTHONPATH")]


def test_spec_without_mistakes_is_not_warned_about() -> None:
    assert _warned(_spec(packages=["x"], env={"PYTHONPATH": "/root:/src"})) == []


def test_two_secrets_in_one_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter22")
    pair = (str(tmp_path / "secret"), "/root/.netrc")
    problems = _problems("pip_secret_mounts", [pair, pair])
    assert ["two files" in problem.message for problem in problems] == [True]
