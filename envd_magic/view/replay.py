"""A recording of a build, shown as the build was, and marked as what it is."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from envd_magic.doctor.report import findings_of
from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.pipeline.as_json import from_json
from envd_magic.pipeline.events import Finished, Notice, Tick
from envd_magic.records.restore import restored
from envd_magic.spec.secrets import Secrets
from envd_magic.view.cards import result_card, stopped_card
from envd_magic.view.display import Viewer
from envd_magic.view.failed import failure_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.result import BuildResult
    from envd_magic.records.recording import Recording
    from envd_magic.view.cards import Card
    from envd_magic.view.display import Screen

# Seconds between two looks at the clock while nothing is told.
_TICK = 0.2


class MarkedScreen:
    """Another screen, whose cards say that they are of a recording.

    Parameters
    ----------
    screen
        Where it is shown.
    mark
        What is said.
    """

    hint = "the stop button (■) or Ctrl-C ends the replay"

    def __init__(self, screen: Screen, mark: str) -> None:
        self._screen = screen
        self._mark = mark

    def event(self, event: Event) -> None:
        """Pass it on."""
        self._screen.event(event)

    def _marked(self, card: Card) -> Card:
        return replace(card, title=f"{card.title} ({self._mark})")

    def update(self, card: Card) -> None:
        """Show the build as it was then."""
        self._screen.update(self._marked(card))

    def finish(self, card: Card) -> None:
        """Show what came of it."""
        self._screen.finish(self._marked(card))


def replay(
    recording: Recording,
    screen: Screen,
    speed: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show a recording.

    Parameters
    ----------
    recording
        What was recorded.
    screen
        Where.
    speed
        How many times as fast as it was; 0 shows the end at once.
    sleep
        Waits.

    Raises
    ------
    FileError
        If the file is broken on the way; what came before has been shown.
    """
    marked = MarkedScreen(screen, recording.mark)
    marked.event(Notice(f"This is {recording.mark}, no build"))
    viewer = Viewer(marked, name=recording.header["name"])
    now = 0.0
    # Its times are the recording's, at whatever speed it is shown.
    viewer.state.clock = lambda: now
    result: BuildResult | None = None
    for at, event in _events(recording):
        while speed and now < at:
            pause = min(_TICK, (at - now) / speed)
            sleep(pause)
            now = min(at, now + pause * speed)
            viewer(Tick())
        now = max(now, at)
        if isinstance(event, Finished):
            result = event.result
        viewer(event)
    viewer.finish(replace(_last_card(recording, result), findings=findings_of(recording)))


def _events(recording: Recording) -> Iterator[tuple[float, Event]]:
    try:
        for at, told in recording.events():
            yield at, from_json(told)
    except ValueError as error:
        raise FileError(f"{recording.path}: {error}") from error


def _last_card(recording: Recording, result: BuildResult | None) -> Card:
    if result is None:
        card = stopped_card(None, recording.header["image"])
        return replace(card, notes=("the recording ends before the build did",))
    if result.status == "failed":
        try:
            spec = restored(recording.header["spec"])
        except EnvdMagicError as error:
            raise FileError(f"{recording.path}: its spec cannot be read: {error}") from error
        return failure_card(EnvdMagicError(result.error), spec, Secrets(), result)
    if result.status == "stopped":
        return stopped_card(result, recording.header["name"])
    return result_card(result)
