"""A spec's image, looked at from all sides: the one way that every door goes."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from envd_magic.engine import images
from envd_magic.engine.client import Engine, explained
from envd_magic.engine.containers import python_of
from envd_magic.errors import EngineError
from envd_magic.recipe.compose import Base, compose, needs_python
from envd_magic.spec.fields import FIELDS
from envd_magic.verification import files, layers, modules, settings, system
from envd_magic.verification.asking import Question, ask
from envd_magic.verification.leaks import Search, leak_items
from envd_magic.verification.packages import package_items
from envd_magic.verification.places import places
from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item, Layer, Verification, masked
from envd_magic.verification.sought import sought
from envd_magic.verification.steps import step_items
from envd_magic.verification.wanted import wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flytekit import ImageSpec

    from envd_magic.engine.images import ImageInfo
    from envd_magic.recipe.inputs import Inputs
    from envd_magic.recipe.model import Recipe
    from envd_magic.spec.secrets import Secrets
    from envd_magic.verification.asking import Answer

_ORDER = {one.name: number for number, one in enumerate(FIELDS)}


@dataclass(frozen=True)
class Asked:
    """What an image is to be.

    Parameters
    ----------
    spec
        A spec that passed validation.
    inputs
        What its files said.
    recipe
        The spec's.
    secrets
        What must not be shown.
    modules
        Modules that the notebook or the file imports, with dots.
    in_registry
        Is it to be looked for in its registry too?
    """

    spec: ImageSpec
    inputs: Inputs
    recipe: Recipe
    secrets: Secrets
    modules: frozenset[str] = field(default=frozenset())
    in_registry: bool = True


def check(
    engine: Engine,
    asked: Asked,
    where: Mapping[str, str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Verification:
    """Compare what a spec asks for with what is there.

    Parameters
    ----------
    engine
        Where the image is, or comes to from its registry.
    asked
        What it is to be.
    where
        Name or ID of the image for each platform; None takes the names that the spec gives.
    tick
        Is called all the time, and raises what ends it.

    Raises
    ------
    EngineError
        If the engine cannot be asked.
    """
    began = time.monotonic()
    found = [
        _Look(engine, asked, platform, name, tick).run()
        for platform, name in (where or asked.recipe.names).items()
    ]
    several = len(found) > 1
    items = [
        replace(item, platform=platform if several else "")
        for platform, one in zip(where or asked.recipe.names, found, strict=True)
        for item in one.items
    ]
    return replace(
        found[0],
        image=asked.recipe.image if where is None or several else found[0].image,
        items=tuple(masked(items, asked.secrets)),
        layers=tuple(
            replace(layer, platform=layer.platform if several else "")
            for one in found
            for layer in one.layers
        ),
        size=sum(one.size for one in found),
        seconds=time.monotonic() - began,
        search_seconds=sum(one.search_seconds for one in found),
    )


class _Look:
    """One look at the image of one platform."""

    def __init__(
        self, engine: Engine, asked: Asked, platform: str, name: str, tick: Callable[[], None]
    ) -> None:
        self.engine = engine
        self.asked = asked
        self.spec = asked.spec
        self.platform = platform
        self.name = name
        self.tick = tick

    def run(self) -> Verification:
        """Do it all."""
        image = _there(self.engine, self.name, self.tick)
        if image is None:
            asked, todo = "an image of this name", "build it first, or name another image"
            absent = Item("name", "", asked, "there is none", DIFFERS, todo)
            return Verification(self.name, (absent,))
        with explained(f"look at the image {self.name}"):
            history = self.engine.api.history(image.id)
        base = self._base()
        # What is in the base image's own layers is nobody's of this spec.
        stands_on = base if base is not None and _stands_on(image, base) else None
        secrets = sought(self.spec, self.asked.inputs)
        below = len(stands_on.layers) if stands_on is not None else 0
        search = Search(image, secrets, below, self.engine.here())
        search.start()
        try:
            answer, items = self._compared(image, base, layers.entries(history))
            search.wait(self.tick)
        except BaseException:
            search.give_up()
            raise
        sizes = self._layers(image, stands_on, layers.entries(history))
        texts = [*places(_inspected(self.engine, image), history)]
        items += leak_items(secrets, search, texts, [one.field for one in sizes])
        items.sort(key=lambda item: _ORDER.get(item.field, len(_ORDER)))
        return Verification(
            image=self.name,
            items=tuple(items),
            layers=tuple(sizes),
            python=answer.markers.get("python_full_version", ""),
            size=image.size,
            search_seconds=search.seconds,
        )

    def _base(self) -> ImageInfo | None:
        """Look at the base image; None where envd takes another, or it is not here."""
        if self.spec.cuda:
            return None
        base = images.inspect(self.engine, self.asked.recipe.base)
        if base is None or not images.same_platform(base.platform, self.platform):
            return None
        return base

    def _compared(
        self, image: ImageInfo, base: ImageInfo | None, history: Sequence[layers.Entry]
    ) -> tuple[Answer, list[Item]]:
        inputs = self.asked.inputs
        packages = wanted(self.spec, inputs.requirements)
        imports = modules.lines(self.asked.modules)
        targets = files.targets(inputs.files)
        question = Question(
            packages=modules.asked_names(packages),
            modules=imports,
            files={path: target.size for path, target in targets.items()},
            apt=system.names(self.spec),
        )
        answer = ask(self.engine, image.id, question, self.tick)
        subject = self._subject(image, base, answer)
        return answer, [
            Item("name", "", "an image of this name", image.id[:19], OK),
            *self._registry(image),
            *settings.setting_items(subject),
            *package_items(self.spec, packages, answer),
            *modules.import_items(imports, packages, answer),
            *system.apt_items(self.spec, answer),
            *step_items(self.spec, history),
            *files.file_items(self.spec, targets, answer),
        ]

    def _subject(
        self, image: ImageInfo, base: ImageInfo | None, answer: Answer
    ) -> settings.Subject:
        """Put together what settings are compared with: those of the base count as well."""
        python, finish = None, self.asked.recipe.finish
        if base is not None:
            known = python_of(self.engine, base.id) if self.spec.python_version else None
            python = known.version if known else None
            stands_on = Base(self.asked.recipe.base, base.env, python)
            finish = compose(self.spec, stands_on, inputs=self.asked.inputs).finish
        return settings.Subject(
            self.spec,
            self.asked.recipe,
            finish,
            image,
            base,
            self.platform,
            answer,
            own_python=needs_python(self.spec, python),
        )

    def _registry(self, image: ImageInfo) -> Iterator[Item]:
        """Compare with what the registry has under the name: that is what tasks run."""
        if not self.spec.registry or not self.asked.in_registry:
            return
        told = f"this image in {self.spec.registry}"
        try:
            digest = images.registry_digest(self.engine, self.name)
        except EngineError as error:
            yield Item("registry", "", told, "", UNCHECKED, str(error))
            return
        if digest is None:
            yield Item("registry", "", told, "", UNCHECKED, "it was not pushed")
        elif any(known.endswith(digest) for known in image.digests):
            yield Item("registry", "", told, digest[:19], OK)
        else:
            yield Item("registry", "", told, f"another image ({digest[:19]})", DIFFERS)

    def _layers(
        self, image: ImageInfo, base: ImageInfo | None, history: Sequence[layers.Entry]
    ) -> list[Layer]:
        """Give all layers of the image, the lowest first."""
        fields = layers.fields_of(history, base, self.asked.recipe, image.labels)
        return [
            Layer(fields[number], history[number].size, self.platform)
            for number in layers.without_empty(history, len(image.layers))
        ]


def _stands_on(image: ImageInfo, base: ImageInfo) -> bool:
    return image.layers[: len(base.layers)] == base.layers


def _inspected(engine: Engine, image: ImageInfo) -> Mapping[str, Any]:
    with explained(f"look at the image {image.id}"):
        found: Mapping[str, Any] = engine.api.inspect_image(image.id)
    return found


def _there(engine: Engine, name: str, tick: Callable[[], None]) -> ImageInfo | None:
    """Look at an image, pulled if only its registry has it."""
    found = images.inspect(engine, name)
    domain, slash, _ = name.partition("/")
    if found is not None or not slash or not re.search(r"[.:]|^localhost$", domain):
        return found
    if images.registry_digest(engine, name) is None:
        return None
    with explained(f"pull {name}"):
        for event in engine.api.pull(*images.split_name(name), stream=True, decode=True):
            tick()
            if "error" in event:
                raise EngineError(f"Cannot pull {name}: {event['error']}")
    return images.inspect(engine, name)
