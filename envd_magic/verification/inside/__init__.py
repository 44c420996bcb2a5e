"""The probe: programs that run inside an image, in parts that are put together there."""

from __future__ import annotations

from envd_magic.joined import joined


def probe_source() -> str:
    """Give the probe as one program of the standard library's alone."""
    return joined(__name__, "importing", "system", "probe")
