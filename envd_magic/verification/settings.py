"""Settings of an image: variables, entrypoint, platform, what it has from its base; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.engine.finishing import KEPT, finished_env
from envd_magic.engine.images import LAYERS_LABEL, RECIPE_LABEL, same_platform
from envd_magic.spec.secrets import MASK, is_secret_name
from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.engine.images import ImageInfo
    from envd_magic.recipe.model import Finish, Recipe
    from envd_magic.verification.asking import Answer

_ID = "_F_IMG_ID"
# What envd sets where the base image has none, and what a container gets from the engine.
_ENVDS = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
_ENGINES = ("HOME", "HOSTNAME", "TERM", "container")
# Labels of envd, of ours, and of engines that are no Docker.
_LABELS = ("ai.tensorchord.envd.", "io.github.envd-magic.", "io.buildah.")
_NO_BASE = "the base image is not in the engine"


@dataclass(frozen=True)
class Subject:
    """An image, and what it was to be.

    Parameters
    ----------
    spec
        What was asked for.
    recipe
        The spec's.
    finish
        What is set after the build, for the base image as it is.
    image
        What is there.
    base
        The base image; None if it is not in the engine, or cannot be compared with.
    platform
        What the image was to be for.
    answer
        What the image has told.
    own_python
        Has it an environment with a Python of its own?
    """

    spec: ImageSpec
    recipe: Recipe
    finish: Finish
    image: ImageInfo
    base: ImageInfo | None
    platform: str
    answer: Answer
    own_python: bool = False

    @property
    def installs_more(self) -> bool:
        """Does envd install what sets variables of its own?"""
        return bool(self.own_python or self.spec.cuda)


def setting_items(subject: Subject) -> Iterator[Item]:
    """Compare all settings."""
    yield from _made(subject)
    yield from _platform(subject)
    yield from _base(subject)
    yield from _python(subject)
    yield from _env(subject)
    yield from _entrypoint(subject)


def _made(subject: Subject) -> Iterator[Item]:
    """Tell of the recipe: another one gives another image, though all that is looked at agree."""
    yield from _layers(subject.image)
    made_by, increments, _ = subject.image.labels.get(RECIPE_LABEL, "").partition("+")
    asked = "made by this spec's recipe"
    if made_by == subject.recipe.digest():
        found = "made by it, what is new on what was there" if increments else "made by it"
        yield Item("name", "recipe", asked, found, OK)
        return
    why = "no label tells what has made it"
    if made_by:
        why = "it was made by another recipe, of another version of envd_magic or other options"
    yield Item("name", "recipe", asked, "", UNCHECKED, why)


def _layers(image: ImageInfo) -> Iterator[Item]:
    """Tell whether anything was put on top of what the build made, by whatever way."""
    asked = "those that the build made"
    made = image.labels.get(LAYERS_LABEL)
    if made is None:
        yield Item("name", "layers", asked, "", UNCHECKED, "no label tells what was made")
    elif made == image.layers_digest:
        yield Item("name", "layers", asked, "the same", OK)
    else:
        yield Item("name", "layers", asked, "others", DIFFERS, "it was changed after the build")


def _platform(subject: Subject) -> Iterator[Item]:
    same = same_platform(subject.image.platform, subject.platform)
    outcome = OK if same else DIFFERS
    yield Item("platform", "", subject.platform, subject.image.platform, outcome)


def _base(subject: Subject) -> Iterator[Item]:
    base, image, name = subject.base, subject.image, subject.recipe.base
    if subject.spec.cuda:
        return
    if base is None:
        yield Item("base_image", "", name, "", UNCHECKED, f"{_NO_BASE}: docker pull {name}")
        return
    if image.layers[: len(base.layers)] == base.layers:
        yield Item("base_image", "", name, "the image stands on it", OK)
    else:
        why = "a newer one has its name now, or the image was made of another one"
        yield Item("base_image", "", name, "the image does not stand on it", DIFFERS, why)
    yield from _kept(image, base)
    yield from _labels(image, base)


def _kept(image: ImageInfo, base: ImageInfo) -> Iterator[Item]:
    """Compare what a build keeps of its base image's settings."""
    for key in (*KEPT, "User", "WorkingDir"):
        has, wanted = image.config.get(key) or None, base.config.get(key) or None
        if wanted is not None or has is not None:
            outcome = OK if has == wanted else DIFFERS
            yield Item("base_image", key.upper(), _text(wanted), _text(has), outcome)
    if has := image.config.get("OnBuild"):
        yield Item("base_image", "ONBUILD", "none", _text(has), DIFFERS)


