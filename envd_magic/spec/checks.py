"""Is a value of a field what the field takes? Pure functions, one a kind of value.

Every check takes the field's name and its value and yields what is wrong. A value that is None
is never checked. What reaches a shell or a program further down is checked against the grammar of
what it claims to be, so that nothing depends on escaping alone.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from envd_magic.spec.names import INSTALLERS, unknown
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import is_small, read_file
from envd_magic.spec.requirement import requirement_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# https://www.debian.org/doc/debian-policy/ch-controlfields.html (Source, Version), with apt's
# own `:architecture`, `=version` and `/release`. A trailing "-" would make apt remove a package.
_APT = re.compile(
    r"[a-z0-9][a-z0-9+.\-]*[a-z0-9+](:[a-z0-9]([a-z0-9\-]*[a-z0-9])?)?"
    r"(=[0-9A-Za-z]([0-9A-Za-z.+:~\-]*[0-9A-Za-z.+~])?|/[a-z0-9]([a-z0-9.\-]*[a-z0-9])?)?"
)
# https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# https://github.com/distribution/reference/blob/main/regexp.go
_REPOSITORY_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:{_DOMAIN}/)?{_REPOSITORY_PART}(?:/{_REPOSITORY_PART})*"
    r"(?::[\w][\w.\-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_TAG = re.compile(r"\w[\w.\-]{0,127}", re.ASCII)
_PLATFORM = re.compile(r"linux/[a-z0-9]+(/v[0-9]+)?")
_PYTHON_VERSION = re.compile(r"3(\.[0-9]+){0,2}")
_CUDA_VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,2}")
# https://docs.conda.io/projects/conda/en/latest/user-guide/concepts/pkg-specs.html, the forms
# that a command line takes without a shell's help.
_CONDA = re.compile(
    r"([A-Za-z0-9_][A-Za-z0-9_.\-/]*::)?[A-Za-z0-9_][A-Za-z0-9_.\-]*"
    r"( ?[=<>!~]=? ?[A-Za-z0-9_.*+!,|<>=~\-]+|"
    r" [0-9*][A-Za-z0-9_.*+!,|<>=~\-]*( [A-Za-z0-9_.*\-]+)?)?"
)
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/]*")

_UNREADABLE = "is larger than 64 MB, or none that lies on a disk"


def text(field: str, value: Any) -> Iterator[Problem]:
    """A string without what no file or program can take (NUL, lone surrogates)."""
    if not isinstance(value, str):
        yield Problem(
            field, f"expected text, got {type(value).__name__} {value!r}; put it in quotes"
        )
        return
    yield from _characters(field, value, None)


def _characters(field: str, value: str, item: str | None) -> Iterator[Problem]:
    if "\0" in value:
        yield Problem(field, "has a NUL character, which no program can be given", item)
    try:
        value.encode()
    except UnicodeEncodeError:
        yield Problem(field, "is not valid Unicode (it has half of a surrogate pair)", item)


def texts(field: str, value: Any) -> Iterator[Problem]:
    """A list of strings."""
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        yield Problem(field, f"expected a list of strings, got {value!r}")
        return
    for item in value:
        if isinstance(item, str):
            yield from _characters(field, item, item)
        else:
            yield Problem(field, "expected text", repr(item))


def _each(field: str, value: Any, wrong: re.Pattern[str], expected: str) -> Iterator[Problem]:
    if found := list(texts(field, value)):
        yield from found
        return
    for item in value:
        if not wrong.fullmatch(item):
            yield Problem(field, expected, item)


def packages(field: str, value: Any) -> Iterator[Problem]:
    """Python requirements: PEP 508, or a bare URL as pip takes it."""
    if found := list(texts(field, value)):
        yield from found
        return
    for item in value:
        if why := requirement_problem(item):
            yield Problem(field, why, item)


def apt_packages(field: str, value: Any) -> Iterator[Problem]:
    """Debian packages, each with `=version` or `/release` if wanted."""
    yield from _each(
        field,
        value,
        _APT,
        "is no Debian package; expected 'name', 'name=version' or 'name/release'",
    )


def conda_packages(field: str, value: Any) -> Iterator[Problem]:
    """Conda match specifications."""
    yield from _each(
        field, value, _CONDA, "is no conda package; expected for example 'numpy' or 'numpy=2.1'"
    )


def conda_channels(field: str, value: Any) -> Iterator[Problem]:
    """Names of conda channels, or their URLs."""
    if found := list(texts(field, value)):
        yield from found
        return
    for item in value:
        if not _CHANNEL_NAME.fullmatch(item) and (url_problem(item) or re.search("[\"'`$]", item)):
            yield Problem(field, "is no conda channel; expected a name or a URL", item)


def env(field: str, value: Any) -> Iterator[Problem]:
    """Variables: names that a shell can export, values that are text."""
    if not isinstance(value, dict):
        yield Problem(field, f"expected a mapping of names to values, got {value!r}")
        return
    for name, content in value.items():
        if not isinstance(name, str) or not _ENV_NAME.fullmatch(name):
            yield Problem(
                field, "is no name of a variable; expected letters, digits and _", str(name)
            )
        elif not isinstance(content, str):
            yield Problem(
                field, f"expected text, got {type(content).__name__}; put it in quotes", name
            )
        elif name == "_F_IMG_ID":
            yield Problem(field, "is set by the build to the spec's id; leave it out", name)
        else:
            yield from _characters(field, content, name)


def url_problem(value: str) -> str | None:
    """Say why `value` is no URL of an index, or None if it is one."""
    if re.search(r"[\s\"<>\\^`{|}]", value) or not value.isprintable():
        return "is no URL: it has characters that belong in no URL"
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    if parts.scheme == "file" and parts.hostname in (None, "localhost") and parts.path[:1] == "/":
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is no URL of a package index; expected https://…, http://… or file:///…"
    return None


def index(field: str, value: Any) -> Iterator[Problem]:
    """The URL of a package index."""
    if found := list(text(field, value)):
        yield from found
    elif value and (why := url_problem(value)):
        yield Problem(field, why)


def indexes(field: str, value: Any) -> Iterator[Problem]:
    """URLs of package indexes."""
    if found := list(texts(field, value)):
        yield from found
        return
    for item in value:
        if why := url_problem(item):
            yield Problem(field, why, item)


def _there(path: str | Path, question: Callable[[Path], bool]) -> bool:
    """Ask about a path; a text that can be none (too long, say) is nowhere."""
    try:
        return question(Path(path))
    except (OSError, ValueError):
        return False


def copied_paths(field: str, value: Any) -> Iterator[Problem]:
    """Files and folders below the current folder, which are there."""
    if found := list(texts(field, value)):
        yield from found
        return
    for item in value:
        path = PurePosixPath(item)
        if path.is_absolute() or ".." in path.parts:
            yield Problem(
                field, "expected a path below the current folder, with no '..' in it", item
            )
        elif not item or not _there(item, Path.exists):
            yield Problem(field, f"is not there (looked in {Path.cwd()})", item)
        elif not _there(item, lambda found: found.is_file() or found.is_dir()):
            yield Problem(field, "is neither a file nor a folder", item)


def existing_file(field: str, value: Any) -> Iterator[Problem]:
    """A file that can be read."""
    if found := list(text(field, str(value) if isinstance(value, Path) else value)):
        yield from found
    elif not _there(value, Path.is_file):
        yield Problem(field, f"there is no file {str(value)!r} (looked in {Path.cwd()})")
    elif not is_small(value):
        yield Problem(field, f"{str(value)!r} {_UNREADABLE}")


def existing_folder(field: str, value: Any) -> Iterator[Problem]:
    """A folder."""
    if found := list(text(field, str(value) if isinstance(value, Path) else value)):
        yield from found
    elif not _there(value, Path.is_dir):
        yield Problem(field, f"there is no folder {str(value)!r} (looked in {Path.cwd()})")
    elif _there(value, lambda path: path.resolve() in (Path("/"), Path("/proc"), Path("/sys"))):
        yield Problem(field, f"{str(value)!r} holds all of a machine; expected a project's folder")


def registry_config(field: str, value: Any) -> Iterator[Problem]:
    """A JSON file as `envd bootstrap --registry-config` reads it."""
    if found := list(existing_file(field, value)):
        yield from found
        return
    try:
        content = json.loads(read_file(value).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        yield Problem(field, f"{str(value)!r} is no JSON: {error}")
        return
    registries = content.get("registries") if isinstance(content, dict) else None
    if not isinstance(registries, list):
        yield Problem(field, f'{str(value)!r} has no list "registries"')
        return
    for number, entry in enumerate(registries):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            yield Problem(field, 'an entry needs a "name"', f"registries {number}")
            continue
        for key in ("ca", "cert", "key"):
            if entry.get(key) and not _there(str(entry[key]), Path.is_file):
                yield Problem(field, f'"{key}": there is no file {entry[key]!r}', entry["name"])


def secret_mounts(field: str, value: Any) -> Iterator[Problem]:
    """Pairs of a file here and an absolute path in the build."""
    if not isinstance(value, (list, tuple)):
        yield Problem(field, f"expected a list of (source, target), got {type(value).__name__}")
        return
    targets: set[str] = set()
    for pair in value:
        if not isinstance(pair, (list, tuple)) or [type(part) for part in pair] != [str, str]:
            yield Problem(field, "expected a pair of strings (source, target)", repr(pair))
            continue
        source, target = pair
        if not _there(source, Path.is_file):
            yield Problem(field, f"there is no file (looked in {Path.cwd()})", source)
        elif not is_small(source):
            yield Problem(field, _UNREADABLE, source)
        path = PurePosixPath(target)
        if not path.is_absolute() or ".." in path.parts or target.endswith("/"):
            yield Problem(field, "expected an absolute path of a file as the target", target)
        if str(path) in targets:
            yield Problem(field, "is the target of two files", target)
        targets.add(str(path))
        yield from _characters(field, target, target)


def image(field: str, value: Any) -> Iterator[Problem]:
    """The name of an image, as Docker writes it (an ImageSpec is checked by itself)."""
    if not isinstance(value, str):
        if not hasattr(value, "image_name"):
            yield Problem(field, f"expected the name of an image or an ImageSpec, got {value!r}")
        return
    if not _REFERENCE.fullmatch(value):
        yield Problem(field, f"{value!r} is no image; expected [registry/]name[:tag][@digest]")


def image_name(field: str, value: Any) -> Iterator[Problem]:
    """The name part of an image."""
    if found := list(text(field, value)):
        yield from found
    elif not re.fullmatch(rf"{_REPOSITORY_PART}(?:/{_REPOSITORY_PART})*", value):
        yield Problem(
            field, f"{value!r} is no image name; expected lower-case letters, digits, '-', '_', '.'"
        )


def tag_format(field: str, value: Any) -> Iterator[Problem]:
    """A format with the one name {spec_hash} that gives a tag."""
    if found := list(text(field, value)):
        yield from found
        return
    try:
        # A width could ask for a gigabyte, an attribute for anything.
        for _, name, form, conversion in Formatter().parse(value):
            if name is not None and (name != "spec_hash" or form or conversion):
                raise ValueError(f"{name!r} is no plain {{spec_hash}}")
        tag = value.format(spec_hash="0123456789abcdefghij_A")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        yield Problem(
            field, f"{value!r} cannot be filled in ({error}); it knows {{spec_hash}} only"
        )
        return
    if not _TAG.fullmatch(tag):
        yield Problem(field, f"{value!r} gives {tag!r}, which is no tag (letters, digits, _ . -)")


def platforms(field: str, value: Any) -> Iterator[Problem]:
    """One or several platforms with commas between them."""
    if found := list(text(field, value)):
        yield from found
        return
    seen: set[str] = set()
    for item in split_platforms(value):
        if not _PLATFORM.fullmatch(item):
            yield Problem(field, "is no platform; expected for example linux/amd64", item)
        if item in seen:
            yield Problem(field, "is named twice", item)
        seen.add(item)


def split_platforms(value: str | None) -> list[str]:
    """Platforms from the text of the field: ``"linux/amd64, linux/arm64"`` gives both."""
    return [part.strip() for part in (value or "linux/amd64").split(",")]


def python_version(field: str, value: Any) -> Iterator[Problem]:
    """A version of Python 3, as text (YAML reads 3.10 as the number 3.1)."""
    if not isinstance(value, str):
        yield Problem(field, f"expected text as '3.11', got {value!r}; put it in quotes")
    elif not _PYTHON_VERSION.fullmatch(value):
        yield Problem(field, f"{value!r} is no version of Python 3; expected for example '3.11'")


def cuda_version(field: str, value: Any) -> Iterator[Problem]:
    """A version of CUDA or cuDNN."""
    if not isinstance(value, str) or not _CUDA_VERSION.fullmatch(value):
        yield Problem(field, f"{value!r} is no version; expected text as '11.8'")


def builder_options(field: str, value: Any) -> Iterator[Problem]:
    """The options that this builder knows."""
    if not isinstance(value, dict):
        yield Problem(field, f"expected a mapping, got {value!r}")
        return
    for name, content in value.items():
        if name != "installer":
            yield Problem(field, unknown("option", str(name), ["installer"]), str(name))
        elif content not in INSTALLERS:
            message = unknown("installer", str(content), INSTALLERS)
            yield Problem(field, message, "installer")


def mapping(field: str, value: Any) -> Iterator[Problem]:
    """Anything that has names and values."""
    if not isinstance(value, dict):
        yield Problem(field, f"expected a mapping, got {value!r}")
