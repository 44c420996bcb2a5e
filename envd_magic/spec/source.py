"""An ImageSpec as Python again, to be read by people: only what was set, secrets masked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from envd_magic.spec.fields import FIELDS
from envd_magic.spec.secrets import MASK, is_secret_name, spec_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.spec.secrets import Secrets


def set_fields(spec: ImageSpec) -> Iterator[tuple[str, Any]]:
    """Give the fields that say something, in the table's order."""
    defaults = {field.name: field.default for field in dataclasses.fields(spec)}
    for field in FIELDS:
        value = getattr(spec, field.name)
        implied = field.name == "builder" or (field.name == "platform" and value == "linux/amd64")
        if value is not None and value != defaults.get(field.name) and not implied:
            yield field.name, value


def format_spec(spec: ImageSpec, secrets: Secrets | None = None) -> str:
    """Format a spec as the Python that makes it, over several lines, secrets masked."""
    hidden = secrets or spec_secrets(spec)
    return hidden.mask(_call(spec, ""))


def _call(spec: ImageSpec, indent: str) -> str:
    inner = indent + "    "
    lines = [f"{inner}{name}={_value(name, value, inner)},\n" for name, value in set_fields(spec)]
    return f"ImageSpec(\n{''.join(lines)}{indent})" if lines else "ImageSpec()"


def _value(name: str, value: Any, indent: str) -> str:
    inner = indent + "    "
    if dataclasses.is_dataclass(value):
        return _call(value, indent)
    if name == "source_copy_mode":
        return f"CopyFileDetection.{value.name}"
    if name == "env" and isinstance(value, dict):
        pairs = {key: MASK if is_secret_name(str(key)) else text for key, text in value.items()}
        items = [f"{inner}{key!r}: {text!r},\n" for key, text in pairs.items()]
        return f"{{\n{''.join(items)}{indent}}}" if items else "{}"
    if isinstance(value, list) and sum(len(repr(item)) for item in value) > 60:  # noqa: PLR2004
        return "[\n" + "".join(f"{inner}{item!r},\n" for item in value) + f"{indent}]"
    return repr(value)
