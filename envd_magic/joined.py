"""Programs that run inside images: each is a package here, and one file there; pure."""

from __future__ import annotations

import ast
from functools import cache
from importlib import resources

_OWN = ("__future__", "envd_magic")


@cache
def joined(package: str, *parts: str) -> str:
    """Put the parts of a program together: a file that needs nothing but the standard library.

    Its text is that of the parts, without their imports of each other, so that it is the same
    whatever Python puts it together: a step of a build is known by it.

    Parameters
    ----------
    package
        Where the parts are.
    parts
        Names of its modules, in the order in which one needs the other.
    """
    folder = resources.files(package)
    texts = [_alone(folder.joinpath(f"{part}.py").read_text(encoding="utf-8")) for part in parts]
    return "\n\n\n".join(["from __future__ import annotations", *texts]) + "\n"


def _alone(text: str) -> str:
    """Give a module's text without its imports of other parts, and what has to stand first."""
    lines = text.splitlines()
    for node in reversed(ast.parse(text).body):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        if (module or "").partition(".")[0] in _OWN:
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines).strip()
