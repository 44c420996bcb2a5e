"""The probe: programs that run inside an image, in parts that are put together here."""

from __future__ import annotations

import ast
from functools import cache
from importlib import resources

_PARTS = ("importing.py", "system.py", "probe.py")


@cache
def probe_source() -> str:
    """Give the probe as one program of the standard library's alone."""
    folder = resources.files(__name__)
    body = [
        node
        for part in _PARTS
        for node in ast.parse(folder.joinpath(part).read_text(encoding="utf-8")).body
        if not _is_of_parts(node)
    ]
    program = ast.unparse(ast.Module(body, type_ignores=[]))
    return f"from __future__ import annotations\n{program}\n"


def _is_of_parts(node: ast.stmt) -> bool:
    """Is it an import of another part, or of what has to stand first?"""
    module = node.module if isinstance(node, ast.ImportFrom) else None
    return (module or "").partition(".")[0] in ("__future__", "envd_magic")
