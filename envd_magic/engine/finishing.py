"""What envd cannot do to an image, done by the engine after the build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from envd_magic.engine.client import Engine, explained
from envd_magic.engine.containers import container
from envd_magic.engine.images import (
    LAYERS_LABEL,
    RECIPE_LABEL,
    ImageInfo,
    hold,
    split_name,
)
from envd_magic.engine.loading import Loadable, load, loadable
from envd_magic.recipe.model import DEFAULT_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envd_magic.recipe.model import Finish

    #: Lets an engine take an image, and tells whether it has.
    Take = Callable[[Engine, Loadable], bool]

#: Settings of a base image that envd drops, and that stay.
KEPT = ("Cmd", "Shell", "Volumes", "ExposedPorts", "StopSignal", "Healthcheck")
# Those that envd gives an image.
_GIVEN = ("User", "WorkingDir", "Entrypoint", "OnBuild")


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
    name
        Private name for what comes out.
    """

    base: ImageInfo
    finish: Finish
    recipe: str
    name: str


class Finished(NamedTuple):
    """An image that is as it was asked for: its private name, its ID, and the bytes it takes."""

    name: str
    id: str
    size: int


def load_alone(engine: Engine, image: Loadable) -> bool:
    """Let an engine take an image; tell whether it has."""
    return image.name in load(engine, [image])


def finish(
    engine: Engine, built: ImageInfo, goal: Goal, before: ImageInfo | None, take: Take = load_alone
) -> Finished:
    """Do to an image what envd cannot: variables, PATH, CMD, labels and the like.

    Parameters
    ----------
    engine
        Where the image is.
    built
        What envd built.
    goal
        What is to come out.
    before
        The image of an earlier build, which is given if it is the same in all, and still there.
    take
        Lets the engine take an image.
    """
    labels = _labels(built, goal)
    config, name = _config(built, goal, labels), goal.name
    # Every step came from the cache: an image that is the same keeps its digest.
    if (
        before is not None
        and _is_same(before, built, config, labels)
        and hold(engine, before.id, name)
    ):
        return Finished(name, before.id, before.size)
    image = loadable(engine, built, config, name) if engine.keeps_layers else None
    loaded = image is not None and take(engine, image)
    made = image.id if image and loaded else _commit(engine, built, config, name)
    return Finished(name, made, built.size)


def _commit(engine: Engine, built: ImageInfo, config: Mapping[str, Any], name: str) -> str:
    """Make the image of a container that never starts; give its ID.

    It gets the settings as they are here, where a Dockerfile would need quoting, has no newlines,
    and takes a step for each.
    """
    # What has no command would get the container's.
    command = {"command": ["true"]} if config.get("Cmd") else {"entrypoint": ["true"]}
    with (
        container(engine, built.id, {"network_disabled": True, **command}) as made,
        explained("finish the image"),
    ):
        told = engine.api.commit(made, *split_name(name), pause=False, conf=config)
        return str(told["Id"])


def finished_env(base: ImageInfo, finishing: Finish) -> dict[str, str]:
    """Give the variables that a finished image has, without those that envd adds."""
    env = {**base.env, **finishing.env}
    if "PATH" not in finishing.env:
        path = base.env.get("PATH") or DEFAULT_PATH
        env["PATH"] = ":".join((*finishing.path_first, path))
    return env


def _labels(built: ImageInfo, goal: Goal) -> dict[str, str]:
    """Give the labels that a finished image has, without those that envd adds."""
    own = {RECIPE_LABEL: goal.recipe, LAYERS_LABEL: built.layers_digest}
    return {**goal.base.labels, **own}


def _config(built: ImageInfo, goal: Goal, labels: Mapping[str, str]) -> dict[str, Any]:
    base, finishing = goal.base, goal.finish
    config = {key: built.config[key] for key in _GIVEN if built.config.get(key)}
    config.update({key: base.config[key] for key in KEPT if base.config.get(key)})
    env = finished_env(base, finishing)
    env.update({name: value for name, value in built.env.items() if name not in env})
    config["Env"] = [f"{name}={value}" for name, value in env.items()]
    config["Labels"] = {**built.labels, **labels}
    if finishing.entrypoint is not None:
        config["Entrypoint"] = list(finishing.entrypoint)
    # Not left out: a commit would fill it in from the container.
    config.setdefault("Entrypoint", [])
    return config


def _is_same(
    earlier: ImageInfo, built: ImageInfo, config: Mapping[str, Any], labels: Mapping[str, str]
) -> bool:
    """Is an earlier image what finishing a new one would give?

    envd's own labels are left out: they name the folder that it was built in.
    """
    has = earlier.config
    return (
        earlier.layers == built.layers
        and earlier.platform == built.platform
        and labels.items() <= earlier.labels.items()
        # envd gives its own in any order.
        and sorted(has.get("Env") or []) == sorted(config["Env"])
        and all(
            (has.get(key) or None) == (value or None)
            for key, value in config.items()
            if key not in ("Env", "Labels")
        )
    )
