"""What the command line says: text, which no terminal obeys, and which stops no build."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from envd_magic.view.lines import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def say(text: str, *, err: bool = False) -> None:
    """Print a text without colours and control characters: it may name another's files."""
    click.echo(plain(text), err=err)


class _Lasting:
    """A stream that takes what can be written no more, and goes on.

    Who has hung up, as ``head`` does, is still told of: nobody wants the rest.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.why = ""
        """Why it cannot be written to, "" while it can."""

    def write(self, text: str) -> int:
        """Write."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what waits."""
        self._try(self._stream.flush)

    def _try(self, do: Callable[[], object]) -> None:
        if self.why:
            return
        try:
            do()
        except BrokenPipeError:
            raise
        except OSError as error:
            self.why = error.strerror or str(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_output(code: int) -> Iterator[None]:
    """Let a full disk under the output, or a terminal that is gone, stop nothing.

    Parameters
    ----------
    code
        How the process ends where that was so.
    """
    stream = _Lasting(sys.stdout)
    sys.stdout = stream
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            stream.flush()
        if stream.why:
            # Else it is written to once more at the end of the process.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
            say(f"error: the output cannot be written to: {stream.why}", err=True)
            sys.exit(code)
        elif sys.stdout is stream:
            sys.stdout = stream._stream  # noqa: SLF001
