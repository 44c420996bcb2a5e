"""A second look: what an index, a registry or the user's own files say of a failure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes import indexes, requirements
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.offers import files_of, index_used, is_for_platform, is_wheel, pythons_of
from envd_magic.diagnosis.rule import Rule, of
from envd_magic.diagnosis.view import groups
from envd_magic.spec.tag import copies_source, source_filter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.rule import PlaceOf
    from envd_magic.diagnosis.view import Place, View

_ONCE = re.compile(r"--retries[ =]0\b")


def unavailable(view: View, match: re.Match[str], place: Place, ask: Ask) -> Rule | None:
    """Ask the index why it gives nothing: no such package, or files for others only."""
    return index_at_fault(view, match, place, ask) or _for_others(view, match, place, ask)


def index_at_fault(view: View, match: re.Match[str], _place: Place, ask: Ask) -> Rule | None:
    """Ask whether the spec's indexes are such, and answer: some installers do not tell."""
    return _refusing(view, match, ask) or _wrong_address(view, match, ask)


def _refusing(view: View, match: re.Match[str], ask: Ask) -> Rule | None:
    """Ask the spec's indexes whether they answer at all."""
    name = match["name"]
    for one in view.indexes():
        if ask.denies(one.url, name):
            cause = "the index wants a login, or does not take the one that it is given"
            return Rule("index-login", "", cause, _stays(one.place), (indexes.add_login,))
        if status := ask.breaks(one.url, name):
            cause = f"the index at {{host}} answers with an error of its own ({status})"
            fixes = (indexes.without_index, indexes.check_index)
            return Rule("index-broken", "", cause, _stays(one.place), fixes)
        # pip tells of silence where it tries again, and not where it may not.
        once = _ONCE.search(view.spec.pip_extra_args or "")
        if once and one.place.field == "pip_index" and ask.is_silent(one.url):
            cause = "the index at {host} does not answer"
            fixes = (indexes.without_index, indexes.check_index)
            return Rule("index-unreachable", "", cause, _stays(one.place), fixes, certain=False)
    return None


def _for_others(view: View, match: re.Match[str], place: Place, ask: Ask) -> Rule | None:
    """Ask the index what it has of a package."""
    name = match["name"]
    index = index_used(view, ask)
    answer = ask.offers(index, name) if index else None
    found = files_of(view, name, ask)
    if answer is None and not found:
        return None
    kept = (requirements.close_name, requirements.drop_item)
    if not found:
        cause = "there is no package '{name}' in the index"
        return Rule("package-missing", "", cause, _stays(place), kept)
    if "--only-binary" in (view.spec.pip_extra_args or "") and not any(map(is_wheel, found)):
        cause = "{name} has no wheel, and pip_extra_args asks for wheels alone"
        ways = (requirements.from_source, requirements.drop_item)
        return Rule("wheel-missing", "", cause, of("pip_extra_args"), ways)
    if not any(is_for_platform(one, view.platform) for one in found):
        cause = "{name} has no wheel for the image's platform ({platform})"
        fixes = (requirements.platform_for, requirements.other_version, requirements.drop_item)
        return Rule("platform-unsupported", "", cause, _stays(place), fixes)
    if pythons := pythons_of(found, view.platform):
        cause = f"{{name}} has no wheel for the image's Python, but for {', '.join(pythons)}"
        fixes_ = (requirements.python_for, requirements.other_version)
        return Rule("python-unsupported", "", cause, _stays(place), fixes_)
    return None


def _wrong_address(view: View, match: re.Match[str], ask: Ask) -> Rule | None:
    """Ask whether there is an index at all where the spec says so."""
    own = view.spec.pip_index
    others = [one for one in view.indexes() if one.url != own]
    if not own or others or ask.is_index(own) is not False or ask.offers(own, match["name"]):
        return None
    cause = "there is no package '{name}' at the address in pip_index, nor a list of packages"
    fixes = (indexes.close_index, indexes.check_index, indexes.without_index)
    return Rule("index-address", "", cause, of("pip_index"), fixes, certain=False)


def _stays(place: Place) -> PlaceOf:
    return lambda _view, _match: place


def base_elsewhere(view: View, _match: re.Match[str], place: Place, ask: Ask) -> Rule | None:
    """Ask the registry whether it has the image under other tags."""
    tags = ask.tags(view.base)
    if not tags:
        return None
    from envd_magic.diagnosis.fixes.images import close_image

    cause = "there is no base image {base}; the repository has other tags"
    return Rule("base-missing", "", cause, _stays(place), (close_image,))


def ignored_file(view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Rule | None:
    """Look whether an ignore file keeps the file out of the image."""
    inner = _inner(match)
    if not copies_source(view.spec) or inner.startswith("/"):
        return None
    root = Path(view.spec.source_root).resolve()
    if not (root / inner).is_file() or not source_filter(root).is_ignored(str(root / inner)):
        return None
    cause = "an ignore file in source_root keeps {what} out of the image"
    return Rule("copy-ignored", "", cause, of("source_root"), (_take_in_again, _copy_beside))


def _inner(match: re.Match[str]) -> str:
    return groups(match)["what"].removeprefix("/root/")


def _take_in_again(view: View, match: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the ignore file take the file in again."""
    names = (".dockerignore", ".gitignore")
    files = [name for name in names if Path(view.spec.source_root, name).is_file()]
    where = Path(view.spec.source_root, files[-1] if files else names[0]).as_posix()
    yield Fix(f"let {where} take it in again: add the line !{_inner(match)}")


def _copy_beside(view: View, match: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Copy the file by itself: no ignore file counts for that."""
    inner = _inner(match)
    if Path(view.spec.source_root).resolve() == Path.cwd():
        yield Fix(f"add {inner!r} to copy, for which no ignore file counts", (_add_copy(inner),))


def _add_copy(path: str) -> Change:
    return Change("copy", "add", path)
