"""How much of a traceback a cell shows: what helps, or all of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.diagnosis.model import UNKNOWN
from envd_magic.errors import EnvdMagicError, SpecError
from envd_magic.spec.cell import CELL_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

# Lines of an error's message that a traceback repeats; what is shown above it has all.
_MOST = 12


@dataclass(frozen=True)
class _Shown:
    """What IPython shows of an exception; it goes where the exception goes, pickled too."""

    lines: list[str]

    def __call__(self) -> list[str]:
        return self.lines


@contextmanager
def short_tracebacks(shell: Any, *, whole: bool) -> Iterator[None]:
    """Let errors that pass show few lines in IPython; the exceptions stay what they are.

    Parameters
    ----------
    shell
        Whose tracebacks they become.
    whole
        True shows everything.
    """
    try:
        yield
    except UsageError:
        raise
    except BaseException as error:
        lines = _lines(shell, error, whole=whole)
        if lines is not None:
            # https://ipython.readthedocs.io/en/stable/config/integrating.html#custom-exception-tracebacks
            error._render_traceback_ = _Shown(lines)  # type: ignore[attr-defined]
            _show_by_itself(shell, error)
        raise


def _lines(shell: Any, error: BaseException, *, whole: bool) -> list[str] | None:
    """Give what IPython is to show, or None for what it shows by itself."""
    if whole:
        return _structured(shell, error, error.__traceback__)
    if isinstance(error, (EnvdMagicError, KeyboardInterrupt)):
        first, *rest = f"{type(error).__name__}: {error}".removesuffix(": ").splitlines()
        known = getattr(error, "diagnosis", None)
        if known is not None and known.kind != UNKNOWN:
            # The step's lines are in the card above, and a refusal says it all itself.
            return [first, str(known)] if not isinstance(error, SpecError) else [first, *rest]
        more = ["    …"] if len(rest) > _MOST else []
        return [first, *rest[:_MOST], *more]
    own = error.__traceback__
    while own is not None and own.tb_frame.f_code.co_filename != CELL_FILE:
        own = own.tb_next
    # Where the cell's code is not in it, the mistake is ours, and is shown whole.
    return None if own is None else _structured(shell, error, own)


def _structured(shell: Any, error: BaseException, trace: TracebackType | None) -> list[str]:
    # From the first frame on: IPython leaves out its own, and here are none of those.
    lines: list[str] = shell.InteractiveTB.structured_traceback(
        type(error), error, trace, tb_offset=0
    )
    return lines


def _show_by_itself(shell: Any, error: BaseException) -> None:
    """Let IPython itself show an error, once, where something else shows them.

    flytekit's import in a notebook installs rich's tracebacks: those have every frame, take no
    notice of what an exception wants to be shown, and hide it from programs that run notebooks.
    """
    name = "_showtraceback"
    theirs = shell.__dict__.get(name)
    if theirs is None:
        return

    def show(*args: Any, **more: Any) -> None:
        setattr(shell, name, theirs)
        if len(args) > 1 and args[1] is error:
            getattr(type(shell), name)(shell, *args)
        else:
            theirs(*args, **more)

    setattr(shell, name, show)
