"""A spec out of the text that was kept of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.spec.bounds import Literal
from envd_magic.spec.cell import spec_from_cell
from envd_magic.spec.secrets import MASK

if TYPE_CHECKING:
    from flytekit import ImageSpec


def restored(text: str) -> ImageSpec:
    """Make the spec that :func:`~envd_magic.spec.source.format_spec` gave as text.

    The text may come from somebody else: nothing but literals in it is evaluated.

    Raises
    ------
    NotLiteralError
        If there is more in it.
    SpecError
        If it makes no spec.
    """
    from flytekit.constants import CopyFileDetection

    return spec_from_cell(text, {"CopyFileDetection": CopyFileDetection}, Literal())


def masked_fields(spec: ImageSpec) -> list[str]:
    """Names of the fields in which a secret stood, and now a mask does."""
    from envd_magic.spec.source import set_fields

    return [name for name, value in set_fields(spec) if MASK in str(value)]
