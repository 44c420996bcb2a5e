"""What helps a build that failed, as buttons that fill the form."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envd_magic.diagnosis.model import Fix

_WIDE = widgets.Layout(width="auto", max_width="100%")
_ROW = widgets.Layout(flex_flow="row wrap", grid_gap="8px")


class Helps:
    """A button for each fix that changes the spec.

    Parameters
    ----------
    use
        Is given the fix that was chosen.
    """

    def __init__(self, use: Callable[[Fix], None]) -> None:
        self._use = use
        self.box = widgets.HBox(layout=_ROW)

    def show(self, fixes: Iterable[Fix]) -> None:
        """Offer fixes, with the numbers that the card has."""
        buttons = []
        for number, fix in enumerate(fixes, 1):
            if fix.changes:
                button = widgets.Button(description=f"Use {number}: {fix.text}", layout=_WIDE)
                button.on_click(partial(self._chosen, fix))
                buttons.append(button)
        self.box.children = buttons

    def _chosen(self, fix: Fix, _button: Any) -> None:
        self.show(())
        self._use(fix)
