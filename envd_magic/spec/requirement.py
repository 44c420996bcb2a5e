"""One Python requirement: PEP 508's form, or a bare URL as pip takes it."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement

# https://pip.pypa.io/en/stable/topics/vcs-support/
_URL_REQUIREMENT = re.compile(
    r"((git|hg|svn|bzr)\+(https?|ssh|git|file|svn|sftp|lp|static-http)|https?|file)://\S+"
)
_ARCHIVE = re.compile(r"\.(whl|zip|tar\.gz|tgz|tar\.bz2)$")


def requirement_problem(item: str) -> str | None:  # noqa: PLR0911 - one a kind of mistake
    """Say why `item` is no requirement that pip takes, or None if it is one.

    The form is PEP 508's, or a bare URL (`git+https://…`, `https://….whl`).
    """
    stripped = item.strip()
    if not item.isprintable():
        return "is no Python requirement: it has a line break, a tab or a control character in it"
    if _ARCHIVE.search(stripped.partition(";")[0].strip()) and "://" not in stripped:
        return (
            "is no Python requirement but a file; put it into `copy` and install it with `commands`"
        )
    if _URL_REQUIREMENT.match(stripped):
        url, _, marker = stripped.partition(" ;")
        if re.search(r"[\s\"'`<>]", url.strip()):
            return "is no Python requirement: the URL has characters that belong in no URL"
        if not marker:
            return None
        stripped = f"x ;{marker}"
    try:
        named = Requirement(stripped)
        if named.url and not _URL_REQUIREMENT.match(named.url):
            return f"is no Python requirement: {named.url!r} is no URL"
    except InvalidRequirement as error:
        if stripped.startswith("-"):
            return (
                "is no Python requirement but an option; options for the installer go into "
                "pip_extra_args, files into requirements"
            )
        if re.match(r"(\.{0,2}/|[A-Za-z]:\\)", stripped) or stripped in (".", ".."):
            return (
                "is no Python requirement but a path; put the folder into `copy` and install it "
                "with `commands`"
            )
        first = str(error).splitlines()[0]
        return f"is no Python requirement ({first}); expected for example 'pandas>=2'"
    return None


def requirement_name(item: str) -> str | None:
    """Give the name in a requirement; a bare URL has none."""
    try:
        return Requirement(item).name
    except InvalidRequirement:
        return None
