"""A build in plain lines: for a terminal, a log, CI, and cells until something better is there."""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING

from envd_magic.pipeline.events import Notice, Output, PhaseChanged, Tick
from envd_magic.spec.source import format_spec

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.result import BuildResult, Step
    from envd_magic.recipe.model import Recipe
    from envd_magic.spec.secrets import Secrets

# Seconds between two writes: a front end that gets every line by itself drowns.
_PAUSE = 0.2
# A longer line is cut on the screen; the log has it whole.
_WIDEST = 2000
# Lines kept of what came in one pause; the log has all.
_MOST = 1000


def tidy(text: str) -> str:
    """Give a line as a terminal shows it at the end: the last state of a redrawn line."""
    if "\r" in text:
        prefix = match[0] if (match := re.match(r"#\d+ \d+\.\d+ ", text)) else ""
        last = text.rstrip("\r").rpartition("\r")[2]
        text = last if last.startswith(prefix) else prefix + last
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}… ({len(text)} characters)"


class PlainView:
    """Prints a build as it runs, in batches.

    Parameters
    ----------
    whole
        True prints every line as it comes; False leaves lines out of a flood.
    """

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._texts: list[str] = []
        self._count = 0
        self._left_out = 0
        self._written = 0.0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Output):
            if self._whole:
                self._texts.append(event.text)
            else:
                self._add(event.lines)
        elif isinstance(event, PhaseChanged):
            detail = f": {event.detail}" if event.detail else ""
            self._texts.append(f"── {event.phase.value}{detail}\n")
        elif isinstance(event, Notice):
            self._texts.append(f"note: {event.text}\n")
        elif not isinstance(event, Tick):
            return
        if self._whole or time.monotonic() - self._written > _PAUSE:
            self.flush()

    def _add(self, lines: list[str]) -> None:
        room = max(0, _MOST - self._count)
        self._count += len(lines)
        kept = lines[:room]
        self._left_out += len(lines) - len(kept)
        if kept:
            self._texts.append("".join(f"{tidy(line)}\n" for line in kept))

    def flush(self) -> None:
        """Print what has gathered."""
        if self._left_out:
            self._texts.append(f"… {self._left_out} lines left out here; the log has them\n")
        if self._texts:
            sys.stdout.write("".join(self._texts))
            sys.stdout.flush()
        self._texts.clear()
        self._count = self._left_out = 0
        self._written = time.monotonic()


def result_text(result: BuildResult, variable: str | None = None) -> str:
    """Say what came out."""
    verb = {"built": "Built", "exists": "Already there:"}.get(result.status, "Failed:")
    lines = [f"{verb} {result.image}  ({result.seconds:.1f} s)"]
    if result.digest:
        lines.append(f"  digest  {result.digest}{'' if result.pushed else '  (local only)'}")
    lines += [f"  {platform:8}{name}" for platform, name in result.platforms.items()]
    if result.steps:
        lines.append("  steps")
        lines += [f"    {step_text(step)}" for step in result.steps]
    if variable:
        lines.append(f"  use     @task(container_image={variable})")
    if result.log_file is not None:
        lines.append(f"  log     {result.log_file}")
    return "\n".join(lines)


def step_text(step: Step) -> str:
    """One step on one line."""
    took = "CACHED" if step.status == "cached" else f"{step.seconds:.1f} s"
    origin = f"  [{step.field}]" if step.field else ""
    return f"{took:>8}  {'FAILED ' if step.status == 'failed' else ''}{step.name}{origin}"


def recipe_text(recipe: Recipe) -> str:
    """The recipe: build.envd, the files beside it, what is finished after."""
    parts = [f"# {recipe.image} for {', '.join(recipe.platforms)}", "", recipe.text.rstrip()]
    shown = sorted(name for name, entry in recipe.files.items() if entry.mode or entry.link)
    if shown:
        parts += ["", "# Files beside build.envd:", *(f"#   {name}" for name in shown[:50])]
        if len(shown) > 50:  # noqa: PLR2004
            parts.append(f"#   … and {len(shown) - 50} more")
    parts += ["", "# After envd, through the engine:"]
    parts += [f"#   {line}" for line in recipe.finish.lines()]
    if recipe.warnings:
        parts += ["", *(f"# note: {text}" for text in recipe.warnings)]
    return "\n".join(parts)


def failure_text(spec: ImageSpec, secrets: Secrets, result: BuildResult | None) -> str:
    """The spec that failed, formatted, with what failed in it."""
    step = next((s for s in result.steps if s.status == "failed"), None) if result else None
    origin = f" in {step.name!r}" + (f" [{step.field}]" if step.field else "") if step else ""
    lines = [f"Failed to build image spec{origin}:", format_spec(spec, secrets)]
    if result is not None and result.log_file is not None:
        lines.append(f"log: {result.log_file}")
    return "\n".join(lines)
