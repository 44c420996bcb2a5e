"""An environment as an ImageSpec: exact versions, and what was left out and why."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envd_magic.freeze.distributions import (
    Dist,
    here,
    installed,
    is_kernels,
    owners,
    without_kernel,
)
from envd_magic.freeze.engines import engines
from envd_magic.freeze.imports import imported, installed_by, top_level
from envd_magic.freeze.places import is_beside, is_found, is_importable, is_outside

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from flytekit import ImageSpec

# Names of distributions that are called otherwise than their module, for modules that are not
# installed here; a guess by the module's name could be somebody else's package.
_KNOWN = {
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "PyYAML",
}
# Those that are called as their module is, and are used in most notebooks.
_SAME = frozenset(
    {
        "dask",
        "datasets",
        "duckdb",
        "flytekit",
        "httpx",
        "lightgbm",
        "matplotlib",
        "networkx",
        "numpy",
        "pandas",
        "plotly",
        "polars",
        "pyarrow",
        "requests",
        "scipy",
        "seaborn",
        "spacy",
        "statsmodels",
        "sympy",
        "tensorflow",
        "torch",
        "torchvision",
        "tqdm",
        "transformers",
        "xgboost",
    }
)


@dataclass(frozen=True)
class Frozen:
    """What was found.

    Parameters
    ----------
    packages
        Requirements, most with exact versions.
    notes
        What was left out, and what else the user should know.
    python
        Version of Python.
    """

    packages: tuple[str, ...]
    notes: tuple[str, ...] = ()
    python: str = ""

    def spec(self, *, python: bool = True, name: str = "frozen") -> ImageSpec:
        """Make the ImageSpec.

        Parameters
        ----------
        python
            False leaves python_version out: the base image brings the Python.
        name
            Of the image.
        """
        from flytekit import ImageSpec

        version = self.python if python else None
        return ImageSpec(name=name, packages=list(self.packages), python_version=version)


def freeze_all(imported: Frozen | None = None) -> Frozen:
    """Freeze all that is installed here, what only the kernel needs left out.

    Parameters
    ----------
    imported
        What the notebook has imported itself, which is kept, whoever else needs it.
    """
    every = installed()
    own = {_key(one) for one in imported.packages} if imported else set()
    kept = {**without_kernel(every), **{key: every[key] for key in own if key in every}}
    return _frozen(kept.values(), [])


def _key(requirement: str) -> str:
    return str(canonicalize_name(Requirement(requirement).name))


def freeze_kernel(namespace: Mapping[str, Any], history: Sequence[str]) -> Frozen:
    """Freeze what a kernel has imported at its user's wish.

    Parameters
    ----------
    namespace
        The user's variables.
    history
        The cells that were run.
    """
    modules = {name for name in imported(history) if name.partition(".")[0] in sys.modules}
    for name, value in namespace.items():
        if not name.startswith("_"):
            modules |= _module_of(value)
    return _of_modules(modules, history, is_outside)


def _module_of(value: Any) -> set[str]:
    """Give where a variable's value comes from, if it is a module, a class or a function."""
    if isinstance(value, type(sys)):
        return {value.__name__}
    if isinstance(value, type) or callable(value):
        module = getattr(value, "__module__", None)
        # What IPython itself puts into the namespace.
        if isinstance(module, str) and not module.startswith("IPython"):
            return {module}
    return set()


def freeze_sources(sources: Sequence[str]) -> Frozen:
    """Freeze what cells import, which are not run; versions are those that are installed here."""
    requirements, others = installed_by(sources)
    frozen = _of_modules(imported(sources), sources, is_beside, requirements)
    told = [f"{item} is installed by a cell, and left out: name it yourself" for item in others]
    return Frozen(frozen.packages, (*frozen.notes, *told), frozen.python)


