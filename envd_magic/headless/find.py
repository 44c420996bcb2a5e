"""Where images are defined: notebooks, Python files, YAML; none of them is run."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import detect_encoding
from typing import TYPE_CHECKING, Any

from envd_magic.errors import CellError, EnvdMagicError, FileError
from envd_magic.shell import interrupts_raise
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import read_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.spec.several import Specs

_YAML = (".yaml", ".yml")
#: Kinds of files, by their ends.
KINDS = (".ipynb", ".py", *_YAML)
# Bytes of a file that is read: notebooks have pictures in them.
_LARGEST = 256 << 20
_LEFT_OUT = (".ipynb_checkpoints", "__pycache__", "node_modules")


@dataclass
class Definition:
    """A place that defines one image or several.

    Parameters
    ----------
    path
        The file.
    cell
        Number of the cell from 1 on, None in other files.
    line
        Where its text begins, from 1 on: in the cell, or in the file.
    text
        What stands there.
    magic
        What follows the magic's name, as it stands there; "" where there is no magic.
    magic_line
        Where that is, from 1 on; where there is no magic, as `line`.
    variable
        What the image is called there, "" if nothing.
    options
        What the magic's line says.
    settings
        What ``%config EnvdMagic`` says before it; an error where that is not known.
    specs
        What it makes, options and settings applied; None if that is not known.
    error
        Why that is not known.
    yaml
        True if the text is YAML.
    id
        The cell's name in the notebook, "" if it has none.
    source
        All of the cell, the magic's line too.
    record
        What the cell remembers of its last builds, None if nothing.
    """

    path: Path
    cell: int | None
    line: int
    text: str
    magic: str = ""
    magic_line: int = 0
    variable: str = ""
    options: argparse.Namespace | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    specs: Specs | None = None
    error: Exception | None = None
    yaml: bool = False
    id: str = ""
    source: str = ""
    record: object = None

    def __post_init__(self) -> None:
        self.magic_line = self.magic_line or self.line

    @property
    def where(self) -> str:
        """The place, as messages name it."""
        return place(self.path, self.cell, self.line)

    @property
    def is_preview(self) -> bool:
        """Is it one that is looked at, and not built?"""
        return bool(getattr(self.options, "dry_run", False))

    def images(self) -> list[tuple[str, ImageSpec]]:
        """Give what it makes, each with what it is called here."""
        if self.specs is None:
            return []
        return [
            (f"{self.variable}{label}" or str(spec.name), spec) for label, spec in self.specs.items
        ]


@dataclass
class Source:
    """A file, and what was found in it.

    Parameters
    ----------
    path
        As it was named.
    definitions
        In the file's order.
    error
        Why the file cannot be read.
    """

    path: Path
    definitions: list[Definition] = field(default_factory=list)
    error: FileError | None = None

    @property
    def folder(self) -> Path:
        """Where it is; paths in it are meant from there."""
        return self.path.resolve().parent


def place(path: Path, cell: int | None, line: int) -> str:
    """Name a place as tools do: ``a.py:3``, ``a.ipynb:cell 2:3``."""
    return f"{path}:{line}" if cell is None else f"{path}:cell {cell}:{line}"


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, that of a file as a kernel does: paths in specs are meant from there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Give the files that are meant: of a folder, its notebooks and the Python with ImageSpecs.

    Raises
    ------
    FileError
        If one is not there, or of no kind that is known.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            for inner in sorted(path.rglob("*")):
                if _is_meant(inner, path):
                    found.setdefault(inner.resolve(), inner)
        elif not path.exists():
            raise FileError(f"{path}: is not there")
        elif path.suffix not in KINDS:
            raise FileError(f"{path}: is of no kind that is read; there is: {', '.join(KINDS)}")
        else:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _is_meant(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    if any(part in _LEFT_OUT or part.startswith(".") for part in parts) or not path.is_file():
        return False
    if path.suffix == ".py":
        with suppress(OSError):
            return b"ImageSpec" in read_file(path)
        return True
    return path.suffix == ".ipynb"


def find(path: Path) -> Source:
    """Find what a file defines; what cannot be read or evaluated says so in the result."""
    from envd_magic.headless.cells import in_notebook
    from envd_magic.headless.code import in_python, in_yaml

    readers = {".ipynb": in_notebook, ".py": in_python}
    try:
        text = read_text(path)
        with inside(path.resolve().parent):
            return Source(path, readers.get(path.suffix, in_yaml)(path, text))
    except FileError as error:
        return Source(path, error=error)
    except (RecursionError, MemoryError):
        return Source(path, error=FileError(f"{path}: is too deep or too large to be read"))


def evaluate(definition: Definition, make: Callable[[], Specs]) -> None:
    """Let a definition's text make its specs, options and settings applied, or keep why not."""
    from IPython.core.error import UsageError

    from envd_magic.interactive.choose import configured
    from envd_magic.interactive.settings import project_settings

    try:
        settings = project_settings(known_settings(definition))
        # Here flytekit is imported first, which has a handler that exits.
        with interrupts_raise():
            definition.specs = configured(make(), definition.options, settings)
    except (EnvdMagicError, UsageError) as error:
        definition.error = error
    except Exception as error:  # noqa: BLE001 - whatever a literal raises: `"a" + 1`
        definition.error = CellError(Problem("", f"{type(error).__name__}: {error}"))


def known_settings(definition: Definition) -> Mapping[str, Any]:
    """Give what the notebook sets with ``%config``.

    Raises
    ------
    EnvdMagicError
        If the notebook has to be run to know that.
    """
    for value in definition.settings.values():
        if isinstance(value, EnvdMagicError):
            raise value
    return definition.settings


def with_registry(source: Source, registry: str | None) -> None:
    """Let all images of a file be for one registry, where one is named."""
    from envd_magic.spec.cell import with_options

    for definition in source.definitions:
        if registry and definition.specs is not None:
            try:
                definition.specs = definition.specs.mapped(
                    lambda spec: with_options(spec, {"registry": registry})
                )
            except EnvdMagicError as error:
                definition.error = error


def sources_of(path: Path) -> list[str]:
    """Give the code of a file: the cells of a notebook, or all of a Python file.

    Raises
    ------
    FileError
        If it cannot be read.
    """
    from envd_magic.records.notebook import parse_notebook

    text = read_text(path)
    if path.suffix != ".ipynb":
        return [text] if path.suffix == ".py" else []
    return [cell.source for cell in parse_notebook(path, text).cells if cell.kind == "code"]


def read_text(path: Path) -> str:
    """Read a file of text, as it is.

    Raises
    ------
    FileError
        If it is none.
    """
    try:
        content = read_file(path, _LARGEST)
        # A Python file names its encoding in a comment.
        lines = iter(content.splitlines(keepends=True)[:2])
        named = detect_encoding(lambda: next(lines, b""))[0] if path.suffix == ".py" else "utf-8"
        return content.decode(named)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SyntaxError as error:
        raise FileError(f"{path}: is no Python: {error}") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: is not UTF-8, at byte {error.start}") from error
