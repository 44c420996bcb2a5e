"""A build that a panel has started: its events go to the panel's displays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envd_magic.interactive.choose import build_options, configured
from envd_magic.interactive.options import build_parser
from envd_magic.panel.browser import of_no_request
from envd_magic.pipeline.events import Finished, Started
from envd_magic.pipeline.stop import Stop
from envd_magic.spec.several import Specs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flytekit import ImageSpec

    from envd_magic.interactive.jobs import Job
    from envd_magic.magic import EnvdMagic
    from envd_magic.panel.browser import LogView
    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.options import Options
    from envd_magic.view.cards import Card


class PanelScreen:
    """Shows a build in a panel.

    Parameters
    ----------
    log
        Gets the log.
    update
        Is called with the card as it is now, at most five times a second.
    finish
        Is called with the last card.
    """

    hint = ""

    def __init__(
        self, log: LogView, update: Callable[[Card], None], finish: Callable[[Card], None]
    ) -> None:
        self._log = log
        self._update = update
        self._finish = finish

    def event(self, event: Event) -> None:
        """Let the log show the file of the image that is being built."""
        with of_no_request():
            if isinstance(event, Started):
                self._log.show(event.log_file)
            elif isinstance(event, Finished):
                self._log.more()

    def update(self, card: Card) -> None:
        """Show the build as it is now; its lines are in the log."""
        with of_no_request():
            self._log.more()
            self._update(replace(card, log=()))

    def finish(self, card: Card) -> None:
        """Show what came of it."""
        with of_no_request():
            self._log.more()
            self._finish(card)


def with_settings(spec: ImageSpec, magic: EnvdMagic) -> ImageSpec:
    """Give a spec as it would be built, with what the settings add."""
    return configured(Specs((("", spec),)), None, magic).items[0][1]


def options_of(magic: EnvdMagic, **chosen: bool | None) -> Options:
    """Give how a panel builds: options of ``%%envd_build`` by their names, and the settings."""
    return build_options(_options(chosen), magic, Stop())


def _options(chosen: Mapping[str, bool | None]) -> Any:
    options = build_parser().parse_line("")
    vars(options).update(chosen)
    return options


def start(
    magic: EnvdMagic,
    spec: ImageSpec,
    screen: PanelScreen,
    variable: str | None,
    **chosen: bool | None,
) -> Job:
    """Build in the background.

    Parameters
    ----------
    magic
        Has the settings and the session's builds.
    spec
        What to build.
    screen
        Where it is shown.
    variable
        Name that the spec is bound to when it is built.
    chosen
        Options of ``%%envd_build`` by their names: ``push``, ``force``, ``incremental``.
    """
    options, stop = _options(chosen), Stop()
    specs = configured(Specs((("", spec),)), options, magic)
    job = magic.jobs.make(specs, build_options(options, magic, stop), stop, variable)
    magic.jobs.start(job, quiet=False, tail=magic.setting("tail"), screen=screen)
    return job
