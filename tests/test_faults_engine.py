"""An engine that dies or is started again: an engine of the tests' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envd_magic import BuildError, EngineError, PushError
from envd_magic.engine.client import Engine

from .own import OwnEngine, own_engine, own_registry
from .processes import until
from .users import User, log_text
from .users import user as user  # noqa: PLC0414 - fixtures
from .users import users_home as users_home  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

_NOW = "echo now at it; sleep 600"


@pytest.fixture(scope="module")
def running(lab: Lab) -> Iterator[OwnEngine]:
    with own_engine(lab.base_image) as found:
        yield found


@pytest.fixture(autouse=True)
def engine(running: OwnEngine, monkeypatch: pytest.MonkeyPatch) -> OwnEngine:
    running.start()
    monkeypatch.setenv("DOCKER_HOST", running.host)
    return running


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_engine_that_ends_in_a_step_is_told_and_the_next_build_works(
    engine: OwnEngine, user: User, how: str
) -> None:
    with pytest.raises(BuildError, match="the Docker engine went away") as caught:
        user.build(_NOW, at="now at it", do=getattr(engine, how))
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.kind == "engine-lost"
    assert "now at it" in log_text()
    engine.start()
    user.has_what_was()
    user.can_build()


def test_engine_that_ends_between_steps_is_told_and_the_next_build_works(
    engine: OwnEngine, user: User
) -> None:
    for phase in ("BASE", "FINISH"):
        with pytest.raises(EngineError, match="the Docker engine does not answer") as caught:
            user.build("true", at=f"Phase.{phase}", do=engine.kill)
        assert caught.value.diagnosis is not None
        assert caught.value.diagnosis.kind == "engine-lost"
        engine.start()
        user.has_what_was()
    user.can_build()


def test_engine_that_ends_in_a_push_is_told_and_the_next_build_works(
    engine: OwnEngine, user: User
) -> None:
    with own_registry() as registry:
        where: Any = {"registry": registry.address}
        much = f"head -c 50M /dev/urandom > /{user.name}"
        with pytest.raises(PushError, match="the Docker engine does not answer"):
            user.build(much, at=": Pushing", do=engine.kill, **where)
        engine.start()
        user.has_what_was()
        assert user.build("true", **where).pushed
    user.can_build()


@pytest.mark.parametrize(("keeps_layers", "asked"), [(True, "load_image"), (False, "commit")])
def test_engine_that_ends_while_it_finishes_the_image_keeps_nothing_after_the_next_build(
    engine: OwnEngine, user: User, monkeypatch: pytest.MonkeyPatch, keeps_layers: bool, asked: str
) -> None:
    import docker

    def killed(*_: object, **__: object) -> None:
        engine.kill()
        raise ConnectionResetError("Connection reset by peer")

    monkeypatch.setattr(Engine, "keeps_layers", keeps_layers)
    with monkeypatch.context() as patch:
        patch.setattr(docker.APIClient, asked, killed)
        with pytest.raises(EngineError, match="the Docker engine does not answer"):
            user.build("true")
    engine.start()
    user.has_what_was()
    user.can_build()
    until(lambda: engine.docker("ps", "-a", "--format", "{{.Names}}") == "")
    until(lambda: not [name for name in engine.names() if name.startswith("envd_magic-build:")])
