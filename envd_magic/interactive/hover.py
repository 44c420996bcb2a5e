"""Help where things are written: what a front end shows for Shift-Tab.

IPython inspects objects by their names, and the name of an argument or of a magic's command is
none. Wherever a name is not a field's in an ImageSpec, the kernel's own answer stands.
"""

from __future__ import annotations

import re

from envd_magic.interactive.commands import COMMANDS, overview
from envd_magic.interactive.options import build_parser

_CELL = re.compile(r"%%envd_build(?=\s|$)")
_LINE = re.compile(r"\s*%envd(?:\s+(\w+).*|\s*)")


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
