"""What the command line says: text, which no terminal obeys."""

from __future__ import annotations

import click

from envd_magic.view.lines import plain


def say(text: str, *, err: bool = False) -> None:
    """Print a text without colours and control characters: it may name another's files."""
    click.echo(plain(text), err=err)
