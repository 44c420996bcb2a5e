"""Stopping a verification: it ends at once, and leaves nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import docker
import pytest
from flytekit import ImageSpec

from envd_magic import BuildInterrupted, verify
from envd_magic.pipeline.stop import Stop
from envd_magic.pipeline.verifying import verify_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .lab import Lab

# Of an image whose Python never answers; far less than it would be waited for.
_PATIENCE = 30


@pytest.fixture(scope="module")
def hanging(lab: Lab) -> Iterator[str]:
    name = f"hanging:{os.urandom(4).hex()}"
    lines = f"FROM {lab.base_image}\nRUN rm /usr/bin/python\n"
    lines += "RUN printf '#!/bin/sh\\nsleep 1000\\n' > /usr/bin/python && chmod 755 /usr/bin/python"
    lab.docker("build", "-q", "-t", name, "-", text_in=lines)
    yield name
    lab.docker("rmi", "-f", name)


def when_it_runs(image: str, do: Callable[[], Any]) -> threading.Thread:
    """Do something as soon as a container of an image has started."""
    client = docker.from_env()
    events = client.events(decode=True, filters={"event": "start", "type": "container"})

    def wait() -> None:
        wanted = client.images.get(image).id
        for event in events:
            if event["from"] in (image, wanted):
                do()
                break
        events.close()
        client.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def of(lab: Lab, image: str) -> list[str]:
    """Containers of an image."""
    return lab.docker("ps", "-aq", "--filter", f"ancestor={image}").split()


def is_searching() -> bool:
    """Does a search go on that was given up?"""
    found = [one for one in threading.enumerate() if one.name == "envd_magic-search"]
    for one in found:
        one.join(_PATIENCE)
    return any(one.is_alive() for one in found)


def test_another_thread_stops_it(lab: Lab, hanging: str) -> None:
    stop = Stop()
    spec = ImageSpec(name="hangs", env={"TOKEN": "zu7Kp-0123456789"})
    thread = when_it_runs(hanging, stop.ask)
    began = time.monotonic()
    with pytest.raises(BuildInterrupted, match="was stopped"):
        verify_spec(spec, hanging, stop=stop)
    thread.join()
    assert time.monotonic() - began < _PATIENCE
    assert of(lab, hanging) == []
    assert not is_searching()


def test_the_user_stops_it(lab: Lab, hanging: str) -> None:
    spec = ImageSpec(name="hangs", env={"TOKEN": "zu7Kp-0123456789"})
    thread = when_it_runs(hanging, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        verify(spec, hanging)
    thread.join()
    assert of(lab, hanging) == []
    assert not is_searching()
