"""What the doctor says, as values."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: It will do; it may not do; it will not do.
OK, WARNING, FAIL = "ok", "warning", "fail"
_COUNTED = {OK: "ok", WARNING: "warnings", FAIL: "failed"}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    name
        What was looked at.
    outcome
        One of :data:`OK`, :data:`WARNING` and :data:`FAIL`.
    text
        What is there, or what is wrong.
    fix
        The command that mends it, "" if nothing is wrong or no command does.
    """

    name: str
    outcome: str
    text: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Give it as values of JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Finding:
        """Give the finding that :meth:`to_json` gave.

        Raises
        ------
        TypeError
            If it is none.
        """
        if not all(isinstance(text, str) for text in told.values()):
            raise TypeError("a finding has something else than text")
        if told.get("outcome") not in _COUNTED:
            raise TypeError(f"an outcome is {str(told.get('outcome'))[:80]!r}")
        return cls(**told)


def counted(findings: Iterable[Finding]) -> str:
    """Say how many there are of each outcome."""
    found = Counter(one.outcome for one in findings)
    texts = {kind: f"{found[kind]} {name}" for kind, name in _COUNTED.items() if found[kind]}
    if found[WARNING] == 1:
        texts[WARNING] = "1 warning"
    return ", ".join(texts.values())


def has_failed(findings: Iterable[Finding]) -> bool:
    """Is there something without which nothing can be built?"""
    return any(one.outcome == FAIL for one in findings)
