"""A panel's build: how far it is, its log, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from envd_magic.panel.browser import LogView, TakeAway
from envd_magic.view.html import card_html

if TYPE_CHECKING:
    from envd_magic.view.cards import Card

_HIDDEN, _SHOWN = "none", None


class Outcome:
    """Displays below the form."""

    def __init__(self) -> None:
        self.running = False
        self.said = ""
        self._card = widgets.HTML(layout=widgets.Layout(width="100%", min_width="0"))
        self._take = TakeAway()
        self.log = LogView()
        self._log = widgets.VBox([self.log], layout=widgets.Layout(display=_HIDDEN))
        self.box = widgets.VBox([self._card, self._take, self._log])

    def begin(self) -> None:
        """Make room for a build."""
        self.running, self.said = True, ""
        self._card.value = ""
        self._take.actions = []
        self.log.show(None)
        self._log.layout.display = _SHOWN

    def show(self, html: str, heading: str) -> None:
        """Show something else than a build."""
        self._card.value = html
        self._take.actions = []
        self._log.layout.display = _HIDDEN
        self.end(heading, "")

    def update(self, card: Card) -> None:
        """Show the build as it is now."""
        self._card.value = str(card_html(card))

    def finish(self, card: Card, variable: str) -> None:
        """Show what came of it."""
        facts = dict(card.facts)
        digest = facts.get("Digest", "").partition(" ")[0]
        actions = [("Copy the image name", "copy", facts.get("Image", ""))]
        actions += [("Copy the digest", "copy", digest)]
        actions += [("Copy the task line", "copy", facts.get("Use", ""))]
        self._take.actions = actions if card.state in ("built", "exists") else []
        self._card.value = str(card_html(card))
        bound = f"; {variable} is the ImageSpec" if variable and actions and digest else ""
        self.end(card.heading, bound)

    def end(self, heading: str, more: str) -> None:
        """Note that nothing runs any more."""
        self.running = False
        self.said = f"{heading}{more}"
