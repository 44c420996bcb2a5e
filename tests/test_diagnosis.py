"""Why a build failed: on the exception, in the result, and never in the failure's way."""

from __future__ import annotations

import json
import pickle
import time
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import BuildError, EngineError, SpecError, build, last_result
from envd_magic.diagnosis import diagnose as module
from envd_magic.diagnosis.ask import Ask, Offer
from envd_magic.diagnosis.diagnose import diagnose
from envd_magic.diagnosis.edits import fixed
from envd_magic.diagnosis.model import UNKNOWN, Change, Diagnosis, Failure, Fix
from envd_magic.diagnosis.online import Online
from envd_magic.pipeline.as_json import result_from_json, result_to_json
from envd_magic.pipeline.events import Output, StepFailed
from envd_magic.pipeline.witness import Witness
from envd_magic.spec.secrets import Secrets
from envd_magic.view.failed import failure_card
from envd_magic.view.text import card_text

from .indexes import broken, list_packages, sdist, served, wheel

if TYPE_CHECKING:
    from pathlib import Path

FOUND = Diagnosis(
    "package-missing",
    "packages",
    "pandsa",
    "there is no package 'pandsa' in the index",
    ("ERROR: No matching distribution found for pandsa",),
    (
        Fix("take 'pandas'", (Change("packages", "replace", "pandas", 0),)),
        Fix("log in", command="docker login"),
    ),
    certain=True,
)


def step_failed(*lines: str, field: str = "packages", message: str = "The step failed") -> Failure:
    return Failure(("BuildError",), message, "Building", "a step", field, lines)


def test_a_diagnosis_comes_back_from_json_and_pickle_as_it_was() -> None:
    assert Diagnosis.from_json(json.loads(json.dumps(FOUND.to_json()))) == FOUND
    assert pickle.loads(pickle.dumps(FOUND)) == FOUND  # noqa: S301


def test_it_is_said_in_one_line() -> None:
    assert str(FOUND) == "packages['pandsa']: there is no package 'pandsa' in the index"
    likely = Diagnosis("x", "packages", None, "it is old")
    assert str(likely) == "packages: probably it is old"


def test_what_no_rule_knows_is_unknown_and_shows_the_lines_that_tell() -> None:
    noise = [f"working on {n}" for n in range(50)]
    lines = ["gremlin: error 77: the flux is out", *noise, "bye"]
    found = diagnose(ImageSpec(name="a", conda_packages=["x"]), step_failed(*lines, field="x"))
    assert found.kind == UNKNOWN
    assert not found.certain
    assert found.evidence[0] == lines[0]
    assert found.evidence[-1] == "bye"


def test_an_item_that_holds_a_secret_is_told_without_it() -> None:
    item = "tools @ https://me:sesame-4711@h.test/tools-1-py3-none-any.whl"
    spec = ImageSpec(name="a", packages=[item])
    said = (
        "HTTP status client error (404 Not Found) for url (https://h.test/tools-1-py3-none-any.whl)"
    )
    masked = said.replace("://h", "://me:****@h")
    for line in (said, masked):
        found = diagnose(spec, step_failed(line))
        assert "sesame" not in repr(found)


def test_a_change_that_would_tell_a_secret_is_left_to_the_user() -> None:
    spec = ImageSpec(
        name="a",
        packages=["pandsa @ https://me:sesame-4711@h.test/pandsa-1.tar.gz"],
    )
    lines = "Because pandsa was not found in the package registry and you require pandsa"
    found = diagnose(spec, step_failed(lines))
    assert found.fixes
    assert "sesame" not in repr(found)


def test_output_of_a_flood_takes_no_memory() -> None:
    witness = Witness()
    for number in range(5000):
        witness(Output(f"#4 0.1 line {number} {'x' * 200}\n"))
    witness(Output("#4 0.2 fatal error: zlib.h: No such file or directory\n"))
    witness(StepFailed(4, "install", "executor failed running [x", "packages", 1, ("bye",)))
    failure = witness.failure(("BuildError",), "The step failed")
    assert len("".join(failure.lines)) < 200_000
    assert failure.lines[-1].startswith("fatal error: zlib.h")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("field", ["packages", "apt_packages", "commands", "base_image", ""])
