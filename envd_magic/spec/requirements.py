"""A requirements file, with the files that it names, read into a value.

The format is pip's: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from envd_magic.errors import SpecError
from envd_magic.spec.checks import url_problem
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import decoded, read_file
from envd_magic.spec.requirement import requirement_name, requirement_problem
from envd_magic.spec.secrets import has_login, urls_in

FIELD = "requirements"

# As pip finds them: a comment starts the line or follows white space.
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_NESTED = re.compile(
    r"(?:--(?P<long>requirement|constraint)(?:\s+|=)|-(?P<short>[rc])\s*)(?P<path>.+)"
)
_EDITABLE = re.compile(r"(?:--editable(?:\s+|=)|-e\s*)(?P<target>.+)")
_PER_LINE_OPTION = re.compile(r"\s--[a-z\-]+[=\s]")
# Options that uv reads in a requirements file as pip does.
_UV_KNOWS = {
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
    "--no-index",
    "--no-binary",
    "--only-binary",
}
_PIP_ONLY = {"--prefer-binary", "--pre", "--use-feature", "--trusted-host", "--require-hashes"}


@dataclass(frozen=True)
class Line:
    """Where a file has a requirement, or an option.

    Parameters
    ----------
    path
        The file.
    number
        Of the line that it begins on, from 1 on.
    text
        It, without comments, and a requirement without options of its own.
    """

    path: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.number}"


@dataclass
class Requirements:
    """What a requirements file asks for.

    Parameters
    ----------
    files
        Contents by file name, the first being the file itself; nested files are renamed, and the
        lines that name them with them.
    hashed
        True if lines carry hashes: pip then takes nothing that has none.
    own_index
        Where it names an index that takes the place of all others, or None.
    pip_only
        Why uv cannot read it as pip does, or None.
    credentials
        URLs with credentials that were found in it.
    names
        Names of what it asks for by itself, constraints left out; None for a bare URL.
    lines
        Where each requirement stands, constraints too.
    options
        Where each option stands.
    """

    files: dict[str, str] = field(default_factory=dict)
    hashed: bool = False
    own_index: str | None = None
    pip_only: str | None = None
    credentials: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    options: list[Line] = field(default_factory=list)

    @property
    def main(self) -> str:
        """Name of the file to give to the installer."""
        return next(iter(self.files))


def read_requirements(path: str | Path) -> Requirements:
    """Read a requirements file and all that it names.

    Raises
    ------
    SpecError
        If a line is none that can be honoured, or a file cannot be read.
    """
    found = Requirements()
    problems: list[Problem] = []
    _read(Path(path), found, {}, problems)
    if problems:
        raise SpecError(*problems)
    return found


def _other_kind(path: Path) -> str | None:
    """Say what to do with a file that names packages in another form, None if it may be pip's."""
    if path.suffix in (".yml", ".yaml"):
        return "what conda's has goes into conda_packages, and what is below pip into packages"
    if path.name in ("uv.lock", "poetry.lock", "pyproject.toml", "Pipfile", "Pipfile.lock"):
        how = "uv export --format requirements-txt" if path.name == "uv.lock" else "an export of it"
        return f"make one with {how} and name that"
    return None


def _is_own(path: Path) -> bool:
    """Is it a file of the project that is worked in?

    Whoever writes a notebook may name any file of whoever checks it: no line of another is told.
    """
    here = Path.cwd()
    marks = (".git", ".hg", "pyproject.toml", "setup.py")
    roots = (one for one in (here, *here.parents) if any((one / mark).exists() for mark in marks))
    return path.resolve().is_relative_to(next(roots, here))


def _without_lines(problem: Problem) -> Problem:
    """Tell where something is wrong and not what stands there."""
    return Problem(problem.field, "is none that a requirements file can have", problem.item)


