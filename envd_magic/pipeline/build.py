"""The pipeline: recipe, context, bootstrap, build, finish, tag, push."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from envd_magic.engine import finishing, images
from envd_magic.engine.client import Engine
from envd_magic.engine.trust import with_whole_paths
from envd_magic.envd.contexts import engine_address
from envd_magic.envd.home import Home, open_home
from envd_magic.envd.program import find_envd
from envd_magic.envd.tunnel import reached
from envd_magic.errors import BuildInterrupted
from envd_magic.owner import private_name
from envd_magic.pipeline import no_engine
from envd_magic.pipeline.advice import advice
from envd_magic.pipeline.base_python import base_python, python_asked
from envd_magic.pipeline.bases import BASES
from envd_magic.pipeline.caches import cache_words, check_caches
from envd_magic.pipeline.commands import Commands
from envd_magic.pipeline.dependencies import wanted_of
from envd_magic.pipeline.events import Finished, Notice, Phase, PhaseChanged, Started, Tick
from envd_magic.pipeline.existing import find_existing
from envd_magic.pipeline.explain import explain, of_the_base
from envd_magic.pipeline.flight import alone
from envd_magic.pipeline.keep import Keeper
from envd_magic.pipeline.last import note, refusals_noted
from envd_magic.pipeline.leftovers import Leftovers
from envd_magic.pipeline.log import BuildLog
from envd_magic.pipeline.options import Options, wants_push
from envd_magic.pipeline.prepared import Prepared
from envd_magic.pipeline.pushing import Pushed, push, push_index
from envd_magic.pipeline.result import BuildResult
from envd_magic.pipeline.retry import retried
from envd_magic.pipeline.shared import shared_cache
from envd_magic.pipeline.staging import Staging
from envd_magic.pipeline.stop import Stop
from envd_magic.pipeline.together import taker
from envd_magic.pipeline.witness import Witness
from envd_magic.recipe.compose import Base
from envd_magic.recipe.model import SECRETS
from envd_magic.recipe.stages import stages
from envd_magic.shell import interrupts_raise
from envd_magic.spec.secrets import base_secrets

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.envd.program import Program
    from envd_magic.verification.result import Verification

# Seconds between two looks at another build that is waited for.
_MOMENT = 0.1
# Seconds that tidying up gets, after a failure and after success.
_SHORT, _LONG = 3.0, 30.0


def build_spec(spec: ImageSpec, options: Options | None = None) -> BuildResult:
    """Build the image of a spec; the specs that it is based on are built first.

    Raises
    ------
    EnvdMagicError
        If it cannot be built; :func:`envd_magic.last_result` then tells how far it came.
    BuildInterrupted
        If the user stopped it.
    """
    with interrupts_raise(), contextlib.closing(prepare(spec)) as prepared:
        return build_prepared(prepared, options or Options())


def prepare(spec: ImageSpec) -> Prepared:
    """Look at a spec and its files, and run nothing.

    Raises
    ------
    SpecError
        If it cannot be honoured.
    """
    with refusals_noted(spec):
        return Prepared(spec)


def build_prepared(prepared: Prepared, options: Options) -> BuildResult:
    """Build what was prepared; see :func:`build_spec`."""
    if prepared.base is not None:
        # What the base takes its minutes for is not changed by them.
        prepared.keep_files()
        # No task runs in the base: what it lacks for that the spec may have.
        with of_the_base():
            below = replace(options, force=False, no_cache=False, pickled=False)
            build_prepared(prepared.base, below)
    with refusals_noted(prepared.spec):
        options = replace(options, listener=Keeper(prepared.spec, options))
        build = _Build(prepared, options)
    return build.run()


class _Build:
    """One build of one spec. Its methods are the phases, in order."""

    def __init__(self, prepared: Prepared, options: Options) -> None:
        self.prepared = prepared
        self.spec = prepared.spec
        self.options = options
        self.started = time.monotonic()
        self.recipe = prepared.recipe
        self.push = wants_push(self.spec, options.push)
        self.stop = options.stop or Stop()
        # Before the log is begun: there may be no such context.
        self.engine = Engine(engine_address(options.context))
        self.witness = Witness(options.listener)
        self.log = BuildLog(
            self.recipe.image, prepared.secrets, self.witness, options.log_folder, self.stop
        )
        self.log.recipe = self.recipe
        self.private: list[str] = []
        self.digest = ""
        self.size = 0
        # What the engine has under names of this build, as far as it was looked at.
        self.before: dict[str, images.ImageInfo | None] = {}
        self.phase = Phase.PREPARE
        self.waits = self.taken = False
        self.leftovers = Leftovers()
        self.sends_secrets = False
        self.verification: Verification | None = None

    def run(self) -> BuildResult:
        """Do it all."""
        try:
            with contextlib.ExitStack() as stack:
                # flytekit has a handler that exits.
                stack.enter_context(interrupts_raise())
                stack.callback(self.log.close)
                stack.callback(self.engine.close)
                stack.push(self._clean)
                stack.enter_context(self.stop.waking(self.engine.abort))
                result = self._run()
        except (Exception, KeyboardInterrupt) as error:
            # A wish to stop may have ended an answer that the build waited for.
            if isinstance(error, KeyboardInterrupt) or self.stop.asked:
                self._ended(self._result("stopped", "The build was stopped"))
                raise BuildInterrupted(f"The build of {self.recipe.image} was stopped") from error
            failed = self._result("failed", self.log.secrets.mask(str(error)))
            why = explain(error, self.spec, self.witness, self.log.secrets, self.engine)
            self._ended(replace(failed, diagnosis=why))
            raise
        self._ended(result)
        return result

    def _run(self) -> BuildResult:
        # The base image, what is sent, and what envd does at the end of a stage, are steps too.
        parts = sum(stage is not None for stage in stages(self.recipe))
        expected = (len(self.recipe.rules) + 2 * parts + 1) * len(self.recipe.platforms)
        self.log.emit(Started(self.recipe.image, expected, self.log.path))
        self._phase(Phase.PREPARE, self.recipe.image)
        program = find_envd()
        home = open_home(program, self.options.context, self.spec.registry)
        check_caches(self.options, home, self.log)
        place = self.engine.address.host if home.has_engine else home.address
        with alone(f"{self.recipe.image} {place}", self._wait) as turn:
            # What is built anew is not what another build has found done.
            self.taken = turn.before == self.recipe.digest() and not self.options.no_cache
            with reached(program, home) as there:
                result = self._alone(program, there)
            if result.status == "built":
                turn.made(self.recipe.digest())
        return result

    def _wait(self) -> None:
        """Rest while another build makes the same image."""
        if not self.waits:
            self.waits = True
            self._phase(Phase.PREPARE, f"{self.recipe.image} is being built already; waiting")
        self.log.emit(Tick())
        self.log.rest(_MOMENT)

    def _alone(self, program: Program, home: Home) -> BuildResult:
        if (there := self._existing(home)) is not None and not self._forced:
            return self._is_there(there)
        self.prepared.keep_files()
        self.recipe = self.log.recipe = self.prepared.recipe
        for warning in self.recipe.warnings:
            self.log.emit(Notice(warning))
        docker = self.engine.environment() if home.has_engine else {}
        environment = home.environment(docker, telemetry=self.options.telemetry)
        commands = Commands(program, environment, self.log)
        self.leftovers.sweep(self.engine if home.has_engine else None)
        if home.has_engine:
            self._with_engine(commands, home)
        else:
            self._without_engine(commands, home)
        self._phase(Phase.DONE)
        return self._result("built")

    def _with_engine(self, commands: Commands, home: Home) -> None:
        tops = {name.partition("/")[0] for name in self.recipe.files}
        in_recipe = any(self.log.secrets.mask(one) != one for one in self.spec.conda_channels or ())
        self.sends_secrets = home.in_engine and (in_recipe or SECRETS in tops)
        made = {
            platform: self._platform(commands, home, platform) for platform in self.recipe.platforms
        }
        self._verify({platform: one.name for platform, one in made.items()})
        self._tag(made)
        if self.push:
            self._push()

    def _without_engine(self, commands: Commands, home: Home) -> None:
        """Let the builder make and push the image; refuse what only an engine could do."""
        no_engine.refuse(self.spec, home, push=self.push)
        self.log.emit(Notice(no_engine.told(home)))
        if self.options.verify:
            self.log.emit(Notice("The image is not verified: the builder has no Docker engine"))
        self._advise(None)
        recipe = self.prepared.compose(finished=False)
        self._bootstrap(commands, home)
        for platform in recipe.platforms:
            self._phase(Phase.BUILD, platform)
            words = no_engine.output_words(recipe, platform)
            words += cache_words(self.options, recipe, platform, self.log)
            commands.build(self.prepared.write(recipe), words)
        if len(recipe.platforms) > 1:
            self.digest = push_index(self._pushed, partial(self._phase, Phase.PUSH), self.log)

    def _existing(self, home: Home) -> str | None:
        if not home.has_engine:
            return "" if self.taken else None
        find = partial(
            find_existing,
            self.engine,
            self.prepared,
            note=lambda text: self.log.emit(Notice(text)),
            aside=self.log.line,
            in_registry=self.push and not self._forced,
            incremental=self.options.incremental,
        )
        digest, self.size, self.before[self.recipe.image] = retried(find, self.log)
        return digest

    @property
    def _forced(self) -> bool:
        return (self.options.force and not self.taken) or self.options.no_cache

    def _is_there(self, digest: str) -> BuildResult:
        self.digest = digest
        where = "in its registry" if self.push else "in the engine"
        how = "another build has made it" if self.taken else "force builds it again"
        self.log.emit(Notice(f"{self.recipe.image} is {where} already; {how}"))
        self._verify(None)
        return self._result("exists")

    def _platform(self, commands: Commands, home: Home, platform: str) -> finishing.Finished:
        """Build and finish for one platform."""
        self._phase(Phase.BASE, f"{self.recipe.base} ({platform})")
        report = self.log.line
        pull = partial(images.base_image, self.engine, self.recipe.base, platform, report)
        base = retried(pull, self.log)
        self.log.secrets |= base_secrets(base.env)
        self._advise(None if self.spec.cuda else base)
        python = python_asked(self.spec, self.engine, base, self.log)
        recipe = self.prepared.compose(Base(self.recipe.base, base.env, python))
        self._bootstrap(commands, home)
        self._phase(Phase.BUILD, platform if len(self.recipe.platforms) > 1 else "")
        staging = Staging(
            self.engine,
            commands,
            home,
            self.prepared.write,
            anew=self.options.no_cache,
            private=self.private,
            shared=shared_cache(self.options, home, self.engine, self.log),
            more=cache_words(self.options, recipe, platform, self.log),
        )
        if home.in_engine and not self.spec.cuda:
            wanted = wanted_of(self.prepared, base, platform, self.options)
            built = staging.build(recipe, base, platform, wanted)
        else:
            built = staging.build_at_once(recipe, base, platform)
        self._phase(Phase.FINISH)
        finished = f"{images.BUILDS}:{private_name()}"
        self.private.append(finished)
        made_by = f"{self.recipe.digest()}{built.chain}"
        goal = finishing.Goal(base, recipe.finish, made_by, finished)
        name = self.recipe.names[platform]
        if name not in self.before:
            self.before[name] = images.inspect(self.engine, name)
        take = taker(self.options.together, self.stop.check)
        return finishing.finish(self.engine, built.image, goal, self.before[name], take)

    def _advise(self, base: images.ImageInfo | None) -> None:
        if not self.options.pickled:
            return
        known = base_python(self.engine, base, self.log) if base else None
        for text in advice(self.spec, self.prepared.inputs.requirements, known):
            if text not in self.log.warnings:
                self.log.emit(Notice(text))

    def _bootstrap(self, commands: Commands, home: Home) -> None:
        inputs = self.prepared.inputs
        if inputs.registry_config is None or inputs.folder is None:
            return
        self._phase(Phase.BOOTSTRAP, str(inputs.registry_config))
        if home.in_engine:
            self.log.emit(
                Notice(
                    "registry_config: the Docker engine does not read it; its own certificates "
                    "(/etc/docker/certs.d) count"
                )
            )
        try:
            commands.bootstrap(self.prepared.registries(), inputs.folder)
        finally:
            home.close_keys()

    def _verify(self, made: dict[str, str] | None) -> None:
        """Compare what was made, or is there, with what was asked for; it has no name before."""
        if not self.options.verify:
            return
        # Imported here, since most builds do not come to it.
        from envd_magic.pipeline.verifying import required, verify_prepared

        self._phase(Phase.VERIFY)
        found = verify_prepared(
            self.engine,
            self.prepared,
            self.options.modules,
            self.stop,
            made,
            in_registry=self.push and made is None,
        )
        self.verification = replace(found, image=self.recipe.image)
        required(self.verification)

    def _tag(self, made: dict[str, finishing.Finished]) -> None:
        """Set the final names, all at the end: until then a name keeps its last good image."""
        names = self.recipe.names
        for platform, name in names.items():
            images.tag(self.engine, made[platform].name, name)
        first = next(iter(made.values()))
        if len(made) > 1:
            images.tag(self.engine, first.name, self.recipe.image)
        self.digest, self.size = first.id, first.size

    def _push(self) -> None:
        told = partial(self._phase, Phase.PUSH)
        self.digest = push(self.engine, self.spec, self._pushed, self.log, told)

    @property
    def _pushed(self) -> Pushed:
        inputs = self.prepared.inputs
        config = with_whole_paths(inputs.registries, inputs.folder)
        return Pushed(self.recipe.image, self.recipe.names, config)

    def _phase(self, phase: Phase, detail: str = "") -> None:
        self.phase = phase
        self.log.emit(PhaseChanged(phase, detail))

    def _clean(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Take our private names out of the engine again; what they name stays if it is used."""
        private = [name for name in self.private if BASES.release(name)]
        self.leftovers.remove(private, self.engine, given_up=error is not None)
        if self.sends_secrets:
            self.leftovers.forget(self.engine)
        if error is not None:
            # What has failed counts, and who has stopped it does not wait for a slow engine.
            self.leftovers.wait(_SHORT)
        elif not self.leftovers.wait(_LONG):
            self.log.emit(Notice("Private names stay in the engine until a later build"))

    def _result(self, status: str, error: str = "") -> BuildResult:
        return BuildResult(
            image=self.recipe.image,
            digest=self.digest,
            status=status,
            steps=self.log.steps,
            seconds=time.monotonic() - self.started,
            log_file=self.log.path,
            platforms=self.recipe.names if len(self.recipe.platforms) > 1 else {},
            warnings=tuple(dict.fromkeys(self.log.warnings)),
            pushed=self.push,
            error=error,
            size=self.size,
            stage=self.phase.value,
            verification=self.verification,
        )

    def _ended(self, result: BuildResult) -> None:
        note(result)
        self.log.emit(Finished(result))
