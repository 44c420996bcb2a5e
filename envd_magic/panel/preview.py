"""What the form comes to: the recipe with what changed, and code to take away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from envd_magic.errors import EnvdMagicError
from envd_magic.panel.browser import TakeAway
from envd_magic.panel.code import as_cell, as_python, as_yaml
from envd_magic.view.highlight import code_html

if TYPE_CHECKING:
    from flytekit import ImageSpec

_RECIPE = "build.envd"
_FORMS: dict[str, tuple[str, Any]] = {
    "Python": ("python", as_python),
    "Cell": ("python", as_cell),
    "YAML": ("yaml", as_yaml),
}


class Preview:
    """The code beside the form."""

    def __init__(self) -> None:
        self._spec: ImageSpec | None = None
        self._variable = ""
        self._recipe = ""
        self._built: str | None = None
        self._choice = widgets.Dropdown(
            description="Show as",
            options=[_RECIPE, *_FORMS],
            style={"description_width": "initial"},
            layout=widgets.Layout(width="auto"),
        )
        self._choice.observe(lambda _: self._draw(), "value")
        self._code = widgets.HTML(layout=widgets.Layout(min_width="0", width="100%"))
        self._take = TakeAway()
        self.box = widgets.VBox([self._choice, self._code, self._take])

    def show(self, spec: ImageSpec | None, variable: str) -> list[str]:
        """Show a spec; None leaves the last one.

        Returns
        -------
        list of str
            What is wrong beyond what the fields' checks find.
        """
        from envd_magic.api import preview
        from envd_magic.spec.secrets import spec_secrets
        from envd_magic.view.text import recipe_text

        if spec is None:
            return []
        try:
            self._recipe = spec_secrets(spec).mask(recipe_text(preview(spec)))
        except EnvdMagicError as error:
            return [str(error)]
        self._spec, self._variable = spec, variable
        self._draw()
        return []

    def built(self) -> None:
        """Mark from now on what is other than now."""
        self._built = self._recipe
        self._draw()

    def _draw(self) -> None:
        if self._spec is None:
            return
        name = self._choice.value
        if name == _RECIPE:
            text = self._recipe
            shown = code_html(text, "python", self._built, "Recipe")
        else:
            language, form = _FORMS[name]
            text = form(self._spec, self._variable)
            shown = code_html(text, language, label=name)
        self._code.value = str(shown)
        cell = as_cell(self._spec, self._variable)
        self._take.actions = [("Copy the code", "copy", text), ("Insert as cell", "insert", cell)]
