"""A registry that is gone before a pull, before a push or in its middle; and what it says."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import BaseImageError, BuildInterrupted, EngineError, PushError
from envd_magic.engine import images
from envd_magic.engine.client import Engine
from envd_magic.engine.passing import TRIED, is_passing
from envd_magic.engine.registry import push_index
from envd_magic.pipeline.events import Phase, PhaseChanged
from envd_magic.pipeline.explain import explain
from envd_magic.pipeline.witness import Witness
from envd_magic.spec.secrets import Secrets

from .own import OwnRegistry, own_registry
from .users import User, interrupt, log_text
from .users import user as user  # noqa: PLC0414 - fixtures
from .users import users_home as users_home  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

_AGAIN = ["Trying again in 1 s (2 of 3)", "Trying again in 4 s (3 of 3)"]


@pytest.fixture(scope="module")
def running(lab: Lab) -> Iterator[OwnRegistry]:
    assert lab
    with own_registry() as found:
        yield found


@pytest.fixture
def registry(running: OwnRegistry) -> OwnRegistry:
    running.start()
    return running


def tries() -> list[str]:
    return [line for line in log_text().splitlines() if line.startswith("Trying again")]


def test_registry_that_stays_away_from_a_pull_is_told_after_three_tries(
    registry: OwnRegistry, user: User
) -> None:
    far_base = f"{registry.address}/base:1"
    registry.stop()
    with pytest.raises(BaseImageError, match="tried 3 times") as caught:
        user.build("true", base_image=far_base)
    assert f"Cannot pull the base image {far_base}" in str(caught.value)
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.kind == "base-unreachable"
    assert caught.value.diagnosis.field == "base_image"
    assert tries() == _AGAIN
    user.has_what_was()
    user.can_build()


def test_registry_that_comes_back_is_pulled_from(
    lab: Lab, registry: OwnRegistry, user: User
) -> None:
    base = f"{registry.address}/base:1"
    lab.docker("tag", lab.base_image, base)
    lab.docker("push", "-q", base)
    lab.docker("rmi", base)
    registry.stop()
    result = user.build("true", base_image=base, at="Trying again", do=registry.start)
    lab.docker("rmi", "-f", base)
    assert result.status == "built"
    assert tries() == _AGAIN[:1]


def test_registry_that_stays_away_from_a_push_keeps_its_last_image(
    registry: OwnRegistry, user: User
) -> None:
    before = user.build("true", registry=registry.address)
    with pytest.raises(PushError, match="tried 3 times") as caught:
        user.build("false || true", registry=registry.address, at="Phase.PUSH", do=registry.stop)
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.kind == "push-unreachable"
    assert tries() == _AGAIN
    user.has_what_was()
    registry.start()
    engine = Engine()
    assert images.registry_digest(engine, before.image) == before.digest
    engine.close()
    assert user.build("false || true", registry=registry.address).pushed


def test_registry_that_comes_back_is_pushed_to(registry: OwnRegistry, user: User) -> None:
    def away() -> None:
        registry.stop()
        user.then("Trying again", registry.start)

    result = user.build("true", registry=registry.address, at="Phase.PUSH", do=away)
    assert result.pushed
    assert tries() == _AGAIN[:1]


def test_registry_that_goes_away_in_a_push_and_comes_back_is_pushed_to(
    registry: OwnRegistry, user: User
) -> None:
    def away() -> None:
        registry.stop()
        user.then("Retrying in", registry.start)

    much = f"head -c 50M /dev/urandom > /{user.name}"
    result = user.build(much, registry=registry.address, at=": Pushing", do=away)
    assert result.pushed
    # The engine itself has tried again.
    assert "Retrying in 5 seconds" in log_text()
    assert not tries()


def test_pause_between_tries_ends_when_it_is_interrupted(registry: OwnRegistry, user: User) -> None:
    registry.stop()
    began: list[float] = []

    def now() -> None:
        began.append(time.monotonic())
        interrupt()

    with pytest.raises(BuildInterrupted):
        user.build("true", base_image=f"{registry.address}/x:1", at="(3 of 3)", do=now)
    assert time.monotonic() - began[0] < 4


@contextmanager
def answering(status: int, body: bytes = b"") -> Iterator[tuple[str, list[str]]]:
    """Run a registry that answers all questions but the first in one way; give what is asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v2/"
            if not known:
                asked.append(f"{self.command} {self.path}")
            self.send_response(200 if known else status)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.end_headers()
            self.wfile.write(b"" if known else body)

        do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"localhost:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "passes"),
    [
        (500, b"", True),
        (503, b"", True),
        (500, b'{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}', True),
        (429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', True),
        (404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', False),
        (403, b'{"errors":[{"code":"DENIED","message":"access denied"}]}', False),
    ],
)
def test_what_may_pass_is_told_from_what_stays(
    lab: Lab, status: int, body: bytes, passes: bool
) -> None:
    assert lab
    engine = Engine()
    with answering(status, body) as (address, _):
        with pytest.raises(BaseImageError) as pulled:
            images.base_image(engine, f"{address}/x:1", "linux/amd64", print)
        with pytest.raises(PushError) as listed:
            push_index(f"{address}/x:1", {"linux/amd64": f"{address}/x:1-linux-amd64"})
    engine.close()
    assert [is_passing(str(error.value)) for error in (pulled, listed)] == [passes, passes]


def test_what_stays_is_asked_once(lab: Lab, user: User) -> None:
    assert lab
    body = b'{"errors":[{"code":"DENIED","message":"access denied"}]}'
    with answering(403, body) as (address, _), pytest.raises(EngineError) as caught:
        user.build("true", base_image=f"{address}/x:1")
    assert "tried" not in str(caught.value)
    assert not tries()


@pytest.mark.parametrize(
    "said",
    [
        "write tcp 127.0.0.1:5->127.0.0.1:6: write: broken pipe",
        "received unexpected HTTP status: 500 Internal Server Error",
        "expected HTTP 206 from byte range request",
        "unknown: unknown error",
        "unexpected EOF",
    ],
)
def test_trouble_of_a_registry_is_not_told_as_one_of_the_engine(said: str) -> None:
    """What an engine said of registries that cut connections and answered 500."""
    told = f"Cannot do it with r.example/x:1: {said} ({TRIED})"
    spec = ImageSpec(name="x", registry="r.example", base_image="r.example/x:1")
    cases = {
        "base-unreachable": (BaseImageError, Phase.BASE),
        "push-unreachable": (PushError, Phase.PUSH),
    }
    for kind, (error, phase) in cases.items():
        witness = Witness()
        witness(PhaseChanged(phase, ""))
        found = explain(error(told), spec, witness, Secrets())
        assert found.kind == kind
        assert "r.example" in found.cause
