"""The installer: a program in parts, put together for a build's install step.

It has to run on any Python 3.8 or later, with nothing but pip beside it; the package itself asks it
only what uv can do.

uv installs, told to choose what pip would choose in this base image: with pip's configuration,
for the Python that comes first on PATH, the best version of all indexes. Where uv cannot do
that, pip does, and a line that starts with "envd_magic: " says why, unless whoever asked knows.
"""

from __future__ import annotations

from envd_magic.joined import joined


def installer_source() -> str:
    """Give the installer as one program of the standard library's alone."""
    return joined(__name__, "options", "installed", "uv", "main")
