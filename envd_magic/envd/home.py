"""A home of our own for envd, and the context that a build uses in it.

envd keeps its state, with the *current* context, below ``$HOME``, and knows no other place. A
home of our own leaves the user's as it is, whatever happens. Homes are kept, since the first
command in a new one makes a 4096-bit key, and there is one for each state of the user's contexts:
a home is complete before it gets its name and is never switched after.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.envd.contexts import (
    SANDBOX_BUILDER,
    SANDBOX_CONTEXT,
    Context,
    added_context,
    added_contexts,
    choose_context,
)
from envd_magic.envd.program import find_envd
from envd_magic.errors import ContextError
from envd_magic.paths import cache_folder, lock, unusable, write_whole
from envd_magic.spec.names import close
from envd_magic.watched import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envd_magic.engine.address import Address
    from envd_magic.envd.program import Program

_STATE = Path(".config/envd")
_CONTAINERS = Path(".config/containers")
_KEYS = ("id_rsa_envd", "id_rsa_envd.pub")
# Builders whose images end up in a Docker engine.
_ENGINE_BUILDERS = ("moby-worker", "docker-container", "nerdctl-container")


@dataclass(frozen=True)
class Home:
    """An envd home with its context.

    Parameters
    ----------
    path
        What envd gets as ``$HOME``.
    context
        Name of the context that is current in it.
    builder
        Kind of its builder, as "moby-worker" or "tcp".
    address
        Address of its builder, "" if it has none.
    certificates
        Folder of a client's certificates that the builder wants, "" if it wants none.
    """

    path: Path
    context: str
    builder: str
    address: str = ""
    certificates: str = ""

    @property
    def has_engine(self) -> bool:
        """Does what is built land in a Docker engine?"""
        return self.builder in _ENGINE_BUILDERS

    @property
    def in_engine(self) -> bool:
        """Is the builder the engine itself, which then sees the engine's own images?"""
        return self.builder == "moby-worker"

    def environment(
        self, docker: Mapping[str, str] | None = None, *, telemetry: bool = False
    ) -> dict[str, str]:
        """Variables for an envd process.

        Parameters
        ----------
        docker
            What leads to the engine (``DOCKER_HOST`` and the like).
        telemetry
            True lets envd tell its makers of what it does.
        """
        environment = {
            "DOCKER_CONFIG": str(Path.home() / ".docker"),
            **kube_variables(),
            # Go's: garbage that is collected less often saves a fifth of envd's own work.
            "GOGC": "400",
            **os.environ,
            **(docker or {}),
            "HOME": str(self.path),
            "ENVD_ANALYTICS": "true" if telemetry else "false",
            "BUILDKIT_PROGRESS": "plain",
            # Cuts the names of steps, not the lines that they write.
            "PROGRESS_NO_TRUNC": "0",
            "ENVD_BUILD_OWNER": "0:0",
        }
        environment.pop("DOCKER_CONTEXT", None)
        return environment

    def close_keys(self) -> None:
        """Close the clients' keys that ``envd bootstrap`` copies for everybody to read.

        No builder in an engine reads them, so there they go.
        """
        for path in (self.path / _STATE).glob("*_key.pem"):
            # Another build may do the same at the same time.
            with suppress(FileNotFoundError):
                if self.in_engine:
                    path.unlink()
                else:
                    path.chmod(0o600)

    def trust(self, registry: str) -> None:
        """Let envd read from a registry on loopback without TLS.

        The file stays: another envd that starts just now may be about to read it.
        """
        folder = self.path / _CONTAINERS / "registries.conf.d"
        path = folder / f"envd_magic-{re.sub('[^0-9A-Za-z]', '_', registry)}.conf"
        if not path.exists():
            write_whole(path, f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n'.encode())


def open_home(program: Program, context: str | None = None, registry: str | None = None) -> Home:
    """Give the home for a build.

    Parameters
    ----------
    program
        The envd to set it up with.
    context
        Name of a context of the user's; None takes ``FLYTE_ENVD_CONTEXT``, then the Flyte
        sandbox's builder if that is where the image goes, then the user's current one.
    registry
        Where the image goes.

    Raises
    ------
    ContextError
        If there is no such context.
    """
    wanted = choose_context(context, registry).name
    return _open(program, wanted, added_context(wanted))


def named_engine(asked: str | None) -> Address | None:
    """Give the engine of the chosen context, None if that is the one of docker's command line.

    Raises
    ------
    EnvdMagicError
        If there is no such context.
    """
    name = choose_context(asked).name
    context = added_context(name)
    if context is None and name:
        # Where a name is mistyped, nothing is to happen in another engine than is meant.
        open_home(find_envd(), name)
    return None if context is None else context.engine


def user_contexts(program: Program) -> list[Context]:
    """List the contexts that the user's envd has."""
    home = _open(program, "", None)
    return [
        Context(name, builder, address.removeprefix(f"{builder}://"), current=current)
        for name, (builder, address, current) in _contexts(program, home.path).items()
    ]


def _open(program: Program, wanted: str, added: Context | None) -> Home:
    user = Path.home()
    contexts = _read(user / _STATE / "contexts")
    parts = [b"3", program.version.encode(), wanted.encode(), repr(added).encode(), contexts]
    key = hashlib.sha256(b"\0".join(parts))
    homes = cache_folder() / "envd"
    path = homes / key.hexdigest()[:16]
    if not (path / "context").exists():
        with _lock(homes):
            if not (path / "context").exists():
                _make(path, program, wanted, contexts, added)
    _link_containers(path, user)
    name, builder, address = (path / "context").read_text("utf-8").split("\n")[:3]
    return Home(path, name, builder, address, added.certificates if added is not None else "")


def kube_variables() -> dict[str, str]:
    """Give what lets kubectl find the user's own settings, whatever HOME is."""
    return {"KUBECONFIG": str(Path.home() / ".kube/config")}


def known_contexts() -> list[str]:
    """Names of the contexts that the user has, as far as an envd home knows them already."""
    homes = cache_folder() / "envd"
    found = {"default", SANDBOX_CONTEXT, *added_contexts()}
    for path in homes.glob("*/contexts"):
        found.update(path.read_text("utf-8").split("\n"))
    return sorted(found - {""})


def _make(
    path: Path, program: Program, wanted: str, contexts: bytes, added: Context | None
) -> None:
    """Set up a home beside its place, then move it there."""
    for left in path.parent.glob("new-*"):
        # Whoever makes a home holds the lock: this one was killed.
        shutil.rmtree(left)
    new = Path(tempfile.mkdtemp(dir=path.parent, prefix="new-"))
    try:
        state = new / _STATE
        state.mkdir(parents=True, mode=0o700)
        if contexts:
            write_whole(state / "contexts", contexts)
        for name in _KEYS:
            if (kept := path.parent / name).exists():
                shutil.copy2(kept, state / name)
        listed = _choose(program, new, wanted, added)
        current = next((name for name, (_, _, used) in listed.items() if used), "default")
        builder, address, _ = listed.get(current, ("moby-worker", "", True))
        for name in _KEYS:
            if not (kept := path.parent / name).exists() and (state / name).exists():
                shutil.copy2(state / name, kept)
        write_whole(new / "contexts", "\n".join(listed).encode())
        write_whole(new / "context", f"{current}\n{builder}\n{address}\n".encode())
        if path.exists():
            shutil.rmtree(path)
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _choose(
    program: Program, home: Path, wanted: str, added: Context | None
) -> dict[str, tuple[str, str, bool]]:
    """Make a context the current one; one that was added here, or the sandbox's, is made first."""
    listed = _contexts(program, home)
    if not wanted:
        return listed
    if wanted in listed and added is not None:
        raise ContextError(
            f"The context {wanted} is your envd's own, and was added here too. Remove one: "
            f"envd-magic context remove {shlex.quote(wanted)}"
        )
    if added is not None:
        create_context(program, home, added)
    elif wanted in listed:
        _envd(program, home, "context", "use", "--name", wanted)
    elif wanted == SANDBOX_CONTEXT:
        create_context(
            program, home, Context(wanted, "tcp", SANDBOX_BUILDER.removeprefix("tcp://"))
        )
    else:
        known = {*listed, *added_contexts()}
        meant = close(wanted, known)
        raise ContextError(
            f"There is no envd context {wanted!r}. There is: {', '.join(sorted(known))}. "
            + (f"Did you mean {meant!r}? " if meant else "")
            + f"Add it with: envd-magic context add {shlex.quote(wanted)} --builder …"
        )
    return _contexts(program, home)


def create_context(program: Program, home: Path, context: Context) -> None:
    """Make a context in a home of ours, and the current one there."""
    words = ["create", "--name", context.name, "--builder", context.builder]
    # envd itself finds an engine by DOCKER_HOST alone.
    if context.address and context.builder != "moby-worker":
        words += ["--builder-address", context.address]
    _envd(program, home, "context", *words, "--use")


def _contexts(program: Program, home: Path) -> dict[str, tuple[str, str, bool]]:
    """Name to (builder, address, current), as the table of ``envd context ls`` has them."""
    found = {}
    for line in _envd(program, home, "context", "ls").splitlines()[1:]:
        name, *cells = re.split(r"(?: {2,}|\t)\s*", line.strip())
        current = name.endswith(" (current)")
        builder, address, *_ = (*cells, "", "")
        found[name.removesuffix(" (current)")] = (builder, address, current)
    return found


def _envd(program: Program, home: Path, *words: str) -> str:
    environment = Home(home, "", "").environment()
    try:
        done = run([str(program.path), *words], timeout=120, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ContextError(f"envd {' '.join(words)} failed: {error}") from error
    if done.returncode != 0:
        if os.strerror(errno.ENOSPC).lower() in done.stderr.lower():
            # envd writes nowhere else.
            raise unusable(home, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        raise ContextError(f"envd {' '.join(words)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _link_containers(path: Path, user: Path) -> None:
    """Let envd read registries as the user's own tools do: their files, not copies of them."""
    ours, theirs = path / _CONTAINERS, user / _CONTAINERS
    (ours / "registries.conf.d").mkdir(parents=True, exist_ok=True)
    wanted = [theirs / "registries.conf", theirs / "auth.json", theirs / "certs.d"]
    drop_ins = theirs / "registries.conf.d"
    wanted += sorted(drop_ins.glob("*.conf")) if drop_ins.is_dir() else []
    for target in wanted:
        link = ours / target.relative_to(theirs)
        if target.exists() and not link.is_symlink():
            with _lock(path.parent):
                if not link.is_symlink():
                    link.symlink_to(target)
        elif link.is_symlink() and not link.exists():
            link.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "lock"
    with path.open("w") as file:
        lock(file, path)
        yield
