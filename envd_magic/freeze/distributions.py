"""Installed distributions: which one a module is from, and whether an index has it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envd_magic.freeze.places import owner_by_folder
from envd_magic.spec.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: Roots of what a kernel and its front end need, and a task does not.
KERNEL = frozenset(
    {
        "envd-magic",
        "ipykernel",
        "ipython",
        "ipywidgets",
        "jupyter",
        "jupyter-client",
        "jupyter-console",
        "jupyter-core",
        "jupyter-server",
        "jupyterlab",
        "jupyterlab-widgets",
        "nbclient",
        "nbconvert",
        "nbformat",
        "notebook",
        "notebook-shim",
        "widgetsnbextension",
    }
)
#: What makes an environment, and is in every one.
_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "distribute"})


@dataclass(frozen=True)
class Dist:
    """An installed distribution.

    Parameters
    ----------
    name
        As it calls itself.
    version
        Its version.
    special
        Why an index may not have it, in words; "" if it came from one.
    needs
        Canonical names of what it needs.
    folder
        Where its code is, if it is editable.
    """

    name: str
    version: str
    special: str = ""
    needs: frozenset[str] = field(default=frozenset(), compare=False)
    folder: Path | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """Its canonical name."""
        return str(canonicalize_name(self.name))

    @property
    def pin(self) -> str:
        """Exactly this version."""
        return f"{self.name}=={self.version}"


def installed() -> dict[str, Dist]:
    """Give all distributions of this interpreter, by their canonical names."""
    return {
        key: Dist(
            one.metadata["Name"],
            one.version,
            _twice(one, others) or special(one),
            frozenset(_needs(one)),
            _folder(one),
        )
        for key, (one, *others) in _every().items()
    }


def _distributions() -> dict[str, metadata.Distribution]:
    return {key: found[0] for key, found in _every().items()}


def _every() -> dict[str, list[metadata.Distribution]]:
    """Give all distributions by name; the first one on the path is what is imported."""
    found: dict[str, list[metadata.Distribution]] = {}
    for one in metadata.distributions():
        try:
            name, version = one.metadata["Name"], one.metadata["Version"]
        except (FileNotFoundError, KeyError, TypeError, UnicodeDecodeError):
            continue  # what a broken removal left
        if name and version:
            found.setdefault(str(canonicalize_name(name)), []).append(one)
    return found


def _twice(one: metadata.Distribution, others: Iterable[metadata.Distribution]) -> str:
    """Say that a folder has records of several versions, as an upgrade that was cut off leaves."""
    place = getattr(one, "_path", None)
    beside = {other.version for other in others if _parent(other) == _parent(one)} - {one.version}
    if place is None or not beside:
        return ""
    versions = " and ".join(sorted({one.version, *beside}))
    name = one.metadata["Name"]
    return (
        f"its folder has records of {versions}, and which one is there is not known; "
        f"pip install --force-reinstall {name} mends that"
    )


def _parent(one: metadata.Distribution) -> Path:
    return Path(str(getattr(one, "_path", ""))).parent


def _needs(one: metadata.Distribution) -> Iterable[str]:
    for line in one.requires or ():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield str(canonicalize_name(requirement.name))


_EDITABLE = "installed from a folder as editable; source_root or copy can take its code along"


def special(one: metadata.Distribution) -> str:
    """Say how a distribution came here, if not from an index: "" if it did."""
    try:
        Version(one.metadata["Version"])
        Requirement(one.metadata["Name"])
    except (InvalidVersion, InvalidRequirement):
        return f"no requirement can name its version, {one.metadata['Version']!r}"
    if (one.read_text("INSTALLER") or "").strip() == "conda":
        # It writes the folders of its own build there.
        return ""
    text = one.read_text("direct_url.json")
    if text is None:
        return _unrecorded(one)
    try:
        found: dict[str, Any] = json.loads(text)
        return _direct(found, one.metadata["Name"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its direct_url.json is broken"


def _direct(found: dict[str, Any], name: str) -> str:
    """Read https://packaging.python.org/en/latest/specifications/direct-url/."""
    url = Secrets().mask(str(found["url"]))
    if vcs := found.get("vcs_info"):
        kind, commit = vcs["vcs"], vcs["commit_id"]
        return f"installed from version control: {name} @ {kind}+{url}@{commit}"
    if (folder := found.get("dir_info")) is not None:
        if folder.get("editable"):
            return _EDITABLE
        return "installed from a folder; copy and commands can install it in the image"
    if url.startswith("file:"):
        return f"installed from a file, {url.rpartition('/')[2]}"
    return f"installed from a URL: {name} @ {url}"


