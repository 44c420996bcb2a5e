"""envd's commands in a build: their words, their output into the log, and why they failed."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.envd.process import Running
from envd_magic.errors import BootstrapError, BuildError, EnvdError, EnvdNotFoundError
from envd_magic.recipe.mistakes import mistake
from envd_magic.shell import interrupts_wait

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envd_magic.envd.program import Program
    from envd_magic.pipeline.log import BuildLog

# What envd says where the engine ends while it waits for it.
_LOST = re.compile(
    r"error reading from server|transport is closing|code = Unavailable|connection reset by peer"
)


@dataclass(frozen=True)
class Commands:
    """What a build lets envd do.

    Parameters
    ----------
    program
        Which envd.
    environment
        All of its variables.
    log
        Reads what it says.
    """

    program: Program
    environment: Mapping[str, str]
    log: BuildLog

    def bootstrap(self, registry_config: Path, folder: Path) -> None:
        """Set up the builder of the context.

        Parameters
        ----------
        registry_config
            JSON file.
        folder
            Where files that it names count from.

        Raises
        ------
        BootstrapError
            If envd could not.
        """
        # Without the option for shells, envd writes lines into the user's shell profile.
        words = ["--with-autocomplete=false", "--registry-config", str(registry_config)]
        self._run(["bootstrap", *words], folder, BootstrapError)

    def build(self, folder: Path, words: Sequence[str]) -> None:
        """Build what a folder holds.

        Parameters
        ----------
        folder
            Has a build.envd.
        words
            What becomes of it, as options of ``envd build``.

        Raises
        ------
        BuildError
            If it failed; names the step, its field and its last lines.
        """
        # Without it, an engine has to list all its images, for one of this tag that envd has made
        # before. Tags are new each time.
        self._run(["build", "--force", "--path", str(folder), *words], folder, BuildError)

    def _run(self, words: list[str], folder: Path, kind: type[EnvdError]) -> None:
        path = self.program.path
        with ExitStack() as stack:
            try:
                # An interrupt in the middle of this would leave a command that nobody knows of.
                with interrupts_wait():
                    running = Running([str(path), *words], self.environment, folder)
                    stack.enter_context(running)
            except OSError as error:
                raise EnvdNotFoundError(f"{path} cannot be run: {error}") from error
            said = self.log.read(running.chunks())
            code = running.wait()
        if code != 0:
            raise kind(self._why(words[0], code, said), code)

    def _why(self, command: str, code: int, said: str | None) -> str:
        step = self.log.failure
        if step is None:
            if code < 0:
                what = signal.strsignal(-code) or "unknown"
                return f"envd {command} was ended from outside (signal {-code}: {what})"
            reason = said or f"exit status {code}"
            if _LOST.search(reason):
                return f"envd {command} failed: the Docker engine went away: {reason}"
            found = mistake(self.log.recipe, reason) if self.log.recipe is not None else None
            return f"envd {command} failed: {found or reason}"
        status = re.search(r"exit code: (\d+)\s*$", said or step.error)
        how = f" with exit code {status[1]}" if status else ""
        where = f" (field {step.field})" if step.field else ""
        first = f"The step {step.name!r} failed{how}{where}"
        if status and not step.lines:
            # The engine's words are the whole script then, which tells nothing.
            return f"{first}, and it printed nothing"
        # A step that runs no program says nothing: the engine's own words tell why.
        lines = step.lines or [step.error.strip()]
        return "\n".join([first, *(f"    {line}" for line in lines if line)])
