"""A Python environment with distributions that were installed in every odd way there is."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import textwrap
import venv
from pathlib import Path

# Builds wheels of the folder it lies in with nothing but Python: no index is asked.
_BACKEND = """
import pathlib, zipfile
HERE = pathlib.Path(__file__).parent
NAME, VERSION = HERE.joinpath("NAME").read_text().split()

def _wheel(folder, files):
    name = f"{NAME.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    info = f"{NAME.replace('-', '_')}-{VERSION}.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files[f"{info}/RECORD"] = "".join(f"{one},,\\n" for one in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name

def build_wheel(folder, settings=None, metadata=None):
    source = HERE / "src"
    found = {str(p.relative_to(source)): p.read_text() for p in source.rglob("*.py")}
    return _wheel(folder, found)

def build_editable(folder, settings=None, metadata=None):
    return _wheel(folder, {f"__editable__.{NAME}.pth": f"{HERE / 'src'}\\n"})
"""
_PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


class Environment:
    """A virtual environment, and sources of what is installed in it.

    Parameters
    ----------
    folder
        Where it is made.
    shared
        Are the distributions of this environment there too? Then it has no pip of its own.
    """

    def __init__(self, folder: Path, *, shared: bool = True) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=not shared)
        self.python = folder / "venv" / "bin" / "python"
        [self.site] = (folder / "venv").glob("lib/python*/site-packages")
        if shared:
            # Behind what is installed here, as a path file comes after.
            here = [sysconfig.get_path("purelib"), str(Path(__file__).parents[1])]
            (self.site / "zz-tests.pth").write_text("\n".join(here))

    def project(self, name: str, *modules: str, version: str = "1.0") -> Path:
        """Write the source of a distribution, and give its folder."""
        root = self.folder / "sources" / name
        for module in modules:
            path = root / "src" / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (root / "NAME").write_text(f"{name} {version}")
        (root / "backend.py").write_text(_BACKEND)
        (root / "pyproject.toml").write_text(_PROJECT)
        return root

    def wheel(self, name: str, *modules: str, version: str = "1.0") -> Path:
        """Build a wheel into the folder of an index, and give its path."""
        root = self.project(name, *modules, version=version)
        target = self.folder / "index"
        target.mkdir(exist_ok=True)
        code = f"import backend; print(backend.build_wheel({str(target)!r}))"
        made = subprocess.run(
            [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
        )
        return target / made.stdout.strip()

    def install(self, *words: str, index: bool = False) -> None:
        """Let pip install something, without any index but the folder's unless it is to ask one."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet"]
        alone = ["--no-index", "--find-links", str(self.folder / "index"), "--no-deps"]
        flags = [*alone, "--no-build-isolation"] if not index else []
        subprocess.run([*pip, "--disable-pip-version-check", *flags, *words], check=True)

    def committed(self, root: Path) -> str:
        """Put a folder under version control, and give the URL to install it from."""
        for words in (
            ["init", "-q"],
            ["add", "-A"],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
        ):
            subprocess.run(["git", *words], cwd=root, check=True)
        return f"git+file://{root}"

    def run(self, code: str, folder: Path) -> str:
        """Run Python in it."""
        made = subprocess.run(
            [str(self.python), "-c", textwrap.dedent(code)],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        return made.stdout


__all__ = ["Environment"]