def _read(path: Path, found: Requirements, names: dict[Path, str], problems: list[Problem]) -> str:
    resolved = path.resolve()
    if resolved in names:
        return names[resolved]
    name = "requirements.txt" if not names else f"requirements-{len(names) + 1}.txt"
    names[resolved] = name
    found.files[name] = ""
    if why := _other_kind(path):
        problems.append(Problem(FIELD, f"is no requirements file; {why}", str(path)))
        return name
    try:
        text = decoded(read_file(path))
    except UnicodeDecodeError as error:
        why = f"is not UTF-8, at byte {error.start}; save it as UTF-8"
        problems.append(Problem(FIELD, why, str(path)))
        return name
    except OSError as error:
        problems.append(Problem(FIELD, f"cannot be read: {error}", str(path)))
        return name
    own: list[Problem] = []
    lines = [_line(line, number, path, found, names, own) for number, line in _logical_lines(text)]
    problems += own if _is_own(path) else list(dict.fromkeys(map(_without_lines, own)))
    found.files[name] = "".join(f"{line}\n" for line in lines if line)
    return name


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Join continued lines, drop comments; with the number that each starts on."""
    lines: list[tuple[int, str]] = []
    start, joined = 1, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not joined:
            start = number
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            joined += line[:-1]
            continue
        joined += "" if comment and joined else line
        lines.append((start, _COMMENT.sub("", joined).strip()))
        joined = ""
    if joined:
        lines.append((start, _COMMENT.sub("", joined).strip()))
    return lines


def _line(  # noqa: PLR0913 - one line of a file, and all that reading it fills
    line: str,
    number: int,
    path: Path,
    found: Requirements,
    names: dict[Path, str],
    problems: list[Problem],
) -> str:
    """Check one logical line and give what stands in its place."""
    if not line:
        return ""
    where = f"{path}, line {number}"
    found.credentials += [url for url in urls_in(line) if has_login(url)]
    if nested := _NESTED.fullmatch(line):
        kind = "-r" if (nested["long"] or "r").startswith("r") and nested["short"] != "c" else "-c"
        asked = list(found.names)
        target = _nested(nested["path"], path, found, names, problems, where)
        if kind == "-c":
            found.names = asked
        return f"{kind} {target}"
    if editable := _EDITABLE.fullmatch(line):
        if problem := requirement_problem(editable["target"]):
            problems.append(Problem(FIELD, f"editable: {problem}", where))
        found.pip_only = found.pip_only or f"{where}: --editable"
        return line
    if line.startswith("-"):
        found.options.append(Line(str(path), number, line))
        _option(line, where, found, problems)
        return line
    requirement = _PER_LINE_OPTION.split(line, maxsplit=1)[0].strip()
    if "--hash" in line:
        found.hashed = True
    elif requirement != line:
        found.pip_only = found.pip_only or f"{where}: options for one requirement"
    found.names.append(requirement_name(requirement))
    found.lines.append(Line(str(path), number, requirement))
    if problem := requirement_problem(requirement):
        problems.append(Problem(FIELD, f"{requirement!r} {problem}", where))
    return line


def _nested(  # noqa: PLR0913
    target: str,
    path: Path,
    found: Requirements,
    names: dict[Path, str],
    problems: list[Problem],
    where: str,
) -> str:
    if "://" in target:
        found.pip_only = found.pip_only or f"{where}: a file at a URL"
        return target
    inner = path.parent / _unquote(target)
    if not inner.is_file():
        problems.append(Problem(FIELD, f"there is no file {str(inner)!r}", where))
        return target
    return _read(inner, found, names, problems)


def _unquote(target: str) -> str:
    if target[:1] in "\"'" and target[-1:] == target[:1]:
        return target[1:-1]
    return target.replace("\\ ", " ")


def _option(line: str, where: str, found: Requirements, problems: list[Problem]) -> None:
    try:
        words = shlex.split(line)
    except ValueError as error:
        problems.append(Problem(FIELD, f"{line!r}: {error}", where))
        return
    name = words[0].partition("=")[0]
    target = words[0].partition("=")[2] or (words[1] if len(words) > 1 else "")
    if name in ("-i", "--index-url", "--extra-index-url"):
        # pip puts variables in.
        if why := url_problem(re.sub(r"\$\{[A-Z0-9_]+\}", "x", target)):
            problems.append(Problem(FIELD, f"{line!r}: {target!r} {why}", where))
    elif name in ("-f", "--find-links") and "://" not in target and target[:1] != "/":
        problems.append(
            Problem(FIELD, f"{line!r} names a folder that the build does not have", where)
        )
    if name in ("-i", "--index-url", "--no-index"):
        found.own_index = found.own_index or f"{where}: {name}"
    if name == "--require-hashes":
        found.hashed = True
    elif name in _PIP_ONLY:
        found.pip_only = found.pip_only or f"{where}: {name}"
    elif name not in _UV_KNOWS:
        problems.append(Problem(FIELD, f"{line!r} is no option of a requirements file", where))
