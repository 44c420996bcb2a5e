"""Stopping a build: from a thread, from a signal, wherever it is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from requests.exceptions import ReadTimeout

from envd_magic import BuildInterrupted, EngineError, build, last_result
from envd_magic.engine.client import Engine, explained
from envd_magic.engine.passing import is_passing
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.stop import Stop

from .stalls import stalled_registry

if TYPE_CHECKING:
    from .lab import Lab

# Far more than the second that it may take.
_PATIENCE = 30


def test_push_that_hangs_is_given_up_when_another_thread_says_stop(lab: Lab) -> None:
    assert lab
    stop = Stop()
    with stalled_registry() as registry:
        spec = ImageSpec(name="hangs", registry=registry.address)

        def ask() -> None:
            registry.waits.wait(_PATIENCE)
            stop.ask()

        asker = threading.Thread(target=ask)
        asker.start()
        with pytest.raises(BuildInterrupted):
            build_spec(spec, Options(force=True, stop=stop))
        asker.join()
        assert registry.left.wait(_PATIENCE)
    result = last_result()
    assert result is not None
    assert result.status == "stopped"


def test_push_that_hangs_is_given_up_when_the_user_interrupts(lab: Lab) -> None:
    assert lab
    with stalled_registry() as registry:

        def interrupt() -> None:
            registry.waits.wait(_PATIENCE)
            os.kill(os.getpid(), signal.SIGINT)

        asker = threading.Thread(target=interrupt)
        asker.start()
        with pytest.raises(BuildInterrupted) as caught:
            build(ImageSpec(name="hangs", registry=registry.address), force=True)
        asker.join()
        # The engine has stopped pushing although the error, with all that it holds, is still here.
        assert registry.left.wait(_PATIENCE)
        assert caught.value.__cause__ is not None


def test_interrupt_while_envd_is_being_started_leaves_no_envd(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    started: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def interrupted(words: list[str], **options: Any) -> subprocess.Popen[bytes]:
        process = begin(words, **options)
        if "build" in words:
            started.append(process)
            os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr("envd_magic.envd.process.subprocess.Popen", interrupted)
    with pytest.raises(BuildInterrupted):
        build(ImageSpec(name="begun", commands=["sleep 600"]), force=True)
    assert [process.poll() is not None for process in started] == [True]


def test_stop_that_was_asked_before_the_build_ends_it_at_once(lab: Lab) -> None:
    assert lab
    stop = Stop()
    stop.ask()
    began = time.monotonic()
    with pytest.raises(BuildInterrupted):
        build_spec(ImageSpec(name="never", commands=["sleep 600"]), Options(stop=stop))
    assert time.monotonic() - began < _PATIENCE


class _Connection:
    sock = None


def test_stop_is_heard_though_answers_come_just_then() -> None:
    engine, over = Engine(), threading.Event()

    def answers() -> None:
        kept: list[_Connection] = []
        while not over.is_set():
            kept = [*kept[-50:], _Connection()]
            engine._plugs.add(kept[-1])  # noqa: SLF001 - as the SDK does

    thread = threading.Thread(target=answers)
    thread.start()
    try:
        for _ in range(20_000):
            engine.abort()
    finally:
        over.set()
        thread.join()


def test_pull_from_a_registry_that_is_silent_is_given_up_when_another_thread_says_stop(
    lab: Lab,
) -> None:
    assert lab
    stop = Stop()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def ask() -> None:
            connection, _ = server.accept()
            began.append(time.monotonic())
            stop.ask()
            ended.wait(_PATIENCE)
            connection.close()

        began: list[float] = []
        ended = threading.Event()
        asker = threading.Thread(target=ask)
        asker.start()
        base = f"localhost:{server.getsockname()[1]}/silent:1"
        with pytest.raises(BuildInterrupted):
            build_spec(ImageSpec(name="hangs", base_image=base), Options(force=True, stop=stop))
        took = time.monotonic() - began[0]
        ended.set()
        asker.join()
    assert took < _PATIENCE / 3


def test_silence_of_a_registry_is_told_as_its_own() -> None:
    with pytest.raises(EngineError) as caught, explained("pull x", registry="r.example"):
        raise ReadTimeout("UnixHTTPConnectionPool(host='localhost'): Read timed out.")
    assert str(caught.value) == "Cannot pull x: the registry r.example has been silent for too long"
    assert not is_passing(str(caught.value))
