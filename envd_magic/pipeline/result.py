"""What a build came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.diagnosis.model import Diagnosis
    from envd_magic.verification.result import Verification


@dataclass(frozen=True)
class Step:
    """One step of a build (a vertex, as BuildKit has it).

    Parameters
    ----------
    name
        What it does.
    status
        "done", "cached", "failed", "stopped" (since another failed) or "running" (it never ended).
    seconds
        How long it ran.
    field
        The ImageSpec field that it comes from, "" if it comes from none.
    """

    name: str
    status: str
    seconds: float = 0.0
    field: str = ""


@dataclass(frozen=True)
class BuildResult:
    """What a build came to.

    Parameters
    ----------
    image
        Full name of the image.
    digest
        The registry's where it was pushed, else the image's ID.
    status
        "built", "exists" (it was there and was not built again), "failed" or "stopped".
    steps
        In the order in which they began.
    seconds
        From start to end.
    log_file
        Every line, secrets masked; None if nothing ran.
    platforms
        Name of the image of each platform, where there are several.
    warnings
        What the user should know.
    pushed
        True if a registry has it now.
    error
        Why it failed, "" if it did not.
    size
        Bytes, all layers; 0 if the engine does not have the image.
    stage
        Where it ended, as people read it.
    verification
        What was compared with what was asked for; None if nothing was.
    diagnosis
        Why it failed, as far as that is known; None if it did not.
    """

    image: str
    digest: str
    status: str
    steps: tuple[Step, ...] = ()
    seconds: float = 0.0
    log_file: Path | None = None
    platforms: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    pushed: bool = False
    error: str = ""
    size: int = 0
    stage: str = ""
    verification: Verification | None = None
    diagnosis: Diagnosis | None = None
