"""An IPython shell of a test's own, which raises what a cell raises."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from traitlets.config import Config


class Shell(InteractiveShell):  # type: ignore[misc]  # IPython has no types
    """A shell with the extension."""

    def do(self, cell: str) -> str:
        """Run a cell; give what it printed, or raise what it raised."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            result = self.run_cell(cell, store_history=False)
        result.raise_error()
        return out.getvalue()


def shell(config: Config | None = None, *, loaded: bool = True) -> Any:
    """Make a shell."""
    made = Shell(config=config) if config is not None else Shell()
    if loaded:
        made.do("%load_ext envd_magic")
    return made
