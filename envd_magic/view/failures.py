"""A failed build in words, for doors that show nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.spec.secrets import spec_secrets
from envd_magic.view.failed import failure_card
from envd_magic.view.text import card_text

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.pipeline.result import BuildResult


def print_failure(error: Exception, spec: ImageSpec, result: BuildResult | None) -> None:
    """Print what failed, in which stage and step, and the spec, secrets masked.

    Parameters
    ----------
    error
        What was raised.
    spec
        What was to be built.
    result
        The last build's, which is this one if it failed.
    """
    ours = result if result is not None and result.status == "failed" else None
    print(card_text(failure_card(error, spec, spec_secrets(spec), ours)), flush=True)
