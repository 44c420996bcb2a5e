"""Why a command failed: what shells and programs say last, and what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.diagnosis.diagnose import diagnose
from envd_magic.diagnosis.edits import fixed
from envd_magic.diagnosis.model import Diagnosis, Failure

if TYPE_CHECKING:
    from pathlib import Path

_TRY = "try the command by hand; what is installed before it is not in the base image"


def found(command: str, *lines: str, code: int = 1) -> Diagnosis:
    """Diagnose a command that failed behind one that did not."""
    said = (*lines, f"(command 2 of 2 ended with exit code {code})")
    message = f"The step 'run 2 commands' failed (exit code {code})"
    failure = Failure(("BuildError",), message, "Building", "run", "commands", said)
    spec = ImageSpec(name="x", commands=["true", command])
    one = diagnose(spec, failure)
    assert (one.field, one.item) == ("commands", command)
    return one


@pytest.mark.parametrize(
    ("command", "line", "kind", "meant"),
    [
        (
            "mkdir /opt/app/data",
            "mkdir: cannot create directory '/opt/app/data': No such file or directory",
            "folder-missing",
            "mkdir -p /opt/app/data",
        ),
        (
            "mkdir /etc",
            "mkdir: cannot create directory \u2018/etc\u2019: File exists",
            "already-there",
            "mkdir -p /etc",
        ),
        (
            "echo x > /opt/no/file.txt",
            "bash: line 12: /opt/no/file.txt: No such file or directory",
            "folder-missing",
            "mkdir -p /opt/no && echo x > /opt/no/file.txt",
        ),
        (
            "date | tee /var/none/x.log",
            "tee: /var/none/x.log: No such file or directory",
            "folder-missing",
            "mkdir -p /var/none && date | tee /var/none/x.log",
        ),
        (
            "touch /srv/a/b",
            "touch: cannot touch '/srv/a/b': No such file or directory",
            "folder-missing",
            "mkdir -p /srv/a && touch /srv/a/b",
        ),
        (
            "cp /etc/passwd /opt/q/",
            "cp: cannot create regular file '/opt/q/': Not a directory",
            "folder-missing",
            "mkdir -p /opt/q && cp /etc/passwd /opt/q/",
        ),
        (
            "ln -s /bin/sh /opt/tools/sh",
            "ln: failed to create symbolic link '/opt/tools/sh': No such file or directory",
            "folder-missing",
            "mkdir -p /opt/tools && ln -s /bin/sh /opt/tools/sh",
        ),
        (
            "tar -xf /root/a.tar -C /opt/zz",
            "tar: /opt/zz: Cannot open: No such file or directory",
            "folder-missing",
            "mkdir -p /opt/zz && tar -xf /root/a.tar -C /opt/zz",
        ),
        (
            "chown -R app:app /root",
            "chown: invalid user: \u2018app:app\u2019",
            "user-missing",
            "useradd --create-home app && chown -R app:app /root",
        ),
        (
            "su app -c true",
            "su: user app does not exist or the user entry does not contain all of it",
            "user-missing",
            "useradd --create-home app && su app -c true",
        ),
    ],
)
def test_what_is_missing_is_made_before(command: str, line: str, kind: str, meant: str) -> None:
    one = found(command, "working", line)
    assert one.kind == kind
    spec = ImageSpec(name="x", commands=["true", command])
    assert fixed(spec, one.fixes[0]).commands == ["true", meant]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("cp /etc/none /opt/x", "cp: cannot stat '/etc/none': No such file or directory"),
        ("cat /data/in.csv > /n", "cat: /data/in.csv: No such file or directory"),
        ("tar -xf /a/b.tar", "tar: /a/b.tar: Cannot open: No such file or directory"),
    ],
)
def test_a_file_that_is_read_is_not_made(command: str, line: str) -> None:
    assert found(command, line).kind == "file-missing"


def test_what_a_program_says_last_is_in_the_sentence() -> None:
    one = found("useradd root", "useradd: user 'root' already exists", code=9)
    assert one.cause == ("the command ended with exit code 9: useradd: user 'root' already exists")
    assert [fix.text for fix in one.fixes] == [_TRY]


@pytest.mark.parametrize("line", ["all is well", "WARNING: old pip", "note: take care"])
def test_what_is_no_reason_is_not_in_the_sentence(line: str) -> None:
    assert found("grep -q x /y", line).cause == "the command ended with exit code 1"


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (124, "the time that `timeout` gave it was up"),
        (134, "SIGABRT: it gave up by itself"),
        (139, "SIGSEGV: compiled code crashed"),
        (153, "SIGXFSZ: a file became larger than it may be"),
    ],
)
def test_what_an_exit_code_means_is_told(code: int, meaning: str) -> None:
    assert found("./run", code=code).cause == (
        f"the command ended with exit code {code} ({meaning})"
    )


def test_a_file_that_may_not_be_run_leaves_something_to_try() -> None:
    one = found("/etc/passwd", "bash: line 4: /etc/passwd: Permission denied", code=126)
    assert one.kind == "permission-denied"
    assert [fix.text for fix in one.fixes] == [_TRY]


def test_what_opencv_wants_is_told_at_once() -> None:
    line = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    failure = Failure(("BuildError",), "failed", "Building", "run", "commands", (line,))
    spec = ImageSpec(name="x", packages=["opencv-python"], commands=["python -c 'import cv2'"])
    made = fixed(spec, diagnose(spec, failure).fixes[0])
    assert made.apt_packages == ["libgl1", "libglib2.0-0"]


def test_a_version_that_pip_does_not_find_in_a_command() -> None:
    said = "ERROR: Could not find a version that satisfies the requirement six==99 "
    one = found("pip install -q six==99 attrs", f"{said}(from versions: 1.16.0, 1.17.0)")
    assert one.kind == "version-missing"
    assert one.cause.endswith("no version of six that fits ==99; the index has 1.16.0, 1.17.0")
    spec = ImageSpec(name="x", commands=["true", "pip install -q six==99 attrs"])
    made = fixed(spec, one.fixes[0])
    assert made.commands == ["true", "pip install -q six==1.17.0 attrs"]


def test_a_module_that_is_here_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "helpers.py").touch()
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "__init__.py").touch()
    for name, copied in (("helpers", "helpers.py"), ("yaml.own", "yaml")):
        one = found("python /root/app.py", f"ModuleNotFoundError: No module named '{name}'")
        spec = ImageSpec(name="x", copy=["app.py"], commands=["true", "python /root/app.py"])
        assert fixed(spec, one.fixes[0]).copy == ["app.py", copied]


def test_a_quote_that_is_left_open_is_told() -> None:
    line = "bash: -c: line 14: unexpected EOF while looking for matching `''"
    assert "does not understand the command: unexpected EOF" in found("echo 'open", line).cause


@pytest.mark.parametrize(
    ("first", "text", "apt"),
    [
        ("#!/usr/bin/zsh -e", "add zsh to apt_packages", ["zsh"]),
        ("#!/usr/bin/env -S ruby", "add ruby to apt_packages", ["ruby"]),
        ("#!/opt/own/tool", "name a program that the image has in the first line of run", None),
        ("#!/bin/bash\r", "let the lines of run end as Unix ends them", None),
    ],
)
def test_the_first_line_of_a_script_tells_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, text: str, apt: list[str] | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").write_bytes(f"{first}\necho hi\n".encode())
    line = "bash: line 3: /root/run: cannot execute: required file not found"
    one = found("/root/run --all", line, code=127)
    assert one.fixes[0].text.startswith(text)
    spec = ImageSpec(name="x", commands=["true", "/root/run --all"])
    assert fixed(spec, one.fixes[0]).apt_packages == apt


@pytest.mark.parametrize(
    ("command", "name", "meant"),
    [
        ("sudo -E apt-get update && sudo ls", "sudo", "apt-get update && ls"),
        ("RUN echo hi", "RUN", "echo hi"),
    ],
)
def test_a_word_that_has_no_place_in_a_command(command: str, name: str, meant: str) -> None:
    one = found(command, f"bash: line 4: {name}: command not found", code=127)
    spec = ImageSpec(name="x", commands=["true", command])
    assert fixed(spec, one.fixes[0]).commands == ["true", meant]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("yum", "install it with apt_packages"),
        ("systemctl", "start it in the entrypoint"),
        ("conda", "name its packages in conda_packages"),
        ("COPY", "name the file in copy"),
    ],
)
def test_a_program_that_builds_do_without(name: str, advice: str) -> None:
    one = found(f"{name} x", f"bash: line 4: {name}: command not found", code=127)
    assert one.fixes[0].text.startswith(advice)
    assert len(one.fixes) == 1
