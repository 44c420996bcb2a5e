"""``make freeze``: how right `freeze` is, on notebooks whose needs are known.

A package counts as right if the notebook needs it by its own name and the version is the one that
is installed. What else is named is not: a task's image would be given it for nothing, or could
not be built. ``ImageSpec.from_env`` is told the names that the notebook imports, as it has to be.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .freeze_set import COMMITTED, EDITABLE, NOTEBOOKS, PACKAGES
from .installs import Environment
from .notebooks import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .freeze_set import Notebook

_ROOT = Path(__file__).parents[1]
# Runs in the kernel, after a notebook's own cells.
_ASK = """
import json as _json
%load_ext envd_magic
%envd freeze _live
%envd freeze --all _whole
from flytekit import ImageSpec as _Spec
def _from_env(names):
    found = []
    for name in names:
        try:
            found += _Spec.from_env(pinned_packages=[name]).packages
        except Exception:
            pass  # the name of a module is often not that of its distribution
    return found
print("FIGURES" + _json.dumps([_live.packages, _whole.packages, _from_env(NAMES)]))
"""
_RUN = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
print("".join(one.get("text", "") for cell in notebook.cells for one in cell.get("outputs", ())))
"""


@dataclass
class Count:
    """How often a way was right."""

    named: int = 0
    right: int = 0
    needed: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, name: str, items: Iterable[str], needs: set[str], pins: dict[str, str]) -> None:
        """Count what was named for a notebook."""
        keys = {key for item in items if (key := _key(item, pins))}
        named = len(set(items))
        self.named += named
        self.right += len(keys & needs)
        self.needed += len(needs)
        missed = sorted(needs - keys)
        if missed:
            self.wrong.append(f"{name}: without {', '.join(missed)}")


def _key(item: str, pins: dict[str, str]) -> str:
    """Give the distribution that a requirement names, "" if not in the version that is there."""
    try:
        requirement = Requirement(item)
    except InvalidRequirement:
        return ""
    key = str(canonicalize_name(requirement.name))
    return key if str(requirement.specifier) == f"=={pins.get(key)}" else ""


def main() -> None:
    """Make the environment, run all notebooks in it and print the figures."""
    with tempfile.TemporaryDirectory(prefix="envd_magic-freeze-") as name:
        environment = Environment(Path(name), shared=False)
        environment.install(f"{_ROOT}[notebook]", *PACKAGES, index=True)
        edited = environment.project(EDITABLE, "shop_tools.py")
        committed = environment.project(
            COMMITTED, "shop_models/model.py", "shop_models/__init__.py"
        )
        environment.install("--editable", str(edited), environment.committed(committed))
        _measure(environment)


def _measure(environment: Environment) -> None:
    listed = _said(environment, "-m", "pip", "freeze", "--all").splitlines()
    frozen = _said(environment, "-m", "pip", "freeze").splitlines()
    pins = {str(canonicalize_name(n)): v for n, _, v in (one.partition("==") for one in listed)}
    counts = {
        "`envd-magic freeze`": Count(),
        "`%envd freeze`": Count(),
        "`%envd freeze --all`": Count(),
        "`ImageSpec.from_env`": Count(),
        "`pip freeze`": Count(),
    }
    for notebook in NOTEBOOKS:
        path = write(environment.folder / f"{notebook.name}.ipynb", *notebook.cells)
        alone = _packages(_said(environment, "-m", "envd_magic", "freeze", str(path)))
        found = [alone, *_live(environment, notebook), frozen]
        needs = {str(canonicalize_name(one)) for one in (*notebook.needs, "flytekit")}
        for count, items in zip(counts.values(), found, strict=True):
            count.add(notebook.name, items, needs, pins)
    total = len(NOTEBOOKS)
    print(f"{total} notebooks, {len(listed)} distributions installed\n")
    print("| | precision | recall | packages a notebook |\n| --- | --- | --- | --- |")
    for way, one in counts.items():
        precision, recall = one.right / one.named, one.right / one.needed
        print(f"| {way} | {precision:.0%} | {recall:.0%} | {one.named / total:.1f} |")
    for way, one in counts.items():
        for line in one.wrong:
            print(f"{way}: {line}", file=sys.stderr)


def _live(environment: Environment, notebook: Notebook) -> list[Sequence[str]]:
    """Run a notebook in a kernel, and ask there; give the packages of each way."""
    names = sorted(_imported(notebook))
    cells = [*notebook.cells, _ASK.replace("NAMES", repr(names))]
    path = write(environment.folder / "live.ipynb", *cells)
    said = _said(environment, "-c", _RUN, str(path))
    line = next(line for line in said.splitlines() if line.startswith("FIGURES"))
    found: list[Any] = json.loads(line.removeprefix("FIGURES"))
    return found


def _imported(notebook: Notebook) -> set[str]:
    """Give the names that a person would take from the import statements."""
    from envd_magic.freeze.imports import imported, top_level

    return {"flytekit", *top_level(imported(notebook.cells))}


def _packages(said: str) -> list[str]:
    call = ast.parse(said).body[0]
    [found] = [
        ast.literal_eval(one.value)
        for one in ast.walk(call)
        if isinstance(one, ast.keyword) and one.arg == "packages"
    ]
    return list(found)


def _said(environment: Environment, *words: str) -> str:
    done = subprocess.run(
        [str(environment.python), *words],
        cwd=environment.folder,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
