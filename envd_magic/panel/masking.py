"""Secret values in the form's variables: shown as bullets, remembered behind them."""

from __future__ import annotations

from dataclasses import dataclass, field

from envd_magic.panel.values import Unreadable
from envd_magic.spec.problems import Problem
from envd_magic.spec.secrets import is_secret_name

#: What stands in the form for a value that is not to be seen.
BULLETS = "•" * 8


@dataclass
class Hidden:
    """Values that bullets stand for, by the names of their variables."""

    values: dict[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """Replace the values of variables whose names look secret by bullets, and remember them."""
        return "\n".join(map(self._hidden, text.split("\n")))

    def _hidden(self, line: str) -> str:
        name, equals, value = line.partition("=")
        if not equals or not value.strip() or not is_secret_name(name.strip()):
            return line
        if value == BULLETS:
            return line
        self.values[name.strip()] = self._whole(name.strip(), value)
        return f"{name}={BULLETS}"

    def _whole(self, name: str, value: str) -> str:
        # What is typed before or after the bullets is added to what they stand for.
        return value.replace(BULLETS, self.values.get(name, BULLETS))

    def reveal(self, text: str) -> str:
        """Give the text with its values.

        Raises
        ------
        Unreadable
            If bullets stand for nothing: some were deleted, or the variable was renamed.
        """
        lines = []
        for line in text.split("\n"):
            name, equals, value = line.partition("=")
            whole = self._whole(name.strip(), value) if "•" in value else value
            if "•" in whole:
                message = "the hidden value was changed in part; type it anew"
                raise Unreadable(Problem("env", message, name.strip()))
            lines.append(f"{name}{equals}{whole}")
        return "\n".join(lines)
