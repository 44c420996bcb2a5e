"""Build Flyte ImageSpecs with envd from a notebook, a script or flytekit.

In a notebook: ``%load_ext envd_magic``, then ``%%envd_build``. What is imported here costs nothing
until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envd_magic.errors import (
    BaseImageError,
    BootstrapError,
    BuildError,
    BuildInterrupted,
    CellError,
    CommandError,
    ContextError,
    EngineError,
    EnvdError,
    EnvdMagicError,
    EnvdNotFoundError,
    EnvdVersionError,
    FileError,
    PushError,
    SpecError,
    VerifyError,
)

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from envd_magic.api import build, create_envd_config, last_result, preview, verify
    from envd_magic.panel.panel import BuildPanel
    from envd_magic.pipeline.result import BuildResult, Step
    from envd_magic.plugin import EnvdImageSpecBuilder
    from envd_magic.recipe.model import Recipe
    from envd_magic.verification.result import Verification

__version__ = "0.1.0"

__all__ = [
    "BaseImageError",
    "BootstrapError",
    "BuildError",
    "BuildInterrupted",
    "BuildPanel",
    "BuildResult",
    "CellError",
    "CommandError",
    "ContextError",
    "EngineError",
    "EnvdError",
    "EnvdImageSpecBuilder",
    "EnvdMagicError",
    "EnvdNotFoundError",
    "EnvdVersionError",
    "FileError",
    "PushError",
    "Recipe",
    "SpecError",
    "Step",
    "Verification",
    "VerifyError",
    "build",
    "create_envd_config",
    "last_result",
    "load_ipython_extension",
    "plan",
    "preview",
    "unload_ipython_extension",
    "verify",
]

_LAZY = {
    "BuildPanel": "envd_magic.panel.panel",
    "BuildResult": "envd_magic.pipeline.result",
    "EnvdImageSpecBuilder": "envd_magic.plugin",
    "Recipe": "envd_magic.recipe.model",
    "Step": "envd_magic.pipeline.result",
    "build": "envd_magic.api",
    "create_envd_config": "envd_magic.api",
    "last_result": "envd_magic.api",
    "Verification": "envd_magic.verification.result",
    "plan": "envd_magic.api",
    "preview": "envd_magic.api",
    "verify": "envd_magic.api",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: flytekit alone takes a second."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to a shell (``%load_ext envd_magic``)."""
    from envd_magic import magic

    magic.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics out of a shell again (``%unload_ext envd_magic``)."""
    from envd_magic import magic

    magic.unload(shell)
