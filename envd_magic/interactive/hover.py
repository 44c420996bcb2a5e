"""Help where things are written: for Shift-Tab at a field, and for ``%envd build?``.

IPython inspects objects by their names, and the name of an argument or of a magic's command is
none. Wherever a name is not a field's in an ImageSpec, the kernel's own answer stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from envd_magic.interactive.commands import COMMANDS, overview
from envd_magic.interactive.options import build_parser

if TYPE_CHECKING:
    from collections.abc import Callable

_EMPTY_CELL = re.compile(r"%%envd_build(\s.*)?")
_COMMAND_HELP = re.compile(r"(\s*%envd\s+\w+)\b[^\n]*?\s*\?\??\s*")
_CELL = re.compile(r"%%envd_build(?=\s|$)")
_LINE = re.compile(r"\s*%envd(?:\s+(\w+).*|\s*)")
_ORIGINAL = "_envd_magic_do_inspect"


def help_at(code: str, cursor: int) -> str | None:
    """Give the help for what is at a place of a cell, or None if it is nothing of ours."""
    cell = _CELL.match(code)
    row_end = code.find("\n") if "\n" in code else len(code)
    if cell and cursor <= row_end:
        return build_parser().format_help()
    start_of_line = code.rfind("\n", 0, cursor) + 1
    line = code[start_of_line:].partition("\n")[0]
    if not cell and (match := _LINE.fullmatch(line)):
        command = COMMANDS.get(match[1])
        return command.parser().format_help() if command else overview()
    if not cell and "ImageSpec" not in code:
        return None
    from envd_magic.interactive.position import position, yaml_position
    from envd_magic.spec.fields import BY_NAME

    end = cursor + len(re.match(r"\w*", code[cursor:])[0])  # type: ignore[index]  # matches always
    start = row_end + 1 if cell else 0
    if cell and "--yaml" in code[:row_end].split():
        place = yaml_position(code[start:end])
        name = (place.field or place.written) if place else ""
        return BY_NAME[name].description if name in BY_NAME else None
    here = position(code[start:end])
    inside = here.call == "ImageSpec"
    name = ""
    if here.starts and (inside or (cell and not here.depth)):
        name = here.token
    elif inside and here.string is not None:
        # Inside a value: the help of its field.
        name = here.field
    return BY_NAME[name].description if name in BY_NAME else None


def _asked(lines: list[str]) -> list[str]:
    """Let questions reach the magics that IPython would answer itself.

    For ``%envd build?`` it would look for ``build``, and it refuses cell magics without a body:
    ``%%envd_build --help``.
    """
    if len(lines) == 1 and (match := _COMMAND_HELP.fullmatch(lines[0])):
        return [f"{match[1]} --help\n"]
    if len(lines) == 1 and _EMPTY_CELL.fullmatch(lines[0].rstrip("\n")):
        return [f"{lines[0].rstrip()}\n", "\n"]
    return lines


def install(shell: Any) -> None:
    """Let the kernel answer for fields, and a question mark for commands."""
    if _asked not in shell.input_transformers_cleanup:
        # Before IPython's own look at the lines.
        shell.input_transformers_cleanup.insert(0, _asked)
    kernel = getattr(shell, "kernel", None)
    if kernel is None or hasattr(kernel, _ORIGINAL):
        return
    original: Callable[..., Any] = kernel.do_inspect

    def do_inspect(code: str, cursor_pos: int, *args: Any, **kwargs: Any) -> Any:
        text = help_at(code, cursor_pos)
        if text is None:
            return original(code, cursor_pos, *args, **kwargs)
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}

    setattr(kernel, _ORIGINAL, original)
    kernel.do_inspect = do_inspect


def remove(shell: Any) -> None:
    """Give the kernel its own answer back."""
    if _asked in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(_asked)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and hasattr(kernel, _ORIGINAL):
        del kernel.do_inspect
        delattr(kernel, _ORIGINAL)
