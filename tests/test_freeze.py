"""An ImageSpec from what is there: imports to distributions, exact versions, nothing guessed."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic.freeze.distributions import Dist, installed, owners, without_kernel
from envd_magic.freeze.frozen import freeze_all, freeze_sources
from envd_magic.freeze.imports import imported, installed_by

from .notebooks import run, write
from .shells import shell

if TYPE_CHECKING:
    from pathlib import Path


def test_all_ways_of_importing_are_read() -> None:
    cells = [
        "import a, b.c as d\n%matplotlib inline\nfrom e.f import g\n!pip install x",
        "%%time\nimport h",
        "%%bash\nimport not_python",
        "def f():\n    try:\n        import i\n    except ImportError:\n        i = None",
        "import importlib\nj = importlib.import_module('j')",
        "from . import local\nimport k if",
    ]
    assert imported(cells) >= {"a", "b.c", "e.f", "e.f.g", "h", "i", "j"}
    assert not imported(cells) & {"not_python", "local", "k"}


def test_what_cells_install_is_read() -> None:
    cells = [
        "%pip install -q 'pandas>=2' six",
        "!pip install --index-url https://x/y numpy && ls",
        "!uv pip install -r r.txt rich # why",
        "%conda install z",
    ]
    assert installed_by(cells) == (["pandas>=2", "six", "numpy", "rich"], ["-r r.txt"])


def test_modules_are_pinned_by_their_distributions_names(tmp_path: Path) -> None:
    frozen = freeze_sources(["import yaml, requests.adapters\nimport os, json"])
    assert frozen.packages == (f"PyYAML=={version('PyYAML')}", f"requests=={version('requests')}")
    assert frozen.notes == ()


def test_what_is_not_installed_is_told_and_not_guessed() -> None:
    frozen = freeze_sources(["import sklearn_nothing, cv2, nothing_at_all\n%pip install mine==3"])
    assert frozen.packages == ("mine==3", "opencv-python-headless")
    assert [note.split()[0] for note in frozen.notes] == [
        "nothing_at_all",
        "sklearn_nothing",
        "opencv-python-headless",
    ]


def test_what_only_the_kernel_needs_is_left_out() -> None:
    frozen = freeze_sources(["import IPython, ipywidgets, attr\n%load_ext envd_magic"])
    assert [one.partition("==")[0] for one in frozen.packages] == ["attrs"]


def test_files_beside_the_notebook_are_told(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").touch()
    path = write(tmp_path / "a.ipynb", "import helpers, yaml\nraise SystemExit")
    result = run("freeze", path)
    assert result.exit_code == 0
    assert f"PyYAML=={version('PyYAML')}" in result.stdout
    assert f"flytekit=={version('flytekit')}" in result.stdout
    assert f"python_version='{sys.version_info.major}.{sys.version_info.minor}'" in result.stdout
    assert "helpers is a file or folder here" in result.stderr


def test_the_base_image_can_bring_the_python(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", "import yaml")
    assert "python_version" not in run("freeze", "--no-python", path).stdout


def test_a_file_that_imports_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a")
    result = run("freeze", tmp_path / "a.yaml")
    assert result.exit_code == 2
    assert "a.yaml: imports nothing; freeze takes notebooks and Python files" in result.stderr


def test_what_is_no_notebook_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("x")
    result = run("freeze", tmp_path / "a.ipynb")
    assert result.exit_code == 2
    assert "is no notebook" in result.stderr


class Installed:
    """A folder of installed distributions."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, *modules: str, **files: str) -> None:
        """Install one; keyword arguments are files of its metadata."""
        info = self.path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text("".join(f"{module},,\n" for module in modules))
        for file, text in files.items():
            (info / file.replace("_json", ".json")).write_text(text)
        for module in modules:
            (self.path / module).parent.mkdir(parents=True, exist_ok=True)
            (self.path / module).touch()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    path = tmp_path / "site-packages"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    return Installed(path)


def direct(**values: Any) -> str:
    return json.dumps(values)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (direct(url="file:///home/me/x", dir_info={"editable": True}), "as editable"),
        (direct(url="file:///home/me/x", dir_info={}), "installed from a folder;"),
        (
            direct(url="https://me:hunter2x@h/x", vcs_info={"vcs": "git", "commit_id": "ab"}),
            "odd-one @ git+https://me:****@h/x@ab",
        ),
        (direct(url="https://h/x.whl", archive_info={}), "a URL: odd-one @ https://h/x.whl"),
        (direct(url="file:///home/me/x.whl", archive_info={}), "installed from a file, x.whl"),
        ("{", "its direct_url.json is broken"),
        ("[]", "its direct_url.json is broken"),
    ],
)
def test_odd_installs_are_told_apart_and_left_out(site: Installed, url: str, expected: str) -> None:
    site.add("odd-one", "odd_one.py", direct_url_json=url)
    frozen = freeze_sources(["import odd_one"])
    assert frozen.packages == ()
    assert frozen.notes[0].startswith("odd-one is left out: ")
    assert expected in frozen.notes[0]
    assert "hunter2x" not in frozen.notes[0]
    assert "/home/me" not in frozen.notes[0]


