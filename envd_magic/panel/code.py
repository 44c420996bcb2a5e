"""An ImageSpec as code to take away: Python, a cell, YAML; secrets masked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from envd_magic.spec.secrets import MASK, is_secret_name, spec_secrets
from envd_magic.spec.source import format_spec, set_fields

if TYPE_CHECKING:
    from flytekit import ImageSpec

_MODE = "from flytekit.constants import CopyFileDetection"


def as_python(spec: ImageSpec, variable: str) -> str:
    """Give the lines of a script that make the spec."""
    text = format_spec(spec)
    imports = ["from flytekit import ImageSpec"]
    if "CopyFileDetection." in text:
        imports.append(_MODE)
    return "\n".join([*imports, "", f"{variable or 'image'} = {text}", ""])


def as_cell(spec: ImageSpec, variable: str) -> str:
    """Give a cell that builds the spec."""
    text = format_spec(spec)
    first = f"%%envd_build {variable}".rstrip()
    before = [_MODE, ""] if "CopyFileDetection." in text else []
    return "\n".join([first, *before, text])


def as_yaml(spec: ImageSpec, variable: str = "") -> str:
    """Give flytekit's YAML form, as ``%%envd_build --yaml`` and ``pyflyte --image`` read it."""
    import yaml

    del variable  # YAML has no names
    text: str = yaml.safe_dump(_plain(spec), sort_keys=False, allow_unicode=True)
    return spec_secrets(spec).mask(text)


def _plain(spec: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in set_fields(spec):
        if name == "env" and isinstance(value, dict):
            values[name] = {
                key: MASK if is_secret_name(str(key)) else text for key, text in value.items()
            }
        elif dataclasses.is_dataclass(value):
            values[name] = _plain(value)
        elif name == "source_copy_mode":
            values[name] = value.name
        elif name == "pip_secret_mounts":
            values[name] = [list(pair) for pair in value]
        else:
            values[name] = value
    return values