def _labels(image: ImageInfo, base: ImageInfo) -> Iterator[Item]:
    for label, value in base.labels.items():
        if label not in (RECIPE_LABEL, LAYERS_LABEL) and image.labels.get(label) != value:
            found = image.labels.get(label, "none")
            yield Item("base_image", f"label {label}", value, found, DIFFERS)
    for label, found in image.labels.items():
        if label not in base.labels and not label.startswith(_LABELS):
            yield Item("base_image", f"label {label}", "none", found, DIFFERS)


def _text(value: Any) -> str:
    return "none" if value is None else str(value)


def _python(subject: Subject) -> Iterator[Item]:
    asked, answer = subject.spec.python_version, subject.answer
    if not asked:
        return
    found = answer.markers.get("python_full_version", "")
    if answer.why:
        outcome = UNCHECKED if answer.has_python else DIFFERS
        told = "" if answer.has_python else answer.why
        yield Item("python_version", "", asked, told, outcome, answer.why if not told else "")
        return
    outcome = OK if f"{found}.".startswith(f"{asked}.") else DIFFERS
    yield Item("python_version", "", asked, f"{found} ({answer.executable})", outcome)


def _env(subject: Subject) -> Iterator[Item]:
    """Compare variables as a container has them, or as the image's settings have them."""
    spec, base = subject.spec, subject.base
    told = subject.answer.environment
    has = subject.image.env if told is None else told
    own = {**(spec.env or {}), _ID: spec.id}
    for name, value in own.items():
        yield _variable("env", name, value, has)
    if base is None and spec.cuda:
        return
    if base is None:
        yield Item("env", "", "the base image's others", "", UNCHECKED, _NO_BASE)
        return
    kept = finished_env(base, subject.finish)
    if subject.installs_more:
        # envd puts folders of its own before it, which differ with what it installs.
        kept = {name: value for name, value in kept.items() if name not in ("PATH", *_ENVDS)}
    others = [
        _variable("base_image" if name in base.env else "env", name, value, has)
        for name, value in kept.items()
        if name not in own
    ]
    yield from (item for item in others if item.outcome != OK)
    if good := sum(item.outcome == OK and item.field == "base_image" for item in others):
        yield Item("base_image", "variables", "the base image's others", f"the same ({good})", OK)
    if not subject.installs_more:
        known = {*own, *kept, *_ENGINES}
        for name, value in has.items():
            if name not in known and _ENVDS.get(name) != value:
                yield Item("env", name, "not set", _shown(name, value), DIFFERS)


def _variable(field: str, name: str, value: str, has: Mapping[str, str]) -> Item:
    asked = _shown(name, value)
    if name not in has:
        return Item(field, name, asked, "not set", DIFFERS)
    if value == MASK or (MASK in value and has[name] != value):
        return Item(field, name, asked, "", UNCHECKED, "what is kept of the spec has no secrets")
    if has[name] == value:
        return Item(field, name, asked, asked, OK)
    found = "another value" if is_secret_name(name) else _shown(name, has[name])
    return Item(field, name, asked, found, DIFFERS)


def _shown(name: str, value: str) -> str:
    return MASK if is_secret_name(name) else repr(value)


def _entrypoint(subject: Subject) -> Iterator[Item]:
    has = subject.image.config.get("Entrypoint") or []
    asked = subject.spec.entrypoint
    if asked is not None:
        outcome = OK if has == asked else DIFFERS
        yield Item("entrypoint", "", _text(asked or None), _text(has or None), outcome)
    elif subject.base is not None:
        kept = subject.base.config.get("Entrypoint") or []
        told = f"the base image's: {_text(kept or None)}"
        outcome = OK if has == kept else DIFFERS
        yield Item("entrypoint", "", told, _text(has or None), outcome)
