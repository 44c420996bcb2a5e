"""What an image was asked for, item by item, in a form that tells changes and no values."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envd_magic.recipe.install import is_steering
from envd_magic.spec.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flytekit import ImageSpec

    from envd_magic.recipe.inputs import Inputs

#: The item of a field that has none: a text, say.
WHOLE = ""
#: Of a requirements file, the lines that ask for nothing by themselves.
OPTIONS = "(options)"
# Fields with items of their own below; the tag's parts make no step.
_LISTED = {"packages", "requirements", "apt_packages", "conda_packages", "env", "commands"}
_FILES = {"copy", "source_root", "source_copy_mode"}
_NO_STEP = {"name", "registry", "tag_format", "platform", "builder", "base_image"}
_NO_INSTALL = {"commands", "entrypoint", "runtime_packages", "registry_config", "builder_config"}
_WHOLE = [one.name for one in FIELDS if one.name not in _LISTED | _FILES | _NO_STEP]


@dataclass(frozen=True)
class Change:
    """What changed in one field; each is a list of items.

    Parameters
    ----------
    field
        Name of the field.
    added, removed, changed
        Items; :data:`WHOLE` is the field itself.
    """

    field: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As in "packages: + humanize, - six, attrs changed"."""
        if WHOLE in (*self.added, *self.removed, *self.changed):
            return f"{self.field} changed"
        told = [f"+ {item}" for item in self.added] + [f"- {item}" for item in self.removed]
        told += [f"{item} changed" for item in self.changed]
        more = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        return f"{self.field}: {', '.join(told[:_MOST_TOLD])}{more}"


_MOST_TOLD = 5


@dataclass(frozen=True)
class Asked:
    """What an image was asked for.

    Parameters
    ----------
    fields
        Field to item to a keyed hash of its value; names of items are no secrets.
    """

    fields: Mapping[str, Mapping[str, str]]

    def changes(self, now: Asked) -> list[Change]:
        """Tell what is asked for otherwise now, field by field, in the order of ImageSpec's."""
        found = []
        for field in ["base_image", *(one.name for one in FIELDS if one.name != "base_image")]:
            before, after = self.fields.get(field, {}), now.fields.get(field, {})
            change = Change(
                field,
                added=tuple(item for item in after if item not in before),
                removed=tuple(item for item in before if item not in after),
                changed=tuple(
                    item for item in after if item in before and after[item] != before[item]
                ),
            )
            if change != Change(field):
                found.append(change)
        return found

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Asked:
        """Read what :meth:`to_json` gave.

        Raises
        ------
        KeyError, AttributeError
            If it is nothing of that kind.
        """
        return cls({str(field): dict(items) for field, items in kept["fields"].items()})


def asked(spec: ImageSpec, inputs: Inputs, base: Sequence[object], key: bytes) -> Asked:
    """Note what a spec asks for.

    Parameters
    ----------
    spec
        A spec that passed validation.
    inputs
        Its files.
    base
        What tells the base image from others: its layers, its settings.
    key
        Of the user: without it, a hash tells nothing of a secret.
    """

    def masked(value: object) -> str:
        text = json.dumps(value, default=str)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]

    found: dict[str, dict[str, str]] = {"base_image": {WHOLE: masked([*base])}}
    for name in _WHOLE:
        if (value := getattr(spec, name, None)) is not None:
            found[name] = {WHOLE: masked(value)}
    if inputs.mounted:
        contents = [content.hex() for content in inputs.mounted]
        found["pip_secret_mounts"] = {WHOLE: masked([contents, spec.pip_secret_mounts])}
    found["apt_packages"] = {apt_name(one): masked(one) for one in spec.apt_packages or []}
    found["conda_packages"] = {one: masked(one) for one in spec.conda_packages or []}
    found["env"] = {name: masked(value) for name, value in (spec.env or {}).items()}
    found["commands"] = {
        f"command {number}": masked(one) for number, one in enumerate(spec.commands or [], 1)
    }
    found["packages"] = _requirements(spec.packages or [], masked)
    found["requirements"] = _file_requirements(inputs, masked)
    for path, entry in inputs.files.items():
        folder, _, inner = path.partition("/root/")
        field = "copy" if folder == "copy" else "source_root"
        if inner and not entry.is_folder:
            found.setdefault(field, {})[inner] = masked(entry.digest())
    return Asked({field: items for field, items in found.items() if items})


def dependencies_changed(changes: Iterable[Change]) -> list[Change]:
    """Give the changes of what is installed, not of the files and commands that stand on it."""
    found = []
    for change in changes:
        if change.field == "env":
            steering = Change(
                "env",
                *(
                    tuple(filter(is_steering, names))
                    for names in (change.added, change.removed, change.changed)
                ),
            )
            if steering != Change("env"):
                found.append(steering)
        elif change.field not in _FILES | _NO_INSTALL:
            found.append(change)
    return found


def apt_name(item: str) -> str:
    """Give the name in ``name=version``."""
    return item.partition("=")[0].strip()


def _requirements(items: Iterable[str], masked: Any) -> dict[str, str]:
    return {_item_name(item, masked): masked(item) for item in items}


def _item_name(item: str, masked: Any) -> str:
    """Give what stays the same of a requirement whose version changes."""
    try:
        one = Requirement(item.partition(" --")[0])
    except InvalidRequirement:
        return f"a URL ({masked(item)[:6]})"
    extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
    marker = f" ; {one.marker}" if one.marker else ""
    url = f" at a URL ({masked(one.url)[:6]})" if one.url else ""
    return f"{canonicalize_name(one.name)}{extras}{url}{marker}"


def _file_requirements(inputs: Inputs, masked: Any) -> dict[str, str]:
    files = inputs.requirements.files
    constraints = {
        line[3:] for text in files.values() for line in text.splitlines() if line[:3] == "-c "
    }
    wanted: list[str] = []
    others: list[str] = []
    for name, text in files.items():
        for line in text.splitlines():
            asks = name not in constraints and not line.startswith("-")
            (wanted if asks else others).append(line)
    found = _requirements(wanted, masked)
    if others:
        found[OPTIONS] = masked(others)
    return found
