"""One control for each field of the table, with what is wrong with it beside it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from markupsafe import Markup

from envd_magic.paths import upload_folder
from envd_magic.spec.fields import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from envd_magic.spec.fields import Field
    from envd_magic.spec.problems import Problem

#: The fields that nearly every image has, in the order in which people fill them in.
COMMON = ("name", "base_image", "python_version", "packages", "apt_packages", "registry")
# Images that people start from; what the notebook and the engine know comes before them.
BASES = ("python:3.12-slim", "python:3.11-slim", "ubuntu:22.04", "debian:12-slim")
CHANNELS = ("conda-forge", "bioconda", "pytorch", "nvidia", "defaults")
_LINES = {
    "packages": "pandas>=2\nscikit-learn",
    "apt_packages": "git\nlibgomp1",
    "env": "SEED=7\nLOG_LEVEL=info",
    "pip_secret_mounts": "SOURCE -> TARGET",
    "commands": "python -c 'import pandas'",
    "entrypoint": "one word a line; [] removes the base image's",
    "copy": "data\nmodels/model.pt",
}
_ONE_LINE = {
    "name": "trainer",
    "registry": "localhost:5000",
    "python_version": "3.11",
    "platform": "linux/amd64",
    "requirements": "requirements.txt",
    "cuda": "12.1",
}
_ROWS = {"packages": 4, "env": 3, "commands": 3}
_WIDE = widgets.Layout(width="auto", flex_flow="column", align_items="stretch")
# As on the cards: mixed with the text's own colour, so that it can be read on light and on dark.
_WARNING = "color-mix(in srgb,var(--jp-warn-color1,#c77700),currentColor 40%)"
_FAULT = Markup('<div style="color:{}"><strong>The last build failed here</strong></div>')
_ERROR = "color-mix(in srgb,var(--jp-error-color1,#d32f2f),currentColor 35%)"


class Control:
    """A field's control.

    Parameters
    ----------
    field
        From the table.
    changed
        Called with the field's name and its text when a person has typed.
    """

    def __init__(self, field: Field, changed: Callable[[str, str], None]) -> None:
        self.field = field
        self._changed = changed
        self._quiet = False
        self.input = _input(field)
        self.problem = widgets.HTML()
        self.input.observe(self._typed, "value")
        parts = [self.input, *self._helpers(), self.problem]
        self.box = widgets.VBox(parts, layout=widgets.Layout(margin="0 0 4px 0", min_width="0"))
        self.say(())

    def _helpers(self) -> list[widgets.Widget]:
        if self.field.kind == "path" and self.field.name != "source_root":
            upload = widgets.FileUpload(
                description=f"Upload {self.field.label.lower()}",
                layout=widgets.Layout(width="max-content"),
            )
            upload.observe(self._uploaded, "value")
            return [upload]
        if self.field.name == "conda_channels":
            add = widgets.Combobox(
                description="Add a channel", options=CHANNELS, layout=_WIDE, style=_STYLE
            )
            add.observe(self._added, "value")
            return [add]
        return []

    def _typed(self, change: Any) -> None:
        if not self._quiet:
            self._changed(self.field.name, change["new"] or "")

    def _uploaded(self, change: Any) -> None:
        for file in change["new"]:
            self.input.value = str(keep(file["name"], bytes(file["content"])))

    def _added(self, change: Any) -> None:
        if change["new"] in CHANNELS:
            lines = [line for line in self.input.value.splitlines() if line.strip()]
            self.input.value = "\n".join(dict.fromkeys([*lines, change["new"]]))
            change["owner"].value = ""

    def show(self, text: str) -> None:
        """Show a text; nobody typed it."""
        self._quiet = True
        try:
            self.input.value = text
        finally:
            self._quiet = False

    def suggest(self, options: Iterable[str]) -> None:
        """Offer values, for the controls that can."""
        self.input.options = tuple(dict.fromkeys(option for option in options if option))

    def say(self, problems: Iterable[Problem], *, at_fault: bool = False) -> None:
        """Say what is wrong with the value, or that the last build failed in it."""
        lines: list[Markup] = [
            _said(_ERROR if each.fatal else _WARNING, "" if each.fatal else "Note: ", each)
            for each in problems
        ]
        if at_fault:
            lines.insert(0, _FAULT.format(_ERROR))
        value = Markup(
            '<div role="status" aria-live="polite" aria-label="{} says" '
            'style="line-height:1.4;white-space:normal;overflow-wrap:anywhere">{}</div>'
        ).format(self.field.label, Markup("").join(lines))
        # Each update is a message to the page.
        if self.problem.value != value:
            self.problem.value = str(value)
        self.problem.layout.display = None if lines else "none"


_STYLE = {"description_width": "initial"}


def _said(colour: str, before: str, problem: Problem) -> Markup:
    inner = problem.field.partition(".")[2]
    item = f"{problem.item!r} " if problem.item is not None else ""
    where = f"{inner}: " if inner else ""
    return Markup('<div style="color:{}">{}{}{}{}</div>').format(
        colour, before, where, item, problem.message
    )


def _input(field: Field) -> widgets.Widget:
    common: dict[str, Any] = {
        "description": field.label,
        "tooltip": field.help,
        "layout": _WIDE,
        "style": _STYLE,
    }
    if field.kind in ("list", "mapping", "pairs"):
        hint = _LINES.get(field.name, "NAME=value" if field.kind == "mapping" else "one a line")
        return widgets.Textarea(placeholder=hint, rows=_ROWS.get(field.name, 2), **common)
    if field.kind == "choice":
        from flytekit.constants import CopyFileDetection

        options = [("", ""), *((name, name) for name in CopyFileDetection.__members__)]
        return widgets.Dropdown(options=options, value="", **common)
    hint = _ONE_LINE.get(field.name, "")
    if field.kind == "image" or field.name == "registry":
        return widgets.Combobox(ensure_option=False, placeholder=hint, **common)
    return widgets.Text(placeholder=hint, **common)


def keep(name: str, content: bytes) -> Path:
    """Write an uploaded file where a build can read it, and give its path."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    folder = upload_folder() / digest
    folder.mkdir(mode=0o700, exist_ok=True)
    # The browser gives a bare name; whatever else comes is made one.
    path = folder / (name.replace("\\", "/").rpartition("/")[2] or "upload")
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def grouped(controls: dict[str, Control]) -> dict[str, list[Control]]:
    """Give the controls that are not common, by the table's groups."""
    groups: dict[str, list[Control]] = {}
    for name, control in controls.items():
        if name not in COMMON:
            groups.setdefault(BY_NAME[name].group, []).append(control)
    return groups
