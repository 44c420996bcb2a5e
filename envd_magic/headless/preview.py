"""Recipes of all images that files define, as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.errors import EnvdMagicError
from envd_magic.headless.check import Finding, error_finding
from envd_magic.headless.find import inside
from envd_magic.headless.report import fields
from envd_magic.spec.secrets import spec_secrets
from envd_magic.view.text import recipe_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flytekit import ImageSpec

    from envd_magic.headless.find import Definition, Source
    from envd_magic.pipeline.options import Options


#: Gives what is shown of an image: its definition, the variable, the spec, and whether as JSON.
Show = Callable[["Definition", str, "ImageSpec", bool], str]


class Text(NamedTuple):
    """A piece of output; an error goes where errors go, and what is bad counts as one."""

    text: str
    is_error: bool = False
    is_bad: bool = False


def previews(
    sources: Iterable[Source], *, as_json: bool, show: Show | None = None
) -> Iterator[Text]:
    """Give what envd would be told for each image, and why not where that is not known.

    Parameters
    ----------
    sources
        The files.
    as_json
        True for an object a line.
    show
        Gives something else of each image than its recipe.
    """
    for source in sources:
        if source.error is not None:
            raise source.error
        with inside(source.folder):
            texts = [
                text
                for one in source.definitions
                for text in _definition(one, show or _recipe, as_json=as_json)
            ]
        yield from texts


def _definition(definition: Definition, show: Show, *, as_json: bool) -> Iterator[Text]:
    if definition.error is not None:
        for finding in error_finding(definition, definition.error):
            yield error_text(replace(finding, fatal=True), as_json=as_json)
    for variable, spec in definition.images():
        yield from _image(definition, variable, spec, show, as_json=as_json)


def _image(
    definition: Definition, variable: str, spec: ImageSpec, show: Show, *, as_json: bool
) -> Iterator[Text]:
    try:
        yield Text(show(definition, variable, spec, as_json))
    except EnvdMagicError as error:
        for finding in error_finding(definition, error):
            yield error_text(finding, as_json=as_json)


def error_text(finding: Finding, *, as_json: bool) -> Text:
    """Give why there is nothing to show of an image."""
    return Text(json.dumps(fields(finding)) if as_json else str(finding), is_error=True)


def _recipe(definition: Definition, variable: str, spec: ImageSpec, as_json: bool) -> str:  # noqa: FBT001
    from envd_magic.api import preview

    recipe, secrets = preview(spec), spec_secrets(spec)
    if not as_json:
        return secrets.mask(f"# {definition.where}: {variable}\n{recipe_text(recipe)}\n")
    value = {
        **place(definition, variable),
        "image": recipe.image,
        "base": recipe.base,
        "platforms": list(recipe.platforms),
        "text": secrets.mask(recipe.text),
        "files": sorted(recipe.files),
        "finish": [secrets.mask(line) for line in recipe.finish.lines()],
        "warnings": [secrets.mask(text) for text in recipe.warnings],
    }
    return json.dumps(value)


def planned(options: Options) -> Show:
    """Give what shows the plan of an image."""

    def show(definition: Definition, variable: str, spec: ImageSpec, as_json: bool) -> str:  # noqa: FBT001
        from envd_magic.forecast.plan import make_plan
        from envd_magic.headless.building import context_of
        from envd_magic.view.plans import plan_text

        context = context_of(definition, options.context)
        plan = make_plan(spec, replace(options, context=context))
        if as_json:
            return json.dumps({**place(definition, variable), **plan.to_json()})
        return f"# {definition.where}: {variable}\n{plan_text(plan)}\n"

    return show


def place(definition: Definition, variable: str) -> dict[str, object]:
    """Tell where an image is defined, as JSON has it."""
    return {
        "path": str(definition.path),
        "cell": definition.cell,
        "line": definition.line,
        "variable": variable,
    }
