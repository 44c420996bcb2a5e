"""What a rule is: a pattern, what it means, where that stands in a spec, and what helps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from envd_magic.diagnosis.view import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.model import Fix
    from envd_magic.diagnosis.view import View

    PlaceOf: TypeAlias = Callable[[View, re.Match[str]], Place | None]
    FixesOf: TypeAlias = Callable[[View, re.Match[str], Place, Ask], Iterator[Fix]]
    Closer: TypeAlias = Callable[[View, re.Match[str], Place, Ask], "Rule | None"]


def of_step(view: View, _: re.Match[str]) -> Place:
    """Take the field that the step comes from."""
    return Place(view.failure.field)


def nowhere(_view: View, _match: re.Match[str]) -> Place:
    """Take no field: the spec is not what is wrong."""
    return Place("")


def of(field: str) -> PlaceOf:
    """Take a field as a whole."""
    return lambda _view, _match: Place(field)


@dataclass(frozen=True)
class Rule:
    """One kind of failure, as it is told.

    Parameters
    ----------
    kind
        Name of the kind.
    pattern
        Looked for in what was told, over lines.
    cause
        The cause as a sentence, with the pattern's groups in braces; also ``{item}``, ``{code}``
        (exit status) and ``{base}``.
    place
        Finds the field and the item; None lets the next rule try.
    fixes
        Give what can be done, the best first.
    certain
        Does the pattern tell it for sure, where the place is sure?
    closer
        Gives another rule's words for it, from what an index or a registry says, or None.
    """

    kind: str
    pattern: str
    cause: str
    place: PlaceOf = of_step
    fixes: tuple[FixesOf, ...] = ()
    certain: bool = True
    closer: Closer | None = None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.MULTILINE)

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """Find it in what was told."""
        return self._compiled.finditer(text)