def _of_modules(
    modules: Iterable[str],
    sources: Sequence[str],
    is_own: Callable[[str], bool],
    asked: Sequence[str] = (),
) -> Frozen:
    """Freeze what modules are from.

    Parameters
    ----------
    modules
        With dots.
    sources
        The code that needs them.
    is_own
        Is a module, by its first name, the user's own file or folder?
    asked
        Requirements that the code installs itself.
    """
    dists = installed()
    found: dict[str, Dist] = {}
    loose: dict[str, str] = {}
    notes: list[str] = []
    explicit = {_key(item): item for item in asked}
    named = top_level(modules)
    for first, keys in sorted(owners(named, dists).items()):
        if is_own(first) and not any(dists[key].folder for key in keys):
            notes.append(_own_note(first))
        elif keys:
            found |= {key: dists[key] for key in keys if not is_kernels(key)}
        elif (name := _known_name(first)) and not is_importable(first):
            loose[str(canonicalize_name(name))] = name
        elif note := _why_unknown(first, named[first], explicit):
            notes.append(note)
    for key, item in explicit.items():
        if key in dists and not is_kernels(key):
            found[key] = dists[key]
        elif not is_kernels(key):
            loose[key] = item
    if "pandas" in {*found, *loose}:
        notes += _add_engines(engines(sources), dists, found)
    notes += [
        f"{item} is not installed here: no version is known"
        for item in loose.values()
        if not Requirement(item).specifier
    ]
    return _frozen(found.values(), notes, [item for key, item in loose.items() if key not in found])


def _known_name(module: str) -> str:
    """Give what the distribution of a module is called that is not installed, "" if unknown."""
    return _KNOWN.get(module, module if module in _SAME else "")


def _own_note(module: str) -> str:
    where = "a file or folder here" if is_beside(module) else "in a folder on Python's path"
    return f"{module} is {where}: copy or source_root takes it along"


def _why_unknown(first: str, dotted: Iterable[str], explicit: Container[str]) -> str:
    """Say why it is not known which distribution a module is from, "" if the code installs it.

    Parameters
    ----------
    first
        Its first name.
    dotted
        All that is imported below that.
    explicit
        What the code installs.
    """
    if is_outside(first):
        return _own_note(first)
    if str(canonicalize_name(first)) in explicit:
        return ""
    # Of a name that others share (`google`), it is what is below that is not here.
    if is_importable(first) and not any(map(is_found, dotted)):
        missing = min(dotted, key=len)
        return f"{missing} is not installed here: which distribution it is from is not known"
    where = (
        "installed, and no distribution lists it" if is_importable(first) else "not installed here"
    )
    return f"{first} is {where}: which distribution it is from is not known"


def _add_engines(
    calls: Mapping[str, Sequence[str]], dists: Mapping[str, Dist], found: dict[str, Dist]
) -> list[str]:
    """Add what calls need that nobody imports, where it is installed; tell what is not."""
    notes = []
    for call, names in calls.items():
        keys = [str(canonicalize_name(name)) for name in names]
        here = next((key for key in keys if key in dists), None)
        if here is not None:
            found[here] = dists[here]
        else:
            notes.append(f"{call} needs {' or '.join(names)}, which is not installed here")
    return notes


def _frozen(dists: Iterable[Dist], notes: list[str], loose: Sequence[str] = ()) -> Frozen:
    packages, told = list(loose), list(notes)
    for dist in dists:
        if dist.special:
            told.append(f"{dist.name} is left out: {dist.special}")
            continue
        packages.append(dist.pin)
        if local := _local_part(dist.version):
            told.append(
                f"{dist.pin}: +{local} is in no public index; name its own in pip_extra_index_url"
            )
    return Frozen(tuple(sorted(packages, key=str.lower)), tuple(told), here())


def _local_part(version: str) -> str:
    try:
        return Version(version).local or ""
    except InvalidVersion:
        return ""


def with_flytekit(frozen: Frozen) -> Frozen:
    """Add flytekit, without which no task starts."""
    if any(_key(one) == "flytekit" for one in frozen.packages):
        return frozen
    dist = installed().get("flytekit")
    if dist is None or dist.special:
        return frozen
    packages = sorted([*frozen.packages, dist.pin], key=str.lower)
    return Frozen(tuple(packages), frozen.notes, frozen.python)
