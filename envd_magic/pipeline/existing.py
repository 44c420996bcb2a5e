"""Is an image there already, and is it the one that a spec's recipe makes?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envd_magic.engine import images
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envd_magic.engine.client import Engine
    from envd_magic.pipeline.prepared import Prepared


class Existing(NamedTuple):
    """What there is; the digest is None where the image has to be built.

    ``local`` is what the engine has under the name, whatever that is.
    """

    digest: str | None
    size: int
    local: images.ImageInfo | None


def find_existing(  # noqa: PLR0913 - all but two by name
    engine: Engine,
    prepared: Prepared,
    *,
    note: Callable[[str], None],
    aside: Callable[[str], None],
    in_registry: bool,
    incremental: bool,
) -> Existing:
    """Look for the image of a spec.

    Parameters
    ----------
    engine
        Is asked.
    prepared
        The spec.
    note
        Is told of an image that is another.
    aside
        Is told of what could not be found out, and stops nothing.
    in_registry
        True if it is the registry's that counts.
    incremental
        True if one that was added to will do.

    Raises
    ------
    EngineError
        If the engine or the registry does not answer.
    """
    name = prepared.recipe.image
    local = there = images.inspect(engine, name)
    digest = local.id if local else None
    found = [local] if local else []
    if in_registry:
        digest = images.registry_digest(engine, name)
        if digest and not (local and any(item.endswith(digest) for item in local.digests)):
            # The registry's own, whatever the engine has under the name.
            local, found = None, _in_registry(prepared, digest, aside)
    size = local.size if local else 0
    if any(_is_another(one, prepared, incremental=incremental) for one in found):
        note(f"{name} is there, made in another way: this build overwrites the tag")
        return Existing(None, size, there)
    return Existing(digest, size, there)


def _in_registry(
    prepared: Prepared, digest: str, aside: Callable[[str], None]
) -> list[images.ImageInfo]:
    # Imported here, since most builds do not come to it.
    from envd_magic.engine.registry import images_in_registry

    recipe = prepared.recipe
    nothing = images.ImageInfo(id=digest, config={}, platform="")
    try:
        found = images_in_registry(recipe.image, digest, recipe.platforms)
    except EngineError as error:
        # The engine may know of certificates and logins that are not known here.
        aside(str(error))
        return [nothing]
    # One that it has not is another than what the recipe makes.
    return found if len(found) >= len(recipe.platforms) else [*found, nothing]


def _is_another(image: images.ImageInfo, prepared: Prepared, *, incremental: bool) -> bool:
    """Was it made by another recipe? The tag does not tell all that a recipe does."""
    spec, inputs = prepared.spec, prepared.inputs
    made_by = image.labels.get(images.RECIPE_LABEL)
    if made_by is not None:
        digest, _, chain = made_by.partition("+")
        return digest != prepared.recipe.digest() or bool(chain and not incremental)
    # Another builder's counts as the image where its tag tells of the spec, or its id does and
    # the spec has no files besides.
    if "{spec_hash" in (spec.tag_format or "{spec_hash}"):
        return False
    by_id = image.env.get("_F_IMG_ID") == spec.id
    return not by_id or bool(inputs.files or inputs.requirements.files)
