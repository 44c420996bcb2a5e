"""``envd-magic context``: the contexts that builds can take."""

from __future__ import annotations

import sys

import click

from envd_magic.headless.say import say
from envd_magic.spec.names import CONTEXT_ACTIONS, builders_help


# Click takes lines as they are below its mark.
@click.command(epilog=f"\b\n{builders_help()}")
@click.argument("action", type=click.Choice(CONTEXT_ACTIONS), default="list", metavar="[ACTION]")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--builder", metavar="KIND", help="With add: kind of the builder, see below.")
@click.option("--address", metavar="ADDRESS", help="With add: where it is, see below.")
@click.option(
    "--certificates", metavar="FOLDER", help="With add, over TCP: has ca.pem, cert.pem and key.pem."
)
def context(action: str, name: str | None, **given: str | None) -> None:
    """List envd's contexts, or add, check or remove one.

    ACTION is list (the default), add, check or remove. What is added is for builds of envd-magic;
    your envd's own contexts, and which of them is current, stay as they are.
    """
    if action != "add":
        for option, value in given.items():
            if value is not None:
                raise click.UsageError(f"{action}: --{option} is for add")
    if action == "check":
        sys.exit(_check(name or _setting()))
    from envd_magic.envd import managing

    if action == "list":
        from envd_magic.view.images import table

        rows, told = managing.listing(_setting())
        say(f"{table(rows)}\n{told}")
        return
    if name is None:
        raise click.UsageError(f"{action}: NAME is missing")
    if action == "remove":
        say(managing.remove(name))
    else:
        say(managing.add(name, given["builder"], given["address"], given["certificates"]))


def _setting() -> str | None:
    """Give the context that the project's settings name.

    Raises
    ------
    EnvdMagicError
        If one of them is wrong.
    """
    from IPython.core.error import UsageError

    from envd_magic.errors import EnvdMagicError
    from envd_magic.interactive.settings import project_settings

    try:
        found: str | None = project_settings().setting("context")
    except UsageError as error:
        raise EnvdMagicError(str(error)) from error
    return found


def _check(name: str | None) -> int:
    """Show what was found; give the exit code."""
    from envd_magic.doctor.examine import OF_CONTEXTS, examine
    from envd_magic.doctor.finding import has_failed
    from envd_magic.doctor.subject import Subject
    from envd_magic.view.findings import findings_card
    from envd_magic.view.text import card_text

    found = examine([Subject(context=name)], OF_CONTEXTS)
    say(card_text(findings_card(found)))
    return int(has_failed(found))
