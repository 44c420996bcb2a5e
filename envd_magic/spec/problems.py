"""What is wrong with an ImageSpec, as values."""

from __future__ import annotations

from dataclasses import dataclass

from envd_magic.spec.secrets import Secrets


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field.

    Parameters
    ----------
    field
        The ImageSpec field, or "" where the whole is meant.
    message
        What is wrong, and what was expected or what to do.
    item
        The item of a list, the name in a mapping; None where the whole field is meant.
    fatal
        True if nothing can be built, False for a warning.
    """

    field: str
    message: str
    item: str | None = None
    fatal: bool = True

    def __str__(self) -> str:
        """As in "packages['1 x']: is no Python requirement"; logins in URLs are masked."""
        where = self.field
        if self.item is not None:
            where += f"[{self.item!r}]" if where else repr(self.item)
        # It becomes an exception's text, which whoever raises or shows it does not look at.
        return Secrets().mask(f"{where}: {self.message}" if where else self.message)
