"""What envd cannot do to an image, done by the engine after the build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import Engine, explained
from envd_magic.engine.containers import container
from envd_magic.engine.images import (
    LAYERS_LABEL,
    RECIPE_LABEL,
    ImageInfo,
    hold,
    inspect,
    split_name,
)
from envd_magic.recipe.model import DEFAULT_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envd_magic.recipe.model import Finish

#: Settings of a base image that envd drops, and that stay.
KEPT = ("Cmd", "Shell", "Volumes", "ExposedPorts", "StopSignal", "Healthcheck")


@dataclass(frozen=True)
class Goal:
    """What an image is to have beside what envd gives it.

    Parameters
    ----------
    base
        The base image, whose settings are kept.
    finish
        What to set beside them.
    recipe
        The recipe's digest, for the label.
    """

    base: ImageInfo
    finish: Finish
    recipe: str


def finish(engine: Engine, built: ImageInfo, goal: Goal, name: str, before: str) -> str:
    """Do to an image what envd cannot: variables, PATH, CMD, labels and the like.

    Parameters
    ----------
    engine
        Where the image is.
    built
        What envd built.
    goal
        What is to come out.
    name
        Private name for what comes out.
    before
        Name of an image of an earlier build, which is given if it is the same in all.

    Returns
    -------
    str
        The private name.
    """
    config = _config(built, goal)
    earlier = inspect(engine, before)
    # Every step came from the cache: an image that is the same keeps its digest.
    if earlier is not None and _is_same(earlier, built, config) and hold(engine, earlier.id, name):
        return name
    # A container that never starts: a commit gives its image the settings as they are here, where a
    # Dockerfile would need quoting, has no newlines, and takes a step for each.
    command = {"command": ["true"]} if config.get("Cmd") else {"entrypoint": ["true"]}
    with (
        container(engine, built.id, {"network_disabled": True, **command}) as made,
        explained("finish the image"),
    ):
        engine.api.commit(made, *split_name(name), pause=False, conf=config)
    return name


def finished_env(base: ImageInfo, finishing: Finish) -> dict[str, str]:
    """Give the variables that a finished image has, without those that envd adds."""
    env = {**base.env, **finishing.env}
    if "PATH" not in finishing.env:
        path = base.env.get("PATH") or DEFAULT_PATH
        env["PATH"] = ":".join((*finishing.path_first, path))
    return env


def _config(built: ImageInfo, goal: Goal) -> dict[str, Any]:
    base, finishing = goal.base, goal.finish
    config = {key: base.config[key] for key in KEPT if base.config.get(key)}
    config["Env"] = [f"{name}={value}" for name, value in finished_env(base, finishing).items()]
    own = {RECIPE_LABEL: goal.recipe, LAYERS_LABEL: built.layers_digest}
    config["Labels"] = {**base.labels, **own}
    if finishing.entrypoint is not None:
        config["Entrypoint"] = list(finishing.entrypoint)
    elif not config.get("Cmd"):
        # Not left out: a commit would fill it in from the container.
        config["Entrypoint"] = built.config.get("Entrypoint") or []
    return config


def _is_same(earlier: ImageInfo, built: ImageInfo, config: Mapping[str, Any]) -> bool:
    """Is an earlier image what finishing a new one would give?

    envd's own labels are left out: they name the folder that it was built in.
    """
    kept = {key: built.config.get(key) for key in ("User", "WorkingDir", "Entrypoint", "OnBuild")}
    wanted = {**kept, **config}
    env, labels = wanted.pop("Env"), wanted.pop("Labels")
    has = earlier.config
    return (
        earlier.layers == built.layers
        and earlier.platform == built.platform
        and (has.get("Env") or [])[: len(env)] == env
        and labels.items() <= earlier.labels.items()
        and all((has.get(key) or None) == (value or None) for key, value in wanted.items())
    )
