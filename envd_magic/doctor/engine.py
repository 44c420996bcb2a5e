"""The engine: whether it answers, what it speaks, the disk it has, the processors it runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.doctor.disk import NEEDED, room
from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.engine.client import OLDEST_API
from envd_magic.engine.images import same_platform
from envd_magic.errors import ContextError, EnvdMagicError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.doctor.subject import Facts, Machine, Subject
    from envd_magic.envd.home import Home

# Names of processors: as the kernel has them, as images have them.
_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}
# What a processor runs beside its own.
_RUNS_TOO = {"amd64": ("386",)}
# Names of QEMU's entries, https://github.com/qemu/qemu/blob/master/scripts/qemu-binfmt-conf.sh
_EMULATORS = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}
_ENTRIES = Path("/proc/sys/fs/binfmt_misc")
_JOIN = 'sudo usermod -aG docker "$USER"'
_EMULATE = "docker run --privileged --rm tonistiigi/binfmt --install all"


def engine(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Does an engine answer, and is it new enough?"""
    try:
        facts = machine.facts(subject)
    except EnvdMagicError as error:
        try:
            home: Home | None = machine.home(subject)
        except ContextError:
            # Which engine is meant is not known; the check of the context tells.
            return
        except EnvdMagicError:
            # There is no envd.
            home = None
        if home is None or home.has_engine:
            if "to the group docker" not in str(error):
                raise
            yield Finding("engine", FAIL, str(error), _JOIN)
            return
        text = f"not needed: the builder {home.builder} makes and pushes images by itself"
        yield Finding("engine", OK, text)
        return
    oldest = ".".join(map(str, OLDEST_API))
    has = f"Docker {facts.version.get('Version')}, API {facts.version.get('ApiVersion')}"
    yield Finding("engine", OK, f"{has} ({oldest} or later is needed) at {facts.address}")


def disk(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Has the engine room for images?"""
    facts = machine.facts(subject)
    root = Path(str(facts.info.get("DockerRootDir") or "/var/lib/docker"))
    if not facts.is_local or not _is_there(root):
        # Of another machine, or of a virtual one on this.
        return
    make_room = "docker builder prune && docker image prune"
    yield room("engine's disk", root, NEEDED, make_room)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def platform(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Does the engine run, or emulate, what is built for?"""
    facts = machine.facts(subject)
    if not machine.home(subject).has_engine:
        return
    own = f"linux/{_own(facts)}"
    for wanted in subject.platforms:
        yield _platform(facts, own, wanted)


def _own(facts: Facts) -> str:
    name = str(facts.info.get("Architecture") or facts.version.get("Arch") or "")
    return _NAMES.get(name, name)


def _platform(facts: Facts, own: str, wanted: str) -> Finding:
    architecture = wanted.partition("/")[2]
    if same_platform(own, wanted) or architecture in _RUNS_TOO.get(own.partition("/")[2], ()):
        return Finding("platform", OK, f"{wanted}, which the engine runs")
    emulates = f"{wanted} has to be emulated: the engine runs {own}"
    if "Docker Desktop" in str(facts.info.get("OperatingSystem")):
        return Finding("platform", OK, f"{emulates}, and Docker Desktop emulates others, slowly")
    state = _emulator(architecture) if facts.is_local else None
    if state is None:
        text = f"{emulates}; whether it can emulate is not seen from here"
        return Finding("platform", WARNING, text, _EMULATE)
    if not state:
        return Finding("platform", FAIL, f"{emulates}, and has no emulator for it", _EMULATE)
    return Finding("platform", OK, f"{emulates}, and has {state}, which is slow")


def _emulator(architecture: str) -> str | None:
    """Give the kernel's emulator for a processor, "" if it has none, None if that is not seen."""
    main = architecture.partition("/")[0]
    name = f"qemu-{_EMULATORS.get(main, main)}"
    if not (_ENTRIES / "status").exists():
        return None
    try:
        told = (_ENTRIES / name).read_text()
    except OSError:
        return ""
    return name if re.match(r"enabled\b", told) else ""
