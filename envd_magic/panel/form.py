"""What stands in the form, as texts, and the ImageSpec that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from envd_magic.panel.masking import Hidden
from envd_magic.panel.values import SPEC_PREFIX, Unreadable, from_text, to_text
from envd_magic.spec.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit import ImageSpec

    from envd_magic.spec.problems import Problem

# Shown for a base that is an ImageSpec which no variable holds.
_UNNAMED = "the ImageSpec that came with the form"


@dataclass(frozen=True)
class Reading:
    """What a form says.

    Parameters
    ----------
    spec
        The ImageSpec; None if something is wrong.
    problems
        All that is wrong, and the warnings.
    """

    spec: ImageSpec | None
    problems: tuple[Problem, ...] = ()

    def of(self, name: str) -> tuple[Problem, ...]:
        """Give a field's problems, those within a base spec too."""
        return tuple(p for p in self.problems if p.field.partition(".")[0] == name)

    @property
    def ready(self) -> bool:
        """Can it be built?"""
        return self.spec is not None


@dataclass
class Form:
    """The texts of all fields.

    Parameters
    ----------
    namespace
        The notebook's variables.
    """

    namespace: Mapping[str, Any]
    texts: dict[str, str] = field(default_factory=lambda: {each.name: "" for each in FIELDS})
    hidden: Hidden = field(default_factory=Hidden)
    _base: Any = None

    def fill(self, spec: ImageSpec | None) -> None:
        """Write a spec into the form; None empties it."""
        from envd_magic.spec.source import set_fields

        values = dict(set_fields(spec)) if spec is not None else {}
        self.texts = {each.name: to_text(each.name, values.get(each.name)) for each in FIELDS}
        base = values.get("base_image")
        self._base = None
        if base is not None and not isinstance(base, str):
            self.texts["base_image"] = SPEC_PREFIX + self._name_of(base)
        self.texts["env"] = self.hidden.hide(self.texts["env"])

    def _name_of(self, base: Any) -> str:
        for name, value in self.namespace.items():
            if value is base and not name.startswith("_"):
                return name
        self._base = base
        return _UNNAMED

    def read(self) -> Reading:
        """Make the ImageSpec, or tell what is wrong; nothing is run."""
        from envd_magic.spec.validate import problems_of

        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for each in FIELDS:
            try:
                value = self._value(each.name)
            except Unreadable as error:
                problems.append(error.problem)
                continue
            if value is not None:
                values[each.name] = value
        spec, told = _made(values)
        problems += [*told, *(problems_of(spec) if spec is not None else ())]
        fatal = any(problem.fatal for problem in problems)
        return Reading(None if fatal else spec, tuple(problems))

    def _value(self, name: str) -> Any:
        text = self.texts[name]
        if name == "env":
            text = self.hidden.reveal(text)
        if name == "base_image" and self._base is not None and text == SPEC_PREFIX + _UNNAMED:
            return self._base
        return from_text(name, text, self.namespace)


def _made(values: Mapping[str, Any]) -> tuple[ImageSpec | None, list[Problem]]:
    """Make an ImageSpec without the fields that it refuses, and tell of those.

    It tells of the first alone, and what is wrong with the others is to be told as well.
    """
    from flytekit import ImageSpec

    from envd_magic.spec.cell import refused

    try:
        return ImageSpec(**values), []
    except ValueError as error:
        told = refused(error).problems
    fields = {problem.field for problem in told}
    rest = {name: value for name, value in values.items() if name not in fields}
    if len(rest) == len(values):
        return None, [*told]
    spec, more = _made(rest)
    return spec, [*told, *more]
