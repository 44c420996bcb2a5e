"""Verifications of all images that files define, as text or JSON."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.freeze.imports import imported
from envd_magic.headless.building import context_of
from envd_magic.headless.check import error_finding
from envd_magic.headless.find import inside, sources_of
from envd_magic.headless.preview import Text, error_text
from envd_magic.pipeline.verifying import verify_spec
from envd_magic.view.cards import verification_card
from envd_magic.view.text import card_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envd_magic.headless.find import Definition, Source
    from envd_magic.verification.result import Verification


def verifications(
    sources: Sequence[Source], image: str | None, context: str | None, *, as_json: bool
) -> Iterator[Text]:
    """Give what came of each image, and why nothing did where that is not known.

    Parameters
    ----------
    sources
        The files.
    image
        Name or ID of an image to look at in place of the only one that they define.
    context
        Name of the envd context; None takes that of each cell.
    as_json
        True gives an object a line.

    Raises
    ------
    FileError
        If a file cannot be read, or an image is named and they define several.
    """
    for source in sources:
        if source.error is not None:
            raise source.error
    definitions = [(source, one) for source in sources for one in source.definitions]
    count = sum(len(one.images()) for _, one in definitions if not one.is_preview)
    if image is not None and count != 1:
        raise FileError(
            f"--image {image}: it can be compared with one image, and {count} are named"
        )
    for source, one in definitions:
        if not one.is_preview:
            with inside(source.folder):
                texts = list(_definition(one, image, context, as_json=as_json))
            yield from texts


def _definition(
    definition: Definition, image: str | None, context: str | None, *, as_json: bool
) -> Iterator[Text]:
    if definition.error is not None:
        for finding in error_finding(definition, definition.error):
            yield error_text(finding, as_json=as_json)
    if definition.specs is None:
        return
    context = context_of(definition, context)
    modules = imported(sources_of(Path(definition.path.name)))
    for variable, spec in definition.images():
        verify = partial(verify_spec, spec, image, modules, context=context)
        yield from _image(definition, variable, verify, as_json=as_json)


def _image(
    definition: Definition, variable: str, verify: Callable[[], Verification], *, as_json: bool
) -> Iterator[Text]:
    try:
        found = verify()
    except EnvdMagicError as error:
        for finding in error_finding(definition, error):
            yield error_text(finding, as_json=as_json)
    else:
        yield _text(definition, variable, found, as_json=as_json)


def _text(definition: Definition, variable: str, found: Verification, *, as_json: bool) -> Text:
    if not as_json:
        told = card_text(verification_card(found))
        return Text(f"# {definition.where}: {variable}\n{told}\n", is_bad=not found.good)
    place = {"path": str(definition.path), "cell": definition.cell, "line": definition.line}
    text = json.dumps({**place, "variable": variable, **found.to_json()})
    return Text(text, is_bad=not found.good)