def test_what_conda_installed_is_pinned(site: Installed) -> None:
    url = direct(url="file:///croot/x", dir_info={})
    site.add("by-conda", "by_conda.py", direct_url_json=url, INSTALLER="conda\n")
    assert freeze_sources(["import by_conda"]).packages == ("by-conda==1.0",)


def test_a_first_name_that_several_share_is_followed_to_the_one_that_is_imported(
    site: Installed,
) -> None:
    site.add("shared-a", "shared/a/__init__.py")
    site.add("shared-b", "shared/b.py", "shared/deep/b.py")
    site.add("shared-c", "shared/c.py")
    assert freeze_sources(["import shared.a\nfrom shared import b"]).packages == (
        "shared-a==1.0",
        "shared-b==1.0",
    )
    deep = {"shared": {"shared.deep.b", "shared.deep.b.thing"}}
    assert owners(deep, installed()) == {"shared": ["shared-b"]}


def test_a_broken_distribution_is_no_traceback(site: Installed) -> None:
    (site.path / "broken-1.0.dist-info").mkdir()
    assert "broken" not in installed()


def test_all_but_what_only_the_kernel_needs_is_frozen_whole() -> None:
    def dist(name: str, *needs: str) -> Dist:
        return Dist(name, "1", needs=frozenset(needs))

    dists = {
        one.key: one
        for one in (
            dist("ipykernel", "tornado", "traitlets"),
            dist("jupyter-anything", "shared"),
            dist("tornado"),
            dist("traitlets"),
            dist("pandas", "numpy", "shared", "missing"),
            dist("numpy", "pandas"),
            dist("shared"),
            dist("pip"),
        )
    }
    assert sorted(without_kernel(dists)) == ["numpy", "pandas", "shared"]
    names = {one.partition("==")[0] for one in freeze_all().packages}
    assert {"flytekit", "requests"} <= names
    assert not {"ipykernel", "jupyterlab", "envd-magic", "pip", "debugpy"} & names


def test_all_keeps_what_the_notebook_imports_though_only_the_kernel_needs_it() -> None:
    ip = shell()
    ip.run_cell("import bs4", store_history=True)
    ip.do("%envd freeze --all mine")
    names = {one.partition("==")[0] for one in ip.user_ns["mine"].packages}
    assert "beautifulsoup4" in names
    assert "nbconvert" not in names


def test_files_that_pandas_reads_name_what_reads_them(site: Installed) -> None:
    site.add("pandas", "pandas/__init__.py")
    site.add("fastparquet", "fastparquet.py")
    cells = ["import pandas as pd\npd.read_parquet('x')\ndf.to_excel('y')\ndf.to_html()"]
    frozen = freeze_sources(cells)
    assert frozen.packages == ("fastparquet==1.0", "pandas==1.0")
    assert frozen.notes == ("to_excel needs openpyxl or xlsxwriter, which is not installed here",)
    other = freeze_sources(["import pandas\npandas.read_parquet('x', engine='pyarrow')"])
    assert other.notes == ("read_parquet needs pyarrow, which is not installed here",)
    assert freeze_sources(["other.read_parquet('x')"]).packages == ()


def test_what_a_cell_installs_from_elsewhere_is_told() -> None:
    cells = ["%pip install -e . 'x @ https://h/x.whl' -c c.txt git+https://h/y --find-links z six"]
    told = freeze_sources(cells).notes
    assert [note.partition(" is installed by a cell")[0] for note in told] == [
        "-e .",
        "x @ https://h/x.whl",
        "git+https://h/y",
    ]


def test_the_live_kernel_gives_what_its_user_imported() -> None:
    ip = shell()
    ip.run_cell("import yaml as y\nfrom packaging.version import Version", store_history=True)
    ip.run_cell("import never_there", store_history=True)
    text = ip.do("%envd freeze mine")
    spec = ip.user_ns["mine"]
    assert text.startswith("mine = ImageSpec(")
    names = [one.partition("==")[0] for one in spec.packages]
    assert names == ["flytekit", "packaging", "PyYAML"]
    assert spec.python_version == f"{sys.version_info.major}.{sys.version_info.minor}"
