"""What can go wrong, as exceptions.

The tree::

    EnvdMagicError
    ├── SpecError            the ImageSpec asks for what cannot be honoured (a ValueError too)
    │   └── CellError        the cell's text does not make an ImageSpec
    ├── EnvdNotFoundError    there is no envd program
    ├── EnvdVersionError     the envd program is too old
    ├── ContextError         the envd context is not there or cannot be used
    ├── VerifyError          an image is not what was asked for
    ├── CommandError         a command that was run in an image failed
    ├── FileError            a notebook or another file is none of the kind that is expected
    ├── EngineError          the Docker engine cannot be reached or refused
    │   ├── BaseImageError   the base image is neither in the engine nor in its registry
    │   └── PushError        the registry did not take the image
    └── EnvdError            an envd command failed
        ├── BootstrapError   ... `envd bootstrap`
        └── BuildError       ... `envd build`, with the step that failed

    BuildInterrupted         the user stopped the build (a KeyboardInterrupt)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envd_magic.diagnosis.model import Diagnosis
    from envd_magic.spec.problems import Problem
    from envd_magic.verification.result import Verification


class EnvdMagicError(Exception):
    """Base of all errors of this package.

    What a build has raised has a ``diagnosis``: why it failed, and what helps.
    """

    diagnosis: Diagnosis | None = None

    def _render_traceback_(self: BaseException) -> list[str]:
        """Show the message alone in IPython: where in our code it was raised helps nobody."""
        return [f"{type(self).__name__}: {self}"]


class SpecError(EnvdMagicError, ValueError):
    """An ImageSpec that cannot be honoured.

    Parameters
    ----------
    problems
        What is wrong, at least one; each names the field and, where there is one, the item.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class CellError(SpecError):
    """The text of a cell does not make an ImageSpec."""


class EnvdNotFoundError(EnvdMagicError):
    """There is no envd program on PATH or beside the interpreter."""


class EnvdVersionError(EnvdMagicError):
    """The envd program is too old."""


class ContextError(EnvdMagicError):
    """An envd context is not there or cannot be used."""


class VerifyError(EnvdMagicError):
    """An image is not what was asked for.

    Parameters
    ----------
    verification
        All that was looked at.
    """

    def __init__(self, verification: Verification) -> None:
        super().__init__(verification)
        self.verification = verification

    def __str__(self) -> str:
        return str(self.verification)


class CommandError(EnvdMagicError):
    """A command that was run in an image ended with another status than 0."""


class FileError(EnvdMagicError):
    """A notebook, a recording or another file is none of the kind that is expected."""


class EngineError(EnvdMagicError):
    """The Docker engine cannot be reached, or it refused what was asked."""


class BaseImageError(EngineError):
    """The base image is neither in the engine nor in its registry."""


class PushError(EngineError):
    """The registry did not take the image."""


class EnvdError(EnvdMagicError):
    """An envd command failed.

    Parameters
    ----------
    message
        The cause in envd's words, shortened to what a reader needs.
    exit_code
        The exit status of envd; negative for the number of a signal.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message, exit_code)
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message


class BootstrapError(EnvdError):
    """`envd bootstrap` failed."""


class BuildError(EnvdError):
    """`envd build` failed."""


class BuildInterrupted(KeyboardInterrupt):
    """The user stopped the build; later cells stop as they do for any interrupt."""

    _render_traceback_ = EnvdMagicError._render_traceback_