def _folder(one: metadata.Distribution) -> Path | None:
    """Give where the code of an editable distribution is."""
    try:
        found = json.loads(one.read_text("direct_url.json") or "{}")
        if not found.get("dir_info", {}).get("editable"):
            return None
        return Path(url2pathname(urlsplit(found["url"]).path)).resolve()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _unrecorded(one: metadata.Distribution) -> str:
    """Find what `setup.py develop` left: the folder of the code itself is on the path."""
    place = getattr(one, "_path", None)
    if place is None or Path(str(place)).suffix != ".egg-info":
        return ""
    beside = Path(str(place)).parent
    if any((beside / name).exists() for name in ("setup.py", "pyproject.toml")):
        return _EDITABLE
    return ""


def owners(modules: Mapping[str, set[str]], dists: Mapping[str, Dist]) -> dict[str, list[str]]:
    """Give the canonical names of the distributions that modules are from.

    Parameters
    ----------
    modules
        First names, each with all that is imported below it: several distributions may share a
        first name (``google.cloud.storage``, ``google.auth``).
    dists
        What is installed: an editable distribution lists no modules, they are in its folder.
    """
    listed = _listed(modules)
    folders = {key: one.folder for key, one in dists.items() if one.folder is not None}
    found: dict[str, list[str]] = {}
    for first, dotted in modules.items():
        own = {m: key for m in dotted if (key := owner_by_folder(m, folders))} if folders else {}
        left = {m for m in dotted if not any(f"{m}.".startswith(f"{one}.") for one in own)}
        known = listed.get(first, {}) if left else {}
        keys = [*own.values(), *(known if len(known) < 2 else _sharing(known, left))]  # noqa: PLR2004
        found[first] = list(dict.fromkeys(keys))
    return found


def _listed(firsts: Mapping[str, object]) -> dict[str, dict[str, set[str]]]:
    """Give which distributions list modules of these first names, each with all of its modules."""
    found: dict[str, dict[str, set[str]]] = {}
    for key, one in _distributions().items():
        modules = set(_modules(one))
        told = set((one.read_text("top_level.txt") or "").split())
        for first in (told | {name.partition(".")[0] for name in modules}) & firsts.keys():
            found.setdefault(first, {})[key] = modules
    return found


def _modules(one: metadata.Distribution) -> Iterator[str]:
    """Give the modules that a distribution lists, with dots."""
    for path in _files(one):
        folder, _, file = path.rpartition("/")
        stem, dot, rest = file.partition(".")
        if dot and rest.endswith(("py", "so", "pyd")) and "." not in folder:
            parts = [part for part in (*folder.split("/"), stem) if part]
            if all(part.isidentifier() for part in parts):
                yield ".".join(parts[:-1] if stem == "__init__" else parts)


def _files(one: metadata.Distribution) -> Iterable[str]:
    # `one.files` makes an object of each: three times as slow.
    record = one.read_text("RECORD")
    if record is None:
        return [str(path) for path in one.files or ()]
    return [line.partition(",")[0].strip('"') for line in record.splitlines()]


def _sharing(known: Mapping[str, set[str]], dotted: set[str]) -> list[str]:
    """Of distributions that share a first name, give those that have what is imported."""
    chosen: dict[str, None] = {}
    for module in dotted:
        # `a.b` of `from a import b` may be no module: then `a` itself counts.
        for name in (module, module.rpartition(".")[0]):
            if having := [key for key, modules in known.items() if name and name in modules]:
                chosen |= dict.fromkeys(having)
                break
    return list(chosen)


def without_kernel(dists: Mapping[str, Dist]) -> dict[str, Dist]:
    """Leave out what is there for the kernel and its front end only."""
    roots = [key for key in dists if is_kernels(key)]
    kernels = _reach(dists, roots)
    # Tasks need flytekit, whoever else does.
    others = [key for key in dists if key not in kernels or key == "flytekit"]
    kept = _reach(dists, others) - set(roots) - _TOOLS
    return {key: dist for key, dist in dists.items() if key in kept}


def is_kernels(key: str) -> bool:
    """Is it one that only a kernel or a front end uses?"""
    return key in KERNEL or key.startswith("jupyter-")


def _reach(dists: Mapping[str, Dist], start: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        key = waiting.pop()
        if key in dists and key not in found:
            found.add(key)
            waiting += dists[key].needs
    return found


def here() -> str:
    """Give the version of this Python, as ImageSpec has it."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
