"""The panel: the form, what envd will be told, the build, and what came of it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from IPython.core.error import UsageError

from envd_magic.errors import EnvdMagicError
from envd_magic.interactive.choose import is_name, spec_variables
from envd_magic.panel.building import PanelScreen, options_of, start, with_settings
from envd_magic.panel.controls import BASES, COMMON, Control, grouped
from envd_magic.panel.form import Form
from envd_magic.panel.helps import Helps
from envd_magic.panel.outcome import Outcome
from envd_magic.panel.preview import Preview
from envd_magic.panel.values import SPEC_PREFIX
from envd_magic.spec.fields import FIELDS
from envd_magic.view.cards import STATES

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Fix
    from envd_magic.interactive.jobs import Job
    from envd_magic.magic import EnvdMagic
    from envd_magic.panel.form import Reading
    from envd_magic.view.cards import Card

# Seconds without a keystroke after which secret values are hidden.
_PAUSE = 2.0
# Side by side where there is room, else one below the other.
_FLOW = widgets.Layout(display="flex", flex_flow="row wrap", width="100%", grid_gap="16px")
_HALF = widgets.Layout(flex="1 1 380px", min_width="0")
_TEXT = {"description_width": "initial"}


class BuildPanel(widgets.VBox):
    """A form for an ImageSpec, with the recipe beside it, that builds.

    Parameters
    ----------
    spec
        Fills the form; None leaves it empty.
    variable
        Name that the spec is bound to when it is built.

    Raises
    ------
    UsageError
        If there is no notebook to show it in.
    """

    def __init__(self, spec: ImageSpec | None = None, variable: str = "") -> None:
        self._magic = _magic()
        self._job: Job | None = None
        self._fault: tuple[str, ...] = ()
        self._bound = ""
        self._timer: asyncio.TimerHandle | None = None
        # What a person does and what a build tells come on different threads.
        self._turn = threading.RLock()
        self._form = Form(self._magic.shell.user_ns)
        self._reading: Reading | None = None
        self._controls = {field.name: Control(field, self._typed) for field in FIELDS}
        self._preview = Preview()
        self._outcome = Outcome()
        self._make_buttons(variable)
        self._helps = Helps(self._use)
        self._built: ImageSpec | None = None
        super().__init__([self._top(), self._helps.box, self._outcome.box])
        self.add_class("envd-panel")
        self.restore(spec)

    def _make_buttons(self, variable: str) -> None:
        wide, short = widgets.Layout(width="auto"), widgets.Layout(width="6em")
        self._variable = widgets.Text(
            value=variable, description="Variable", placeholder="trainer", style=_TEXT, layout=wide
        )
        self._variable.observe(lambda _: self._refresh(), "value")
        self._push_too = widgets.Checkbox(
            value=True, description="Push when built", indent=False, layout=wide
        )
        self._force = widgets.Checkbox(
            value=False, description="Build even if it is there", indent=False, layout=wide
        )
        self._incremental = widgets.Checkbox(
            value=bool(self._magic.setting("incremental")),
            description="Only add what is new",
            indent=False,
            layout=wide,
        )
        self._build = widgets.Button(description="Build", button_style="primary", layout=short)
        self._build.on_click(lambda _: self._begin(push=None if self._push_too.value else False))
        self._plan = widgets.Button(description="Plan", layout=short)
        self._plan.on_click(lambda _: self._show_plan())
        self._push = widgets.Button(description="Push", layout=short)
        self._push.on_click(lambda _: self._begin(push=True))
        self._cancel = widgets.Button(description="Cancel", disabled=True, layout=short)
        self._cancel.on_click(lambda _: self.cancel())
        self._state = widgets.HTML()
        self._history = widgets.Dropdown(
            description="History",
            style=_TEXT,
            layout=widgets.Layout(width="auto", min_width="24em"),
        )
        self._restore = widgets.Button(description="Restore")
        self._restore.on_click(lambda _: self._restored())
        self._clear = widgets.Button(description="Clear the form")
        self._clear.on_click(lambda _: self.restore(None))

    def _top(self) -> widgets.Widget:
        common = [self._controls[name].box for name in COMMON]
        groups = grouped(self._controls)
        tabs = widgets.Tab(
            children=[widgets.VBox([each.box for each in group]) for group in groups.values()],
            titles=list(groups),
        )
        form = widgets.VBox([*common, tabs], layout=_HALF)
        # The recipe grows and shrinks as one types: above them it would move the buttons away.
        beside = widgets.VBox([self._actions(), self._preview.box], layout=_HALF)
        return widgets.HBox([form, beside], layout=_FLOW)

    def _actions(self) -> widgets.Widget:
        row = widgets.Layout(flex_flow="row wrap", align_items="center", grid_gap="8px")
        first = [self._variable, self._plan, self._build, self._cancel, self._push]
        first += [self._push_too, self._force, self._incremental]
        second = [self._history, self._restore, self._clear]
        return widgets.VBox(
            [widgets.HBox(first, layout=row), self._state, widgets.HBox(second, layout=row)]
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data:
            again = f" {self._variable.value}" if is_name(self._variable.value) else ""
            data["text/plain"] = (
                "envd_magic's build panel: a form for an ImageSpec that builds its image. It lives "
                f"as long as its kernel; %envd panel{again} shows it anew."
            )
        return bundle

    def restore(self, spec: ImageSpec | None) -> None:
        """Fill the form with a spec; None empties it."""
        self._form.fill(spec)
        for name, control in self._controls.items():
            control.show(self._form.texts[name])
        self._fault = ()
        self._suggest()
        self._refresh()
        self._show_history()

    def _suggest(self) -> None:
        from flytekit import ImageSpec

        from envd_magic.engine.seen import seen_registries
        from envd_magic.recipe.compose import base_name

        namespace = self._magic.shell.user_ns
        variables = [f"{SPEC_PREFIX}{name}" for name in spec_variables(namespace)]
        self._controls["base_image"].suggest([base_name(ImageSpec()), *variables, *BASES])
        self._controls["registry"].suggest(seen_registries())

    def _typed(self, name: str, text: str) -> None:
        with self._turn:
            self._form.texts[name] = text
            self._fault = tuple(each for each in self._fault if each != name)
            self._refresh()
        if name == "env":
            self._hide_soon()

    def _hide_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._hide()
            return
        self._timer = loop.call_later(_PAUSE, self._hide)

    def _hide(self) -> None:
        hidden = self._form.hidden.hide(self._form.texts["env"])
        if hidden != self._form.texts["env"]:
            self._form.texts["env"] = hidden
            self._controls["env"].show(hidden)

    def _refresh(self) -> None:
        """Read the form anew and show what follows from it."""
        reading = self._reading = self._form.read()
        for name, control in self._controls.items():
            control.say(reading.of(name), at_fault=name in self._fault)
        named = self._variable.value.strip()
        rest = [str(problem) for problem in reading.problems if not problem.field]
        if named and not is_name(named):
            rest.append(f"Variable: {named!r} is no name of a variable")
        spec = None if reading.spec is None else with_settings(reading.spec, self._magic)
        rest += self._preview.show(spec, named if is_name(named) else "")
        self._ready(reading, rest)

    def _ready(self, reading: Reading, rest: list[str]) -> None:
        running = self._job is not None and self._outcome.running
        wrong = sum(problem.fatal for problem in reading.problems if problem.field) + len(rest)
        self._build.disabled = running or wrong > 0
        spec = reading.spec and with_settings(reading.spec, self._magic)
        self._plan.disabled = self._build.disabled
        self._push.disabled = self._build.disabled or not (spec and spec.registry)
        self._cancel.disabled = not running
        if running:
            return
        if wrong:
            fields = [each.label for each in FIELDS if any(p.fatal for p in reading.of(each.name))]
            first = [f"To mend before it can be built: {', '.join(fields)}"] if fields else []
            self._say("; ".join(first + rest))
        elif not self._outcome.said:
            self._say("Ready to build")
        else:
            self._say(self._outcome.said)

    def _say(self, text: str) -> None:
        from markupsafe import Markup

        value = str(Markup('<div role="status" aria-live="polite">{}</div>').format(text))
        if self._state.value != value:
            self._state.value = value

    def _show_plan(self) -> None:
        """Tell what a build would do now."""
        from envd_magic.forecast.plan import make_plan
        from envd_magic.view.plans import plan_heading, plan_html

        reading = self._reading
        if reading is None or reading.spec is None or self._outcome.running:
            return
        self._say("Planning")
        push = None if self._push_too.value else False
        try:
            asked = options_of(self._magic, **self._chosen(push=push))
            plan = make_plan(with_settings(reading.spec, self._magic), asked)
            self._outcome.show(str(plan_html(plan)), plan_heading(plan))
        except (UsageError, EnvdMagicError) as error:
            self._outcome.show("", str(error))
        self._refresh()

    def _chosen(self, *, push: bool | None) -> dict[str, bool | None]:
        """Give the options of a build as the buttons have them."""
        return {"push": push, "force": self._force.value, "incremental": self._incremental.value}

    def _begin(self, *, push: bool | None) -> None:
        self._hide()
        reading = self._reading
        if reading is None or reading.spec is None or self._outcome.running:
            return
        self._fault = ()
        self._helps.show(())
        self._built = reading.spec
        self._bound = self._variable.value.strip()
        self._outcome.begin()
        self._preview.built()
        screen = PanelScreen(self._outcome.log, self._updated, self._finished)
        try:
            self._job = start(
                self._magic,
                reading.spec,
                screen,
                self._bound or None,
                **self._chosen(push=push),
            )
        except (UsageError, EnvdMagicError) as error:
            self._outcome.end("", str(error))
        self._refresh()
        self._show_history()

    def cancel(self) -> None:
        """Stop the build that runs; it ends within a second."""
        if self._job is not None and self._outcome.running:
            self._job.stop.ask()
            self._cancel.disabled = True
            self._say("Stopping")

    def _updated(self, card: Card) -> None:
        # On the build's thread, as the next.
        self._outcome.update(card)
        if not self._cancel.disabled or self._job is None:
            where = card.status.partition(" · ")[0]
            self._say(f"{STATES[card.state]} {card.title}: {where}")

    def _finished(self, card: Card) -> None:
        with self._turn:
            self._fault = card.fields
            # Here a button fills the form.
            self._outcome.finish(replace(card, hint=""), self._bound)
            self._helps.show(card.diagnosis.fixes if card.diagnosis else ())
            self._refresh()
            self._show_history()

    def _use(self, fix: Fix) -> None:
        """Fill the form with the spec that was built, and a fix made; nothing is built."""
        from envd_magic.diagnosis.edits import fixed

        if self._built is not None:
            self._outcome.end("The fix is in the form; Build tries it", "")
            self.restore(fixed(self._built, fix))

    def _show_history(self) -> None:
        jobs = [job for job in reversed(self._magic.jobs.all()) if len(job.specs.items) == 1]
        options = [(f"{job.number}: {job.image}", job.number) for job in jobs]
        if tuple(options) != tuple(self._history.options):
            self._history.options = options
            # The newest, which comes first; by itself it chooses none.
            self._history.index = 0 if options else None
        self._restore.disabled = not options

    def _restored(self) -> None:
        if self._history.value is not None:
            job = self._magic.jobs.get(self._history.value)
            self.restore(job.specs.items[0][1])
            if job.variable:
                self._variable.value = job.variable


def _magic() -> EnvdMagic:
    """Give the magic of this notebook, and load it if nobody has."""
    from IPython import get_ipython

    from envd_magic import magic
    from envd_magic.view.display import is_kernel

    shell = get_ipython()
    if shell is None or not is_kernel(shell):
        raise UsageError("the panel needs a notebook; in a terminal, build with %%envd_build")
    if magic.EnvdMagic.__name__ not in shell.magics_manager.registry:
        shell.run_line_magic("load_ext", "envd_magic")
    found: EnvdMagic = shell.magics_manager.registry[magic.EnvdMagic.__name__]
    return found


__all__ = ["BuildPanel"]
