"""Installed distributions: which one a module is from, and whether an index has it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envd_magic.spec.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    """

    name: str
    version: str
    special: str = ""
    needs: frozenset[str] = field(default=frozenset(), compare=False)

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
    found: dict[str, Dist] = {}
    for one in metadata.distributions():
        try:
            name = one.metadata["Name"]
        except (FileNotFoundError, KeyError, TypeError):
            name = None  # what a broken removal left
        # The first one on the path is what is imported.
        if name and one.version:
            dist = Dist(name, one.version, special(one), frozenset(_needs(one)))
            found.setdefault(dist.key, dist)
    return found


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


def _unrecorded(one: metadata.Distribution) -> str:
    """Find what `setup.py develop` left: the folder of the code itself is on the path."""
    place = getattr(one, "_path", None)
    if place is None or Path(str(place)).suffix != ".egg-info":
        return ""
    beside = Path(str(place)).parent
    if any((beside / name).exists() for name in ("setup.py", "pyproject.toml")):
        return _EDITABLE
    return ""


def owners(modules: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Give the canonical names of the distributions that modules are from.

    Parameters
    ----------
    modules
        First names, each with all that is imported below it: several distributions may share a
        first name (``google.cloud.storage``, ``google.auth``).
    """
    known = metadata.packages_distributions()
    found: dict[str, list[str]] = {}
    for first, dotted in modules.items():
        names = list(dict.fromkeys(known.get(first, ())))
        if len(names) > 1:
            names = _sharing(names, dotted)
        found[first] = [str(canonicalize_name(name)) for name in names]
    return found


def _sharing(names: list[str], dotted: set[str]) -> list[str]:
    """Of distributions that share a first name, give those that have what is imported."""
    chosen: dict[str, None] = {}
    files = {name: _files(name) for name in names}
    for module in dotted:
        path = module.replace(".", "/")
        # `a.b` of `from a import b` may be no module: then `a` itself counts.
        for known in (path, path.rpartition("/")[0]):
            having = [
                name
                for name in names
                if known and files[name] & {f"{known}.py", f"{known}/__init__.py"}
            ]
            if having:
                chosen |= dict.fromkeys(having)
                break
    return list(chosen)


def _files(name: str) -> set[str]:
    return {str(path) for path in metadata.files(name) or ()}


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
