"""Builders that no Docker engine stands behind: what they cannot do, and what envd is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.errors import SpecError
from envd_magic.spec.problems import Problem

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.envd.home import Home
    from envd_magic.recipe.model import Recipe


def refuse(spec: ImageSpec, home: Home, *, push: bool) -> None:
    """Refuse what only an engine could do.

    Raises
    ------
    SpecError
        If the spec asks for it.
    """
    if spec.entrypoint == []:
        message = f"[] needs a Docker engine, and the builder {home.builder} has none"
        raise SpecError(Problem("entrypoint", message))
    if not push:
        raise SpecError(
            Problem(
                "registry",
                f"the builder {home.builder} of context {home.context} has no Docker engine: "
                "the image has to be pushed, so name a registry and allow the push",
            )
        )


def told(home: Home) -> str:
    """Give what the user should know of an image that such a builder makes."""
    return (
        f"The builder {home.builder} has no Docker engine: variables that the base image "
        "sets too keep its values, and its CMD, labels and order of PATH are not kept"
    )


def output_words(recipe: Recipe, platform: str) -> list[str]:
    """Give envd's options for the image of a platform, which is pushed at once."""
    output = f"type=image,name={recipe.names[platform]},push=true"
    return ["--output", output, "--platform", platform]
