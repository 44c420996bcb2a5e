"""A failure, what is wrong, and what helps: values that pickle, and go to JSON and back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

#: The kind of a failure that no rule knows.
UNKNOWN = "unknown"
# Characters of an item that a sentence has.
_LONG_ITEM = 100


@dataclass(frozen=True)
class Failure:
    """What is known of a build that failed; secrets are masked.

    Parameters
    ----------
    error
        Names of the exception's classes, its own first.
    message
        What it says.
    stage
        Where the build was, as people read it.
    step
        Name of the step that failed, "" if none did.
    field
        The field that the step comes from.
    lines
        What the step printed, or what was told last.
    notices
        What the build warned about.
    problems
        Field, item and message of each thing that is wrong with a spec that is refused.
    """

    error: tuple[str, ...]
    message: str
    stage: str = ""
    step: str = ""
    field: str = ""
    lines: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    problems: tuple[tuple[str, str | None, str], ...] = ()


@dataclass(frozen=True)
class Change:
    """One change to one field of a spec.

    Parameters
    ----------
    field
        Its name; a base spec's as ``base_image.packages``.
    do
        "set" the field (None empties it); "add" an item, "replace" or "remove" one; "rewrite" a
        part of one, so that what is secret in the rest stays unsaid.
    value
        The new value or item; to rewrite, the old part and the new one.
    at
        Which one: the place in a list, the name in a mapping, the words in a text.
    """

    field: str
    do: str
    value: Any = None
    at: int | str | None = None


@dataclass(frozen=True)
class Edit:
    """One change of a file of the user's, which is the user's to make.

    Parameters
    ----------
    path
        The file.
    number
        Of the first line that changes, from 1 on.
    old
        The lines as they stand there.
    new
        What is to stand in their place.
    """

    path: str
    number: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def diff(self) -> tuple[str, ...]:
        """Lines that begin with - or +."""
        return (*(f"-{line}" for line in self.old), *(f"+{line}" for line in self.new))


@dataclass(frozen=True)
class Fix:
    """What can be done.

    Parameters
    ----------
    text
        In a few words, as an order.
    changes
        What it changes in the spec; none where the spec is not what has to change.
    command
        What to run outside of it, as in ``docker login localhost:5000``.
    edits
        What it changes in files that the spec names.
    """

    text: str
    changes: tuple[Change, ...] = ()
    command: str = ""
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """Why a build failed.

    Parameters
    ----------
    kind
        As in "package-missing"; "unknown" if no rule knows it.
    field
        The field at fault, "" if it is none of the spec's; a base spec's as
        ``base_image.packages``.
    item
        The item of the field, as it stands there, secrets masked; None if the whole is meant.
    cause
        Why, in a sentence.
    evidence
        The lines that tell it.
    fixes
        What can be done, the best first.
    certain
        Is it known, and not merely likely?
    where
        File and line of the item, as in "requirements.txt, line 3"; "" if it stands in the spec.
    """

    kind: str
    field: str = ""
    item: str | None = None
    cause: str = ""
    evidence: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    certain: bool = False
    where: str = ""

    @property
    def place(self) -> str:
        """Field and item in one, as in ``packages['pandas']``; a long item is cut."""
        where = f" ({self.where})" if self.where else ""
        if self.item is None:
            return f"{self.field}{where}"
        item = self.item if len(self.item) <= _LONG_ITEM else f"{self.item[:_LONG_ITEM]}…"
        return f"{self.field}[{item!r}]{where}"

    def __str__(self) -> str:
        likely = "" if self.certain or self.kind == UNKNOWN else "probably "
        return f"{self.place}: {likely}{self.cause}" if self.field else f"{likely}{self.cause}"

    def within(self, base: str) -> Diagnosis:
        """Give it as one of a spec that has the other as its base.

        Parameters
        ----------
        base
            The field that holds the other spec.
        """
        fixes = tuple(
            replace(
                fix,
                changes=tuple(replace(one, field=f"{base}.{one.field}") for one in fix.changes),
            )
            for fix in self.fixes
        )
        return replace(self, field=f"{base}.{self.field}" if self.field else "", fixes=fixes)

    def to_json(self) -> dict[str, Any]:
        """Give it as values of JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Diagnosis:
        """Give the diagnosis that :meth:`to_json` gave.

        Raises
        ------
        TypeError
            If it is none.
        KeyError
            If something is missing in it.
        """
        fixes = tuple(map(_fix_from_json, told["fixes"]))
        return cls(**{**told, "evidence": tuple(told["evidence"]), "fixes": fixes})


def _fix_from_json(told: dict[str, Any]) -> Fix:
    # What was kept before files could be changed has none of them.
    edits = (
        Edit(**{**one, "old": tuple(one["old"]), "new": tuple(one["new"])})
        for one in told.get("edits", ())
    )
    changes = tuple(Change(**one) for one in told["changes"])
    return Fix(**{**told, "changes": changes, "edits": tuple(edits)})
