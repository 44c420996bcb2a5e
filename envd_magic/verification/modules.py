"""Imports: the modules that an image is asked for against what came of importing them; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from envd_magic.freeze.distributions import is_kernels
from envd_magic.freeze.imports import top_level
from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envd_magic.verification.asking import Answer
    from envd_magic.verification.wanted import Wanted

ASKED = "can be imported"
NOTEBOOK = "notebook"
# What a machine with a GPU brings into the container, and no image has.
_DRIVER = re.compile(r"lib(cuda|nvidia-[a-z]+|nvcuvid)\.so")
_NETWORK = ("gaierror", "URLError", "ConnectionError", "timeout", "TimeoutError")
_SIGNALS = {6: "it aborted", 9: "it was killed", 11: "it crashed (SIGSEGV)"}


def lines(modules: Iterable[str]) -> tuple[str, ...]:
    """Give what the probe is to import for modules: one line for each first name.

    What only a kernel or its front end uses is left out.
    """
    found = []
    for first, dotted in sorted(top_level(modules).items()):
        if not is_kernels(str(canonicalize_name(first))):
            found.append(",".join([first, *sorted(dotted - {first})]))
    return tuple(found)


def import_items(
    modules: Sequence[str], wanted: Sequence[Wanted], answer: Answer
) -> Iterator[Item]:
    """Tell what came of imports.

    Parameters
    ----------
    modules
        Lines of what was asked for beside the packages.
    wanted
        The packages.
    answer
        The image's.
    """
    owners = _owners(wanted, answer)
    first = [line.partition(",")[0] for line in modules]
    if answer.why:
        for name in first:
            yield Item(NOTEBOOK, f"import {name}", ASKED, "", UNCHECKED, answer.why)
        return
    for name in dict.fromkeys((*owners, *first)):
        state, said = answer.imports.get(name, ("skipped", ""))
        outcome, found, why = _outcome(name, state, said, is_asked=name in owners)
        yield Item(owners.get(name, NOTEBOOK), f"import {name}", ASKED, found, outcome, why)


def _owners(wanted: Sequence[Wanted], answer: Answer) -> dict[str, str]:
    """Give the modules of the packages that were asked for, each with the field that asks."""
    fields = {
        one.key: one.field
        for one in reversed(wanted)
        if one.key and not one.only_if_there and one.applies(answer.markers)
    }
    found: dict[str, str] = {}
    for record in answer.distributions:
        field = fields.get(str(canonicalize_name(record["name"])))
        for module in record.get("modules", ()) if field else ():
            found.setdefault(module, str(field))
    return found


def _outcome(name: str, state: str, said: str, *, is_asked: bool) -> tuple[str, str, str]:
    """Give the outcome, what was found, and why it is not checked."""
    if state == "ok":
        return OK, f"imported in {said} s", ""
    if state == "with":
        return OK, f"imported with {said}", ""
    if state == "died":
        number = int(said or 0)
        how = _SIGNALS.get(number, f"signal {number}" if number else "it ended the process")
        return DIFFERS, f"the import fails: {how}", ""
    if state == "failed":
        return _failed(name, said, is_asked=is_asked)
    why = "the other imports took all the time that there is"
    if state == "late":
        why = f"the import did not end within {float(said):.0f} s; there is no network here"
    return UNCHECKED, "", why


def _failed(name: str, said: str, *, is_asked: bool) -> tuple[str, str, str]:
    """Judge what an import has raised: some of it could not be otherwise here."""
    kinds, missing, *rest = said.split(" ", 2)
    message = f"{kinds.partition(',')[0]}: {''.join(rest)}".rstrip(": ")
    why = ""
    if not is_asked and f"{missing}.".startswith(f"{name}."):
        why = f"no package that the spec asks for has {missing}; a task that imports it fails"
    elif _DRIVER.search(said):
        why = f"it needs a GPU's driver, which is not here ({message})"
    elif any(kind in _NETWORK for kind in kinds.split(",")):
        why = f"it needs the network, which is not here ({message})"
    return (UNCHECKED, "", why) if why else (DIFFERS, f"the import fails: {message}", "")


def asked_names(wanted: Sequence[Wanted]) -> tuple[str, ...]:
    """Give the canonical names of the packages whose modules are to be imported."""
    return tuple(one.key for one in wanted if one.key and not one.only_if_there)
