"""What envd is told, as a value: build.envd, the files around it, and what is finished after."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from envd_magic.recipe.quoting import starlark

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# envd makes the folder's name the working directory of every `run` and a part of its cache
# mounts' names: one constant name keeps the layer cache warm across builds and specs.
FOLDER = "spec"
# What a run finds where envd mounts the folder.
MOUNTED_AT = f"/home/envd/{FOLDER}"
SECRETS = "secrets"
#: PATH of an image that sets none.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Rule:
    """One rule of build.envd.

    Parameters
    ----------
    fields
        The ImageSpec fields that it comes from, the main one first.
    text
        Starlark, without indentation.
    detail
        What it does, in a few words, for a list of steps.
    installs
        Is it of what the image depends on? Files and commands are not: they change far more often.
    reads
        The folder of the build folder that it copies, "." where it sees all of it, "" if none.
    """

    fields: tuple[str, ...]
    text: str
    detail: str = ""
    installs: bool = False
    reads: str = ""

    @property
    def kind(self) -> str:
        """The field and what is done for it: rules of one kind take about as long each time."""
        return f"{self.fields[0]} {self.text.partition('(')[0]}"


@dataclass(frozen=True)
class FileEntry:
    """One file of the build folder: a copy of `source`, `data`, a symbolic link or a folder."""

    source: Path | None = None
    data: bytes | None = field(default=None, repr=False)
    link: str | None = None
    mode: int = 0o644

    @property
    def is_folder(self) -> bool:
        """Is it a folder?"""
        return self.source is None and self.data is None and self.link is None

    def place(self, path: Path) -> None:
        """Write it to `path`, unless that is where it is."""
        if self.source == path:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.link is not None:
            if not path.is_symlink():
                path.symlink_to(self.link)
            return
        if self.source is not None:
            shutil.copy2(self.source, path)
        elif self.data is not None:
            path.touch(mode=0o600)
            path.write_bytes(self.data)
            path.chmod(self.mode)
        else:
            path.mkdir(exist_ok=True)

    def digest(self) -> str:
        """A hash of what it puts into the folder; a file is read once."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        if self.link is not None:
            return f"link {self.link}"
        if self.is_folder:
            return f"folder {self.mode:o}"
        content = hashlib.sha256()
        if self.data is not None:
            content.update(self.data)
        elif self.source is not None:
            with self.source.open("rb") as file:
                while chunk := file.read(1 << 20):
                    content.update(chunk)
        mode = self.mode if self.source is None else self.source.stat().st_mode & 0o777
        return f"{mode:o} {content.hexdigest()}"


@dataclass(frozen=True)
class Finish:
    """What envd cannot do to the image and the engine does after the build.

    Parameters
    ----------
    env
        Variables to set; they win over the base image's.
    entrypoint
        What to set; () leaves the image without one, None leaves the base image's.
    path_first
        Folders that go before the base image's PATH.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] | None = None
    path_first: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What is done, in words, one line each."""
        lines = [f"set {name}={value!r}" for name, value in self.env.items()]
        if self.path_first:
            lines.append(f"put {':'.join(self.path_first)} first in PATH")
        if self.entrypoint:
            lines.append(f"set the entrypoint {list(self.entrypoint)}")
        elif self.entrypoint is not None:
            lines.append("remove the entrypoint")
        return [*lines, "keep the base image's other variables, PATH, CMD and labels"]

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class Recipe:
    """All that a build needs to know of a spec.

    Parameters
    ----------
    image
        The full name that the image is to have.
    base
        The base image's name.
    platforms
        One or several, as "linux/amd64".
    rules
        build.envd in parts, in order; `text` is the whole.
    files
        The build folder without build.envd, by relative path.
    finish
        What the engine does after envd.
    registry_config
        File for `envd bootstrap`, or None.
    warnings
        What the user should know before the build, as sentences.
    """

    image: str
    base: str
    platforms: tuple[str, ...]
    rules: tuple[Rule, ...]
    files: Mapping[str, FileEntry]
    finish: Finish
    registry_config: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """build.envd."""
        lines = ["# syntax=v1", "", "def build():"]
        lines.append(f"    base(image={starlark(self.base)}, dev=False)")
        # A string over several lines is taken as it stands, so only first lines are indented.
        lines += [f"    {rule.text}" for rule in self.rules]
        return "\n".join(lines) + "\n"

    @property
    def names(self) -> dict[str, str]:
        """Final name of the image for each platform: its own if there is one platform."""
        if len(self.platforms) == 1:
            return {self.platforms[0]: self.image}
        return {name: f"{self.image}-{name.replace('/', '-')}" for name in self.platforms}

    def write(self, parent: Path) -> Path:
        """Write the folder below `parent` and give the path of build.envd in it.

        What another recipe of the same spec has left there is written over.
        """
        folder = parent / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, entry in sorted(self.files.items()):
            entry.place(folder / name)
        # The folders' own modes last, the deepest first: one of them may forbid writing.
        for name, entry in sorted(self.files.items(), reverse=True):
            if entry.is_folder:
                (folder / name).chmod(entry.mode)
        path = folder / "build.envd"
        path.write_text(self.text, encoding="utf-8")
        return path

    def digest(self) -> str:
        """A hash of all that decides what is in the image, secret files left out."""
        parts = [self.text, *self.finish.lines(), *self.platforms]
        parts += [
            f"{name} {entry.digest()}"
            for name, entry in sorted(self.files.items())
            if not name.startswith(f"{SECRETS}/")
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def __str__(self) -> str:
        return self.text

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)
