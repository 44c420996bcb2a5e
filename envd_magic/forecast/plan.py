"""The plan of a build: the recipe interpreted by the real envd, held against what is there."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.engine import containers, images
from envd_magic.engine.client import Engine
from envd_magic.engine.configs import SERVER
from envd_magic.engine.sources import forgotten
from envd_magic.envd.contexts import engine_address
from envd_magic.envd.home import open_home
from envd_magic.envd.llb import operations
from envd_magic.envd.program import find_envd
from envd_magic.errors import EngineError, EnvdError, SpecError
from envd_magic.forecast.result import CACHED, RUNS, UNKNOWN, Plan, PlannedStep
from envd_magic.forecast.steps import Known, kept, stage_steps
from envd_magic.owner import private_name
from envd_magic.pipeline.build import prepare
from envd_magic.pipeline.dependencies import Start, choose, user_key, wanted_of
from envd_magic.pipeline.existing import find_existing
from envd_magic.pipeline.options import Options, wants_push
from envd_magic.pipeline.shared import shared_repository
from envd_magic.pipeline.staging import INSTALLED_STEP
from envd_magic.recipe.compose import Base, needs_python
from envd_magic.recipe.describe import base_step
from envd_magic.recipe.mistakes import mistake
from envd_magic.recipe.stages import rule_keys, stages
from envd_magic.records.steps import StepMemory

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.engine.images import ImageInfo
    from envd_magic.envd.llb import Operation
    from envd_magic.pipeline.dependencies import Choice
    from envd_magic.pipeline.prepared import Prepared
    from envd_magic.recipe.model import Recipe

_BUILT_FIRST = "its base spec is built first"


def make_plan(spec: ImageSpec, options: Options | None = None) -> Plan:
    """Tell what building a spec will do; nothing is built, pulled or pushed.

    Parameters
    ----------
    spec
        Not changed.
    options
        How it would be built.

    Raises
    ------
    SpecError
        If the spec cannot be honoured, or envd finds a mistake in what it comes to.
    EnvdMagicError
        If envd is not there, or there is no such context.
    """
    with closing(prepare(spec)) as prepared:
        return _plan(prepared, options or Options())


def _plan(prepared: Prepared, options: Options) -> Plan:
    base = None
    if prepared.base is not None:
        base = _plan(prepared.base, replace(options, force=False, no_cache=False))
    with ExitStack() as stack:
        engine = stack.enter_context(closing(Engine(engine_address(options.context))))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="envd_magic-plan-"))
        planner = _Planner(prepared, options, engine, Path(folder))
        stack.callback(planner.close)
        return planner.plan(base)


class _Stage(NamedTuple):
    """The steps of a stage, and the image that it makes where that is known."""

    steps: list[PlannedStep]
    made: ImageInfo | None


class _Planner:
    """Plans the build of one spec."""

    def __init__(self, prepared: Prepared, options: Options, engine: Engine, folder: Path) -> None:
        self.prepared = prepared
        self.options = options
        self.engine = engine
        self.folder = folder
        self.program = find_envd()
        self.home = open_home(self.program, options.context, prepared.spec.registry)
        self.notes: list[str] = [*prepared.recipe.warnings]
        self.changes: tuple[str, ...] | None = None
        self.offered: list[str] = []
        self.memory = self._memory()

    def plan(self, base: Plan | None) -> Plan:
        recipe = self.prepared.recipe
        steps: list[PlannedStep] = []
        rebuilt = base is not None and not base.exists
        for platform in recipe.platforms:
            found = self._platform(platform, rebuilt=rebuilt)
            several = platform if len(recipe.platforms) > 1 else ""
            steps += [replace(step, platform=several) for step in found]
        mask = self.prepared.secrets.mask
        return Plan(
            image=recipe.image,
            exists=self._exists() and not rebuilt,
            steps=tuple(
                replace(step, name=mask(step.name), command=mask(step.command)) for step in steps
            ),
            changes=self.changes,
            notes=tuple(dict.fromkeys(map(mask, self.notes))),
            base=base,
        )

    def close(self) -> None:
        for name in self.offered:
            SERVER.withdraw(name)

    def _memory(self) -> StepMemory | None:
        """Give what is known of the engine; None, and told why, if there is none."""
        if not self.home.has_engine:
            self.notes.append(
                f"what the builder {self.home.builder} has in its cache cannot be asked"
            )
            return None
        try:
            memory = StepMemory(self.engine.identity, images.repository(self.prepared.recipe.image))
            if (pruned := self.engine.last_prune(forgotten())) is not None:
                memory.forget(pruned)
        except EngineError as error:
            self.notes.append(f"what is cached cannot be known: {error}")
            return None
        return memory

    def _exists(self) -> bool:
        if self.memory is None or self.options.force or self.options.no_cache:
            return False
        try:
            found = find_existing(
                self.engine,
                self.prepared,
                note=self.notes.append,
                aside=self.notes.append,
                in_registry=wants_push(self.prepared.spec, self.options.push),
                incremental=self.options.incremental,
            )
        except EngineError as error:
            self.notes.append(f"whether the image is there cannot be known: {error}")
            return False
        return found.digest is not None

    def _platform(self, platform: str, *, rebuilt: bool) -> list[PlannedStep]:
        base = self._base(platform) if self.memory is not None and not rebuilt else None
        recipe = self._compose(base)
        if self.memory is None or base is None:
            why = _BUILT_FIRST if rebuilt else "the base image is not there yet"
            if self.memory is None:
                return self._unknown(recipe, platform, None, "")
            return self._unknown(recipe, platform, set(), why)
        start = Start(base, platform, base_step(recipe), base.config)
        wanted = wanted_of(self.prepared, base, platform, self.options)
        last = wanted.store.read()
        changes = None if last is None else last.asked.changes(wanted.asked)
        self.changes = None if changes is None else tuple(map(str, changes))
        known = Known(set(), changes, self.memory.seconds)
        if self.options.no_cache:
            known = replace(known, why="no_cache runs every step")
        if not self.home.in_engine or self.prepared.spec.cuda:
            return self._stage(recipe, start, known).steps
        parts = stages(recipe)
        steps: list[PlannedStep] = []
        if parts.dependencies is not None:
            choice = choose(self.engine, parts.dependencies, start, wanted)
            self.notes += filter(None, (choice.told, self._elsewhere(choice)))
            if choice.there is not None:
                made: ImageInfo | None = choice.there
                steps += kept(choice.recipe, choice.start.step)
            else:
                found, made = self._stage(choice.recipe, choice.start, known)
                steps += found
            start = replace(start, step=INSTALLED_STEP, image=made or start.image)
            if made is None:
                known = _behind(known, _first_running(steps))
        if parts.rest is not None:
            steps += self._stage(parts.rest, start, known).steps
        return steps

    def _elsewhere(self, choice: Choice) -> str:
        shared = shared_repository(self.options)
        if choice.there is not None or not shared:
            return ""
        return f"what is installed may come from {shared}; that is not asked"

    def _stage(self, recipe: Recipe, start: Start, known: Known) -> _Stage:
        keys = rule_keys(recipe, start.known, user_key())
        if self.memory is not None and known.has is not None:
            known = replace(known, has=self.memory.has(keys))
        steps = stage_steps(recipe, start.step, self._operations(recipe, start), keys, known)
        return _Stage(steps, None)

    def _unknown(
        self, recipe: Recipe, platform: str, has: set[str] | None, why: str
    ) -> list[PlannedStep]:
        """Plan without a base image, of which only the name is known."""
        nothing = images.ImageInfo("", {}, platform)
        start = Start(nothing, platform, base_step(recipe), {})
        seconds = self.memory.seconds if self.memory is not None else (lambda _field: None)
        found = self._stage(recipe, start, Known(has, None, seconds, why)).steps
        forecast, told = (UNKNOWN, "") if has is None else (RUNS, "not in the engine yet")
        if has is not None and why == _BUILT_FIRST:
            # Then it is in the engine, where the step finds it.
            forecast, told = CACHED, why
        return [
            replace(
                step, forecast=forecast, reason=told, seconds=0.0 if forecast == CACHED else None
            )
            if step.field == "base_image" and step.forecast == CACHED
            else step
            for step in found
        ]

    def _operations(self, recipe: Recipe, start: Start) -> list[Operation]:
        """Let envd interpret a stage; the user's files are not needed for that."""
        offered = SERVER.publish(start.settings, start.platform, private_name())
        self.home.trust(SERVER.address)
        self.offered.append(offered)
        files = {name: entry for name, entry in recipe.files.items() if entry.data is not None}
        around = self.folder / str(len(self.offered))
        around.mkdir()
        told = replace(recipe, base=offered, files=files)
        if self.prepared.spec.cuda:
            told = replace(recipe, files=files)
        folder = told.write(around).parent
        try:
            return list(operations(self.program, self.home.environment(), folder))
        except EnvdError as error:
            said = self.prepared.secrets.mask(error.message)
            problem = mistake(recipe, said)
            # Not from the error, whose text is not masked.
            if problem is None:
                raise EnvdError(said, error.exit_code) from None
            raise SpecError(problem) from None

    def _base(self, platform: str) -> ImageInfo | None:
        name = self.prepared.recipe.base
        found = images.inspect(self.engine, name)
        if found is None or not images.same_platform(found.platform, platform):
            return None
        return found

    def _compose(self, base: ImageInfo | None) -> Recipe:
        name = self.prepared.recipe.base
        if base is None:
            return self.prepared.compose(Base(name), finished=self.home.has_engine)
        wanted = self.prepared.spec.python_version
        python = None
        if wanted and not needs_python(self.prepared.spec, wanted):
            asked = containers.python_of(self.engine, base.id)
            python = asked.version if asked else None
        return self.prepared.compose(Base(name, base.env, python))


def _behind(known: Known, running: str) -> Known:
    """Give what is known of steps that stand on an image which is not there yet."""
    if not running:
        return replace(known, has=None, why="what it stands on is put together first")
    return replace(known, why=known.why or f"runs because a step before it does ({running})")


def _first_running(steps: list[PlannedStep]) -> str:
    return next((step.name for step in steps if step.forecast != CACHED and step.field), "")
