"""A requirements file is read as pip reads it, and what cannot be honoured is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from envd_magic.errors import SpecError
from envd_magic.spec.problems import Problem
from envd_magic.spec.requirements import Requirements, read_requirements


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _read(text: str | bytes, **others: str) -> Requirements:
    content = text.encode() if isinstance(text, str) else text
    Path("r.txt").write_bytes(content)
    for name, other in others.items():
        Path(f"{name}.txt").write_text(other)
    return read_requirements("r.txt")


def _lines(text: str | bytes) -> list[str]:
    return _read(text).files["requirements.txt"].splitlines()


def _problems(text: str | bytes, **others: str) -> tuple[Problem, ...]:
    with pytest.raises(SpecError) as caught:
        _read(text, **others)
    return caught.value.problems


def test_markers_stay_as_they_are() -> None:
    line = "attrs>=23 ; python_version < '3.13' and os_name == \"posix\""
    assert _lines(line) == [line]


def test_extras_stay_as_they_are() -> None:
    assert _lines("attrs[tests, dev]==23.1\n") == ["attrs[tests, dev]==23.1"]


def test_lines_of_comments_are_left_out() -> None:
    assert _lines("# first\nattrs\n   # second\n\npandas\n") == ["attrs", "pandas"]


def test_inline_comment_takes_nothing_after_its_line_away() -> None:
    assert _lines("attrs # why\npandas\t# too\nnumpy\n") == ["attrs", "pandas", "numpy"]


def test_fragment_of_a_url_is_no_comment() -> None:
    line = "git+https://h.test/r.git@main#egg=r"
    assert _lines(line) == [line]


def test_hashes_on_continued_lines_stay_with_their_requirement() -> None:
    found = _read("attrs==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\npandas==2\n")
    first, second = found.files["requirements.txt"].splitlines()
    assert first.split() == ["attrs==1", "--hash=sha256:aa", "--hash=sha256:bb"]
    assert second == "pandas==2"


def test_file_with_hashes_is_known_as_such() -> None:
    assert _read("attrs==1 --hash=sha256:aa\n").hashed


def test_file_without_hashes_is_known_as_such() -> None:
    assert not _read("attrs==1\n").hashed


def test_demand_for_hashes_counts_as_hashes() -> None:
    assert _read("--require-hashes\nattrs==1\n").hashed


def test_comment_ends_a_continuation() -> None:
    assert _lines("attrs \\\n# why\npandas\n") == ["attrs", "pandas"]


def test_continuation_at_the_end_of_the_file_is_no_loss() -> None:
    assert _lines("attrs \\") == ["attrs"]


def test_byte_order_mark_is_no_part_of_the_first_requirement() -> None:
    assert _lines(b"\xef\xbb\xbfattrs\n") == ["attrs"]


def test_lines_may_end_as_windows_ends_them() -> None:
    assert _lines(b"attrs \\\r\n  >=23\r\npandas\r\n") == ["attrs   >=23", "pandas"]


def test_last_line_needs_no_end() -> None:
    assert _lines("attrs\npandas") == ["attrs", "pandas"]


def test_file_of_nothing_asks_for_nothing() -> None:
    assert _lines("") == []


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "-rother.txt",
        "--requirement other.txt",
        "--requirement=other.txt",
        "-r 'other.txt'",
        "-r ./other.txt # why",
    ],
)
def test_nested_file_goes_along(line: str) -> None:
    found = _read(f"attrs\n{line}\n", other="pandas\n")
    assert found.files == {
        "requirements.txt": "attrs\n-r requirements-2.txt\n",
        "requirements-2.txt": "pandas\n",
    }


@pytest.mark.parametrize(
    "line", ["-c other.txt", "-cother.txt", "--constraint other.txt", "--constraint=other.txt"]
)
def test_constraints_stay_constraints(line: str) -> None:
    found = _read(f"attrs\n{line}\n", other="attrs<24\n")
    assert found.files["requirements.txt"] == "attrs\n-c requirements-2.txt\n"
    assert found.files["requirements-2.txt"] == "attrs<24\n"


@pytest.mark.parametrize("name", ["a folder/b c.txt", "'a folder/b c.txt'", r"a\ folder/b\ c.txt"])
def test_nested_file_may_lie_in_a_folder_with_spaces(name: str) -> None:
    Path("a folder").mkdir()
    Path("a folder/b c.txt").write_text("pandas\n")
    assert _read(f"-r {name}\n").files["requirements-2.txt"] == "pandas\n"


def test_nested_file_is_looked_for_beside_the_file_that_names_it() -> None:
    Path("sub").mkdir()
    Path("sub/one.txt").write_text("-r two.txt\n")
    Path("sub/two.txt").write_text("pandas\n")
    assert "pandas\n" in _read("-r sub/one.txt\n").files.values()


def test_main_file_is_the_one_that_was_named() -> None:
    assert _read("-r other.txt\nattrs\n", other="pandas\n").main == "requirements.txt"


def test_file_that_two_name_is_there_once() -> None:
    found = _read("-r other.txt\n-c other.txt\n", other="pandas\n")
    assert found.files["requirements.txt"] == "-r requirements-2.txt\n-c requirements-2.txt\n"
    assert len(found.files) == 2


@pytest.mark.timeout(30)
def test_files_that_name_each_other_are_read_once_each() -> None:
    found = _read("attrs\n-r other.txt\n", other="pandas\n-r r.txt\n")
    assert found.files == {
        "requirements.txt": "attrs\n-r requirements-2.txt\n",
        "requirements-2.txt": "pandas\n-r requirements.txt\n",
    }


def test_nested_file_that_is_not_there_is_named_with_its_line() -> None:
    (problem,) = _problems("attrs\n\n-r missing.txt\n")
    assert problem.item == "r.txt, line 3"
    assert "missing.txt" in problem.message


def test_mistake_in_a_nested_file_is_named_with_its_own_line() -> None:
    (problem,) = _problems("-r other.txt\n", other="attrs\nnot a requirement\n")
    assert problem.item == "other.txt, line 2"


def test_mistake_after_a_continuation_is_named_with_its_first_line() -> None:
    (problem,) = _problems("attrs \\\n  >=23\nnot a \\\nrequirement\n")
    assert problem.item == "r.txt, line 3"


def test_every_mistake_of_a_file_is_told() -> None:
    found = _problems("not a requirement\nattrs\nnor this\n")
    assert [problem.item for problem in found] == ["r.txt, line 1", "r.txt, line 3"]
    assert {problem.field for problem in found} == {"requirements"}


@pytest.mark.parametrize("line", ["-e .", "-e ./folder", "--editable=../x", "-e."])
def test_editable_folder_is_refused_with_file_and_line(line: str) -> None:
    (problem,) = _problems(f"attrs\n{line}\n")
    assert problem.item == "r.txt, line 2"
    assert "editable" in problem.message


@pytest.mark.parametrize(
    "line", [".", "./folder", "../x", "/opt/x", "wheels/x-1.0-py3-none-any.whl"]
)
def test_path_on_this_machine_is_refused_with_file_and_line(line: str) -> None:
    (problem,) = _problems(f"attrs\n{line}\n")
    assert problem.item == "r.txt, line 2"
    assert line in problem.message


def test_wheel_beside_the_file_is_refused_with_file_and_line() -> None:
    # pip takes the name of an archive for a file, never for a project.
    (problem,) = _problems("attrs\nx-1.0-py3-none-any.whl\n")
    assert problem.item == "r.txt, line 2"


def test_editable_repository_is_left_to_pip() -> None:
    found = _read("-e git+https://h.test/r.git#egg=r\n")
    assert found.files["requirements.txt"] == "-e git+https://h.test/r.git#egg=r\n"
    assert found.pip_only == "r.txt, line 1: --editable"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://h.test/simple",
        "-i https://h.test/simple",
        "--extra-index-url=https://h.test/simple",
        "--find-links https://h.test/wheels",
        "--find-links=/opt/wheels",
        "--no-index",
        "--no-binary :all:",
        "--only-binary=numpy",
    ],
)
def test_option_that_uv_reads_too_stays(line: str) -> None:
    found = _read(f"{line}\nattrs\n")
    assert found.files["requirements.txt"] == f"{line}\nattrs\n"
    assert found.pip_only is None


@pytest.mark.parametrize("line", ["--pre", "--prefer-binary", "--trusted-host h.test"])
def test_option_that_only_pip_reads_is_left_to_pip(line: str) -> None:
    found = _read(f"attrs\n{line}\n")
    assert found.pip_only == f"r.txt, line 2: {line.split(maxsplit=1)[0]}"


def test_options_of_one_requirement_are_left_to_pip() -> None:
    assert _read("attrs --config-settings=a=b\n").pip_only is not None


@pytest.mark.parametrize("line", ["--upgrade", "-U", "--target=/x", "-x"])
def test_what_is_no_option_of_a_requirements_file_is_refused(line: str) -> None:
    (problem,) = _problems(f"attrs\n{line}\n")
    assert problem.item == "r.txt, line 2"
    assert line in problem.message


@pytest.mark.parametrize("line", ["-f wheels", "--find-links ./wheels", "--find-links=wheels"])
def test_folder_of_wheels_on_this_machine_is_refused(line: str) -> None:
    (problem,) = _problems(f"{line}\n")
    assert problem.item == "r.txt, line 1"


def test_file_at_a_url_is_left_to_pip() -> None:
    found = _read("-r https://h.test/r.txt\n")
    assert found.files["requirements.txt"] == "-r https://h.test/r.txt\n"
    assert found.pip_only is not None


def test_lock_file_of_uv_is_refused_with_what_to_do() -> None:
    Path("uv.lock").write_text("version = 1\n")
    with pytest.raises(SpecError, match="uv export"):
        read_requirements("uv.lock")


@pytest.mark.parametrize("name", ["poetry.lock", "pyproject.toml", "Pipfile", "Pipfile.lock"])
def test_file_of_another_tool_is_refused(name: str) -> None:
    Path(name).write_text("")
    with pytest.raises(SpecError, match="no requirements file"):
        read_requirements(name)


def test_file_that_is_no_text_is_refused() -> None:
    (problem,) = _problems(b"attrs\n\xff\xfe\n")
    assert problem.item == "r.txt"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://u:hunter22@h.test/simple",
        "--index-url=https://u:hunter22@h.test/simple",
        "-i 'https://u:hunter22@h.test/simple'",
        "--extra-index-url=https://u:hunter22@h.test/simple",
        "--find-links=https://u:hunter22@h.test/wheels",
        "x @ https://u:hunter22@h.test/x.whl",
        "x@https://u:hunter22@h.test/x.whl",
        "git+https://u:hunter22@h.test/r.git",
        "https://u:hunter22@h.test/x.whl ; os_name == 'posix'",
        "-r https://u:hunter22@h.test/r.txt",
    ],
)
def test_login_in_a_url_is_found(line: str) -> None:
    found = _read(f"attrs\n{line}\n").credentials
    assert len(found) == 1
    assert "u:hunter22@h.test" in found[0]


def test_login_in_a_nested_file_is_found() -> None:
    assert _read("-r other.txt\n", other="-i https://u:hunter22@h.test/\n").credentials


def test_token_in_place_of_a_login_is_found() -> None:
    assert _read("git+https://hunter22@h.test/r.git\n").credentials


def test_user_of_ssh_is_no_secret() -> None:
    assert _read("git+ssh://git@h.test/r.git\n").credentials == []


def test_login_in_a_comment_is_left_out() -> None:
    found = _read("attrs # https://u:hunter22@h.test/\n")
    assert found.credentials == []
    assert "hunter22" not in found.files["requirements.txt"]


def test_names_are_those_asked_for_and_not_those_of_constraints() -> None:
    found = _read(
        "Attrs[x]>=1 ; python_version > '3'\n-c limits.txt\n-r more.txt\nhttps://h.test/x.zip\n",
        limits="idna==3\n",
        more="six\n",
    )
    assert found.names == ["Attrs", "six", None]


def test_index_that_is_no_url_is_refused() -> None:
    (problem,) = _problems("attrs\n-i ./simple\n")
    assert "line 2" in str(problem)


def test_index_may_have_variables_in_it() -> None:
    line = "--index-url https://${USER}:${TOKEN}@h.test/simple"
    assert _lines(line) == [line]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding_as_for_pip(tmp_path: Path, encoding: str) -> None:
    # PowerShell's `pip freeze > requirements.txt` writes UTF-16.
    path = tmp_path / "r.txt"
    path.write_bytes("six==1.16.0\r\nattrs\r\n".encode(encoding))
    assert read_requirements(path).files == {"requirements.txt": "six==1.16.0\nattrs\n"}


def test_a_file_that_is_not_utf_8_is_told_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_bytes("# gr\xf6\xdfe\nsix\n".encode("latin-1"))
    with pytest.raises(SpecError, match=r"is not UTF-8, at byte 4; save it as UTF-8"):
        read_requirements(path)
