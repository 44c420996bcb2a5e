"""Completion of the magics' lines, of a cell's fields, and of ``ImageSpec(`` anywhere.

A version-2 matcher of IPython. Where it knows what can stand at a place it says so alone;
elsewhere it keeps silent and Python's own completion goes on.
https://ipython.readthedocs.io/en/stable/api/generated/IPython.core.completer.html
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.interactive.commands import COMMANDS
from envd_magic.interactive.options import MagicParser, build_parser
from envd_magic.spec.names import CONTEXT_ACTIONS, INSTALLERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envd_magic.magic import EnvdMagic

_COMMAND = re.compile(r"\s*%envd\s+(\S*)\Z")
_COMMAND_LINE = re.compile(r"\s*%envd\s+(\w+)\s+(.*)$")
_CELL = re.compile(r"%%envd_build(?=\s|$)")
_PLATFORMS = ("linux/amd64", "linux/arm64")
_PATHS = ("requirements", "registry_config", "source_root", "copy", "save", "certificates")
_REPEATED = ("--remove", "--env")


class Completion:
    """The matcher of one shell.

    Parameters
    ----------
    shell
        Whose variables and magics it looks at.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def match(self, context: Any) -> Any:
        """Answer IPython's question for what can stand at a place."""
        found = self._found(context.full_text, context.cursor_line, context.text_until_cursor)
        if found is None:
            return {"completions": [], "suppress": False}
        from IPython.core.completer import SimpleCompletion

        fragment, kind, texts = found
        matching = [text for text in dict.fromkeys(texts) if text.startswith(fragment)]
        if not matching and kind != "field":
            # Else IPython would offer what it knows, which cannot stand here; it hears of nobody
            # who offers nothing.
            matching = [fragment]
        return {
            "completions": [SimpleCompletion(text, type=kind) for text in matching],
            # Nothing foreign among them.
            "suppress": True,
            "ordered": True,
            "matched_fragment": fragment,
        }

    def _found(self, text: str, row: int, before: str) -> tuple[str, str, Iterable[str]] | None:
        """Give what is being written, what kind of thing it is, and what can stand there."""
        cell = _CELL.match(text)
        if cell and row == 0:
            after = before[cell.end() :]
            return self._line(build_parser(), after) if after else None
        if match := _COMMAND.match(before):
            return match[1], "command", COMMANDS
        if match := _COMMAND_LINE.match(before):
            command = COMMANDS.get(match[1])
            return self._line(command.parser(), match[2]) if command else None
        lines = [*text.split("\n")[:row], before]
        if cell and "--yaml" in lines[0].split():
            return self._yaml("\n".join(lines[1:]))
        return self._python("\n".join(lines[1:] if cell else lines), in_cell=bool(cell))

    def _line(self, parser: MagicParser, text: str) -> tuple[str, str, Iterable[str]] | None:
        """Complete the words after a magic's name."""
        *words, fragment = re.split(r"\s+", text.lstrip()) if text.strip() else [""]
        free, owner = parser.free_words(words)
        if free is None:
            return fragment, "word", ()  # the command's own
        if fragment.startswith("--") and "=" in fragment:
            option, _, value = fragment.partition("=")
            owner, fragment = option, value
        if owner:
            remembered = (parser.prog, owner) == ("%envd history", "--remove")
            values = _past_builds() if remembered else self._values(owner, fragment)
            return fragment, "value", values
        used = {word.partition("=")[0] for word in words} - {*_REPEATED}
        options = [name for name in parser.options if name not in used]
        if fragment.startswith("-"):
            return fragment, "option", options
        names = parser.words[free:][:1]
        named = self._words(names[0], parser.prog, fragment) if names else []
        return fragment, "variable", [*named, *(options if not fragment else [])]

    def _words(self, name: str, prog: str, written: str) -> list[str]:
        """Give what can stand as a word that is no option."""
        from envd_magic.interactive.choose import spec_variables

        variables = spec_variables(self._shell.user_ns)
        begun = any(one.startswith(written) for one in variables)
        sources: dict[str, Callable[[], list[str]]] = {
            "file": lambda: _paths(written),
            "number": _past_builds,
            "action": lambda: list(CONTEXT_ACTIONS),
            "context": _contexts,
            "build": lambda: self._builds(prog, variables),
            "name": lambda: self._images(tags=False),
            "image": lambda: self._images(tags=True),
        }
        if (name, prog) == ("spec", "%envd verify") and not begun:
            # Asking the engine takes a moment: not where it is a variable that is written.
            return self._images(tags=True)
        return sources[name]() if name in sources else variables

    def _builds(self, prog: str, variables: list[str]) -> list[str]:
        jobs = self._magic.jobs
        if prog in ("%envd log", "%envd record", "%envd report"):
            return [*(str(job.number) for job in jobs.all()), *variables]
        return [str(job.number) for job in jobs.running()]

    def _values(self, option: str, written: str) -> list[str]:
        """Give the values that an option, or the field of its name, can have."""
        name = option.removeprefix("--").replace("-", "_")
        if name in _PATHS:
            return _paths(written)
        sources: dict[str, Callable[[], list[str]]] = {
            "installer": lambda: list(INSTALLERS),
            "source_copy_mode": lambda: ["ALL", "LOADED_MODULES", "NO_COPY"],
            "platform": lambda: list(_PLATFORMS),
            "registry": self._registries,
            "context": _contexts,
            "build": lambda: [str(job.number) for job in self._magic.jobs.all() if job.errors],
            "builder": _builders,
            "base_image": lambda: self._of_specs("base_image"),
            "name": lambda: self._of_specs("name"),
            "remove": lambda: self._images(tags=True),
        }
        return sources[name]() if name in sources else []

    def _yaml(self, text: str) -> tuple[str, str, Iterable[str]]:
        """Complete a body of YAML, in which no name of Python can stand."""
        from envd_magic.interactive.position import yaml_position
        from envd_magic.spec.fields import BY_NAME

        here = yaml_position(text)
        if here is None:
            return "", "word", ()
        if here.field:
            return here.written, "value", self._values(here.field, here.written)
        names = [f"{name}: " for name in BY_NAME if name not in here.named]
        return here.written, "word", names

    def _python(self, text: str, *, in_cell: bool) -> tuple[str, str, Iterable[str]] | None:
        if not in_cell and "ImageSpec" not in text:
            return None
        from envd_magic.interactive.position import position
        from envd_magic.spec.fields import BY_NAME

        here = position(text)
        inside = here.call == "ImageSpec"
        if here.string is not None:
            known = here.field in BY_NAME and "\n" not in here.string
            if not known or not (inside or (in_cell and not here.call)):
                return None
            # Where nothing is known, what IPython would offer (files) is none of it.
            kind = "path" if here.field in _PATHS else "value"
            return here.string, kind, self._values(here.field, here.string)
        if not here.starts or not (inside or (in_cell and not here.depth)):
            return None
        free = [name for name in BY_NAME if name not in here.arguments]
        names = [f"{name}=" if inside else f"{name} = " for name in free]
        if not inside:
            names.append("ImageSpec(")
            # A cell may well start with something else.
            names = [name for name in names if name.startswith(here.token)]
        return (here.token, "field", names) if names else None

    @property
    def _magic(self) -> EnvdMagic:
        magic: EnvdMagic = self._shell.magics_manager.registry["EnvdMagic"]
        return magic

    def _of_specs(self, field: str) -> list[str]:
        """Give what the notebook's ImageSpecs have in a field."""
        from envd_magic.interactive.choose import all_specs

        values = [getattr(spec, field) for spec in all_specs(self._shell.user_ns)]
        return sorted({value for value in values if isinstance(value, str)})

    def _registries(self) -> list[str]:
        from envd_magic.engine.seen import seen_registries
        from envd_magic.envd.contexts import SANDBOX_REGISTRY

        try:
            own = self._magic.setting("registry")
        except UsageError:
            own = None  # a mistake in pyproject.toml is told when something is run
        seen = [*([own] if own else []), *self._of_specs("registry"), *seen_registries()]
        return [*seen, SANDBOX_REGISTRY]

    def _images(self, *, tags: bool) -> list[str]:
        from envd_magic.engine.catalog import built_images
        from envd_magic.errors import EnvdMagicError
        from envd_magic.interactive.choose import engine_of

        try:
            with engine_of(self._magic, None) as engine:
                names = [name for image in built_images(engine) for name in image.names]
        except (EnvdMagicError, UsageError):
            return []  # there is nothing to offer, and a key press is no place for an error
        return names if tags else [name.rpartition(":")[0] for name in names]


def _past_builds() -> list[str]:
    import sqlite3

    from envd_magic.errors import EnvdMagicError
    from envd_magic.records import history

    try:
        return [str(entry.number) for entry in history.entries()]
    except (OSError, sqlite3.Error, EnvdMagicError):
        return []  # as for the images


def _builders() -> list[str]:
    from envd_magic.spec.names import BUILDERS

    return list(BUILDERS)


def _contexts() -> list[str]:
    from envd_magic.envd.home import known_contexts
    from envd_magic.errors import EnvdMagicError

    try:
        return known_contexts()
    except (OSError, EnvdMagicError):
        return []  # as for the images


def _paths(written: str) -> list[str]:
    folder, _, start = written.rpartition("/")
    top = Path(folder or ("/" if written.startswith("/") else ".")).expanduser()
    try:
        inside = sorted(top.iterdir())
    except OSError:
        return []
    prefix = f"{folder}/" if "/" in written else ""
    return [
        f"{prefix}{path.name}{'/' if path.is_dir() else ''}"
        for path in inside
        if not path.name.startswith(".") or start.startswith(".")
    ]
