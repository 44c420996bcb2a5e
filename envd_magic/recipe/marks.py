"""What tells a step's ImageSpec field: the mark in our own scripts, or envd's words.

:func:`~envd_magic.recipe.install.step_header` writes the mark.
"""

from __future__ import annotations

import re

MARK = re.compile(r"# envd_magic: ([a-z_]+)")
# How a step's name tells its field, where it has no mark of ours.
_BY_NAME = (
    (re.compile(r"docker-image://"), "base_image"),
    (re.compile(r"apt-get install"), "apt_packages"),
    (re.compile(r"micromamba.* install -n|conda.* install -n"), "conda_packages"),
    (re.compile(r"mamba|conda|create envd python|update alternative"), "python_version"),
    (re.compile(r"copy /source/root "), "source_root"),
    (re.compile(r"copy /copy/root "), "copy"),
    (re.compile(r"copy /install "), "packages"),
)


def field_of(name: str) -> str:
    """Give the ImageSpec field that a step of this name comes from, "" for envd's own."""
    if match := MARK.search(name):
        return match[1]
    return next((field for pattern, field in _BY_NAME if pattern.search(name)), "")