@pytest.mark.parametrize("piece", ["a", "/x", "' ", "x depends on y ", "sh: x: not found\n"])
def test_whatever_a_step_prints_is_read_in_no_time(field: str, piece: str) -> None:
    lines = (piece * (120_000 // len(piece))).splitlines()
    found = diagnose(ImageSpec(name="a", packages=["x"]), step_failed(*lines, field=field))
    assert found.kind


def test_rules_that_break_hide_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a rule is wrong")

    monkeypatch.setattr(module, "rules_for", broken)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as caught:
        build(ImageSpec(name="a", base_image="a:1"))
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.kind == UNKNOWN
    assert "No Docker engine answers" in caught.value.diagnosis.cause


def test_a_refused_spec_is_diagnosed_too() -> None:
    with pytest.raises(SpecError) as caught:
        build(ImageSpec(name="a", base_image=ImageSpec(name="b", base_image="x:1", copy=["gone"])))
    found = caught.value.diagnosis
    assert found is not None
    assert (found.kind, found.field, found.item) == ("copy-missing", "base_image.copy", "gone")
    result = last_result()
    assert result is not None
    assert result.diagnosis == found


def test_each_thing_that_is_refused_is_told_once() -> None:
    spec = ImageSpec(name="a", base_image="x:1", packages=["tabulate>="], env={"1ST": "x"})
    with pytest.raises(SpecError) as caught:
        build(spec)
    shown = card_text(failure_card(caught.value, spec, Secrets(), last_result()))
    assert shown.count("is no Python requirement") == 1
    assert shown.count("is no name of a variable") == 1


def test_the_exception_keeps_its_diagnosis_over_a_pickle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError) as caught:
        build(ImageSpec(name="a", base_image="a:1"))
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(copy) == str(caught.value)
    assert copy.diagnosis == caught.value.diagnosis
    assert copy.diagnosis.kind == "engine-down"


def test_a_result_has_its_diagnosis_over_json(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        build(ImageSpec(name="No Name", base_image="x:1"))
    result = last_result()
    assert result is not None
    again = result_from_json(json.loads(json.dumps(result_to_json(result))))
    assert again.diagnosis == result.diagnosis
    assert again.diagnosis is not None
    assert again.diagnosis.fixes[0].changes == (Change("name", "set", "no-name"),)


def missing(spec: ImageSpec, name: str) -> Diagnosis:
    """What is said where pip finds nothing of a name, and an index may be asked."""
    line = f"Could not find a version that satisfies the requirement {name} (from versions: none)"
    return diagnose(spec, step_failed(f"ERROR: {line}"), Online(seconds=5))


def test_an_index_tells_whether_there_is_a_package(tmp_path: Path) -> None:
    wheel(tmp_path, "trainer-tools", "1.0")
    wheel(tmp_path, "for-windows", "1.0", tag="cp311-cp311-win_amd64")
    wheel(tmp_path, "for-later", "1.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    list_packages(tmp_path)
    with served(tmp_path) as port:
        spec = ImageSpec(
            name="a",
            packages=["trainertools", "for-windows", "for-later"],
            pip_index=f"http://127.0.0.1:{port}/",
        )
        typo = missing(spec, "trainertools")
        assert (typo.kind, typo.certain) == ("package-missing", True)
        assert typo.fixes[0].changes[0].value == "trainer-tools"
        assert missing(spec, "for-windows").kind == "platform-unsupported"
        later = missing(spec, "for-later")
        assert later.kind == "python-unsupported"
        assert later.fixes[0].changes == (Change("python_version", "set", "3.13"),)


def test_an_index_that_is_not_there_tells_nothing() -> None:
    spec = ImageSpec(name="a", packages=["x1"], pip_index="http://127.0.0.1:9/")
    found = missing(spec, "x1")
    assert (found.kind, found.certain) == ("package-missing", False)


def test_an_index_that_wants_another_login_says_so_where_pip_does_not(tmp_path: Path) -> None:
    wheel(tmp_path, "x1", "1.0")
    with served(tmp_path, "me:sesame") as port:
        url = f"http://me:guessed-wrong@127.0.0.1:{port}/"
        found = missing(ImageSpec(name="a", packages=["x1"], pip_index=url), "x1")
    assert (found.kind, found.field, found.certain) == ("index-login", "pip_index", True)
    assert "guessed" not in repr(found)


def test_an_index_that_does_not_answer_is_doubted() -> None:
    url = "http://127.0.0.1:9/simple"
    spec = ImageSpec(name="a", packages=["x1"], pip_index=url, pip_extra_args="--retries 0")
    found = missing(spec, "x1")
    assert (found.kind, found.field, found.certain) == ("index-unreachable", "pip_index", False)
    assert found.fixes[0].changes == (Change("pip_index", "set", None),)


def test_an_index_that_uv_does_not_name_is_asked(tmp_path: Path) -> None:
    wheel(tmp_path, "x1", "1.0")
    with served(tmp_path, "me:sesame") as port:
        url = f"http://me:guessed@127.0.0.1:{port}/"
        spec = ImageSpec(name="a", packages=["x1"], pip_extra_index_url=[url])
        line = "Because x1 was not found in the package registry and you require x1"
        found = diagnose(spec, step_failed(line), Online(seconds=5))
    assert (found.kind, found.field) == ("index-login", "pip_extra_index_url")


def test_an_index_that_breaks_is_told() -> None:
    with broken() as port:
        url = f"http://127.0.0.1:{port}/simple"
        found = missing(ImageSpec(name="a", packages=["x1"], pip_extra_index_url=[url]), "x1")
    assert (found.kind, found.item) == ("index-broken", url)
    assert f"127.0.0.1:{port} answers with an error of its own (500)" in found.cause
    assert found.fixes[0].changes == (Change("pip_extra_index_url", "remove", None, 0),)


def test_an_address_where_no_index_is_is_doubted(tmp_path: Path) -> None:
    wheel(tmp_path, "x1", "1.0")
    list_packages(tmp_path)
    with served(tmp_path) as port:
        url = f"http://127.0.0.1:{port}/typo/simple/"
        found = missing(ImageSpec(name="a", packages=["x1"], pip_index=url), "x1")
    assert (found.kind, found.field, found.certain) == ("index-address", "pip_index", False)
    assert found.fixes[0].changes == (Change("pip_index", "set", url.replace("typo/simple/", "")),)


def test_a_package_of_source_alone_is_told_where_wheels_are_asked_for(tmp_path: Path) -> None:
    sdist(tmp_path, "x1", "1.0", {"setup.py": ""})
    with served(tmp_path) as port:
        spec = ImageSpec(
            name="a",
            packages=["x1"],
            pip_index=f"http://127.0.0.1:{port}/",
            pip_extra_args="--only-binary :all:",
        )
        found = missing(spec, "x1")
    assert (found.kind, found.field) == ("wheel-missing", "pip_extra_args")
    assert found.fixes[0].changes == (Change("pip_extra_args", "add", "--no-binary x1"),)


def test_what_comes_with_python_is_left_out() -> None:
    found = missing(ImageSpec(name="a", packages=["sqlite3"]), "sqlite3")
    assert [fix.text for fix in found.fixes] == ["leave 'sqlite3' out: it comes with Python"]


def test_a_list_of_packages_that_is_too_long_is_not_taken_for_one(tmp_path: Path) -> None:
    links = "".join(f'<a href="p{n}/">p{n}</a>\n' for n in range(150_000))
    (tmp_path / "index.html").write_text(links)
    with served(tmp_path) as port:
        assert Online().packages(f"http://127.0.0.1:{port}") == ()


def test_nobody_is_asked_when_the_time_is_over(tmp_path: Path) -> None:
    wheel(tmp_path, "trainer-tools", "1.0")
    list_packages(tmp_path)
    with served(tmp_path) as port:
        ask = Online(seconds=0)
        assert ask.packages(f"http://127.0.0.1:{port}/") == ()
        assert ask.offers(f"http://127.0.0.1:{port}/", "trainer-tools") is None
        assert ask.tags(f"127.0.0.1:{port}/x:1") == ()


def test_a_server_that_never_answers_takes_a_moment_once() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        ask = Online(seconds=1)
        began = time.monotonic()
        assert ask.packages(url) == ()
        assert ask.offers(url, "x") is None
        assert ask.offers(url, "y") is None
        assert time.monotonic() - began < 3


def test_the_names_that_people_confuse_are_known() -> None:
    from envd_magic.diagnosis.kept.python import module_distribution

    assert module_distribution("sklearn.svm") == "scikit-learn"
    assert module_distribution("cv2") == "opencv-python-headless"
    assert module_distribution("pandas") == "pandas"
    assert module_distribution("json") is None
    assert module_distribution("nobody_made_this") is None


@pytest.mark.parametrize(
    ("what", "package"),
    [
        ("Python.h", "python3-dev"),
        ("openssl/ssl.h", "libssl-dev"),
        ("libpq-fe.h", "libpq-dev"),
    ],
)
def test_the_package_of_a_header_is_known(what: str, package: str) -> None:
    from envd_magic.diagnosis.kept.debian import header_package

    assert header_package(what) == package


def test_packages_have_other_names_elsewhere() -> None:
    from envd_magic.diagnosis.kept.debian import renamed_package

    assert renamed_package("openssl-devel") == "libssl-dev"
    assert renamed_package("libffi-devel") == "libffi-dev"
    assert renamed_package("libgl1-mesa-glx") == "libgl1"
    assert renamed_package("git") is None


def test_a_step_that_fails_is_told_by_its_exception(lab: object) -> None:
    spec = ImageSpec(name="told", commands=["true", "nosuchthing --now"])
    with pytest.raises(BuildError) as caught:
        build(spec)
    found = caught.value.diagnosis
    assert found is not None
    assert (found.kind, found.item) == ("program-missing", "nosuchthing --now")
    result = last_result()
    assert result is not None
    assert result.diagnosis == found
    assert pickle.loads(pickle.dumps(caught.value)).diagnosis == found  # noqa: S301


@pytest.mark.parametrize(
    ("versions", "first"), [(["1.0"], "leave 'x1' out"), (["1.0", "2.0"], "take 'x1==1.0'")]
)
def test_of_a_broken_file_another_version_is_taken_if_there_is_one(
    tmp_path: Path, versions: list[str], first: str
) -> None:
    for version in versions:
        wheel(tmp_path, "x1", version)
    with served(tmp_path) as port:
        spec = ImageSpec(name="a", packages=["x1"], pip_index=f"http://127.0.0.1:{port}/")
        line = f"Because x1=={versions[-1]} has an invalid package format and only x1 is available"
        found = diagnose(spec, step_failed(line), Online(seconds=5))
    assert found.kind == "download-broken"
    assert found.fixes[0].text.startswith(first)


def test_pip_names_who_does_not_go_together_though_the_conflict_is_deeper() -> None:
    said = "ERROR: Cannot install free, loose and pinned because these package versions have "
    lines = (
        f"{said}conflicting dependencies.",
        "The conflict is caused by:",
        "    one 1.0 depends on core<2",
        "    two 1.0 depends on core>=2",
    )
    spec = ImageSpec(name="a", packages=["other==1", "loose", "pinned[x]==1.0"])
    found = diagnose(spec, step_failed(*lines))
    assert (found.kind, found.item) == ("conflict", "pinned[x]==1.0")
    assert found.fixes[0].changes == (Change("packages", "replace", "pinned[x]", 2),)


def test_the_same_proxy_in_capitals_and_not_is_left_out_at_once() -> None:
    url = "http://127.0.0.1:9"
    env = {"HTTPS_PROXY": url, "https_proxy": url, "SEED": "1"}
    line = (
        "WARNING: Retrying (Retry(total=1)) after connection broken by 'ProxyError('Cannot connect "
        "to proxy.')': /simple/six/"
    )
    found = diagnose(ImageSpec(name="a", packages=["six"], env=env), step_failed(line))
    assert found.field == "env"
    assert {one.at for one in found.fixes[0].changes} == {"HTTPS_PROXY", "https_proxy"}


def test_what_python_has_by_itself_is_left_out() -> None:
    line = "error: command 'gcc' failed: No such file or directory"
    spec = ImageSpec(name="a", packages=["backports.zoneinfo==0.2.1"])
    found = diagnose(spec, step_failed(line))
    assert found.fixes[0].text == ("leave 'backports.zoneinfo==0.2.1' out: Python has it by itself")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("openjdk-11-jre-headless", "default-jre-headless"),
        ("openjdk-16-jdk", "default-jdk"),
        ("libgl1-mesa-glxx", "libgl1"),
    ],
)
def test_a_debian_package_of_another_release_or_misspelt(name: str, meant: str) -> None:
    line = f"E: Unable to locate package {name}"
    spec = ImageSpec(name="a", apt_packages=["tree", name])
    found = diagnose(spec, step_failed(line, field="apt_packages"))
    assert found.fixes[0].changes == (Change("apt_packages", "replace", meant, 1),)


class _Torches(Ask):
    """An index in which each version has wheels for other Pythons."""

    def offers(self, index: str, package: str) -> list[Offer]:
        del index, package
        wheels = [("1.8.0", "38"), ("1.8.0", "39"), ("1.13.1", "311"), ("2.5.0", "311")]
        end = "manylinux1_x86_64.whl"
        return [Offer(f"torch-{version}-cp{py}-cp{py}-{end}") for version, py in wheels]

    def default_index(self) -> str:
        return "https://index.test/simple/"


def test_a_version_without_a_wheel_for_this_python_gives_way_to_the_closest_with_one() -> None:
    why = "torch==1.8.0 has no wheels with a matching Python ABI tag (e.g., `cp311`)"
    lines = (
        "envd_magic: uv finds no way: Using Python 3.11.2 environment at: /usr",
        f"Because {why} and you require torch==1.8.0, your requirements are unsatisfiable.",
    )
    spec = ImageSpec(name="a", packages=["torch==1.8.0"])
    found = diagnose(spec, step_failed(*lines), _Torches())
    assert found.kind == "python-unsupported"
    assert [fix.changes for fix in found.fixes[:2]] == [
        (Change("packages", "replace", "torch==1.13.1", 0),),
        # One that has the version that was asked for, and not the one that is there.
        (Change("python_version", "set", "3.8"),),
    ]


@pytest.mark.parametrize("field", ["packages", "apt_packages", "commands"])
def test_a_base_without_bash_is_told_whatever_step_is_the_first(field: str) -> None:
    line = (
        'runc run failed: unable to start container process: exec: "bash": executable file not '
        "found in $PATH"
    )
    fields = {"packages": ["six"], "apt_packages": ["zip"], "commands": ["true"]}
    found = diagnose(ImageSpec(name="a", **{field: fields[field]}), step_failed(line, field=field))
    assert (found.kind, found.field) == ("shell-missing", "base_image")


class _Tags(Ask):
    def tags(self, image: str) -> list[str]:
        del image
        return ["localhost:5000/lab/python:3.11"]


def test_in_place_of_a_digest_that_is_not_there_a_tag_is_offered() -> None:
    base = f"localhost:5000/lab/python@sha256:{'0' * 64}"
    message = f"{base}: manifest unknown"
    failure = Failure(("BaseImageError",), message, "Looking at the base image")
    found = diagnose(ImageSpec(name="a", base_image=base), failure, _Tags())
    assert found.fixes[0].changes == (
        Change("base_image", "set", "localhost:5000/lab/python:3.11"),
    )


def test_what_the_spec_has_already_is_not_offered() -> None:
    line = "bash: line 3: zip: command not found"
    spec = ImageSpec(name="a", apt_packages=["zip"], commands=["zip -v"])
    assert diagnose(spec, step_failed(line, field="commands")).fixes == ()


def test_what_a_repository_or_an_address_has_not_is_told() -> None:
    item = "tiny @ git+http://h.test/t.git@nosuch"
    spec = ImageSpec(name="a", packages=["six", item, "arch @ http://h.test/arch-1.tar.gz"])
    begin = "error: Failed to download and build `tiny @ git+http://h.test/t.git@nosuch`"
    gone = ("  cause: failed to fetch branch or tag `nosuch`", "fatal: couldn't find remote ref x")
    found = diagnose(spec, step_failed(begin, *gone))
    assert (found.kind, found.item) == ("revision-missing", item)
    assert found.fixes[0].changes == (
        Change("packages", "replace", "tiny @ git+http://h.test/t.git", 1),
    )
    line = "  cause: The source distribution `git+http://h.test/t.git` has no subdirectory `nope`"
    found = diagnose(spec, step_failed(begin, line))
    assert (found.item, found.cause) == (item, "the source has no folder 'nope'")
    begin = "error: Failed to download and build `arch @ http://h.test/arch-1.tar.gz`"
    line = "  cause: Failed to extract archive: arch @ http://h.test/arch-1.tar.gz"
    found = diagnose(spec, step_failed(begin, line, "  cause: Invalid gzip header"))
    assert (found.kind, found.item) == ("download-broken", "arch @ http://h.test/arch-1.tar.gz")


@pytest.mark.parametrize(
    ("given", "line", "meant"),
    [
        ("--no-dep", "ambiguous option: --no-dep (--no-dependencies, --no-deps?)", "--no-deps"),
        ("--timeout", "option --timeout: invalid floating-point value: '-r'", None),
        ("--timeout", "--timeout option requires 1 argument", None),
    ],
)
def test_an_option_that_the_installer_does_not_take(
    given: str, line: str, meant: str | None
) -> None:
    spec = ImageSpec(name="a", packages=["six"], pip_extra_args=given)
    found = diagnose(spec, step_failed(line))
    assert (found.kind, found.field) == ("installer-option", "pip_extra_args")
    assert fixed(spec, found.fixes[0]).pip_extra_args == meant


def test_a_file_that_an_option_names_is_told() -> None:
    spec = ImageSpec(name="a", packages=["six"], pip_extra_args="-c constraints.txt")
    found = diagnose(spec, step_failed("error: File not found: constraints.txt"))
    assert found.field == "pip_extra_args"
    assert "no file 'constraints.txt'" in found.cause
    assert "-c constraints.txt" in found.fixes[0].text


@pytest.mark.parametrize(
    "line",
    [
        "error: Distribution not found at: file:///home/conda/x/work",
        "ERROR: Could not install: [Errno 2] No such file or directory: '/home/conda/x/work'",
    ],
)
def test_what_condas_pip_freeze_writes_is_taken_from_the_index(line: str) -> None:
    spec = ImageSpec(name="a", packages=["attrs", "six @ file:///home/conda/x/work"])
    found = diagnose(spec, step_failed(line))
    assert (found.kind, found.item) == ("file-not-there", "six @ file:///home/conda/x/work")
    assert fixed(spec, found.fixes[0]).packages == ["attrs", "six"]
