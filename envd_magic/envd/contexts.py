"""envd's contexts: which one a build takes, and those that were added here.

envd has one file of contexts a user, which every envd of theirs reads and writes. It is read here
and never written: what is added is kept in a file of our own, and is told to envd in its private
home alone. https://envd.tensorchord.ai/cli/cli_reference.html
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.engine.address import Address
from envd_magic.engine.bridge import ssh_command
from envd_magic.errors import ContextError, EngineError
from envd_magic.paths import data_folder, lock, unusable, write_whole
from envd_magic.spec.names import BUILDERS, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SANDBOX_REGISTRY = "localhost:30000"
SANDBOX_CONTEXT = "flyte-sandbox"
SANDBOX_BUILDER = "tcp://localhost:30003"
CONTEXT_VARIABLE = "FLYTE_ENVD_CONTEXT"
_KEPT = ("name", "builder", "address", "certificates")
_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*")
_DEFAULT_CONTAINER = "envd_buildkitd"
_MOST_PORTS = 65535
_PLACE = re.compile(r"[^\s/@]+:(\d{1,5})")


@dataclass(frozen=True)
class Context:
    """A context.

    Parameters
    ----------
    name
        What it is called.
    builder
        One of :data:`~envd_magic.spec.names.BUILDERS`.
    address
        Of the builder, without the builder's name before it.
    certificates
        Folder with ca.pem, cert.pem and key.pem, "" if none.
    added
        Was it added here? Else it is the user's envd's own.
    current
        Is it the one that the user's envd uses?
    """

    name: str
    builder: str
    address: str = ""
    certificates: str = ""
    added: bool = False
    current: bool = False

    @property
    def engine(self) -> Address | None:
        """The engine that it names; None if that is the one that docker's command line uses."""
        if self.builder != "moby-worker" or not self.added or not self.address:
            return None
        folder = Path(self.certificates) if self.certificates else None
        return Address(self.address, folder, named_by=f"the context {self.name}")


class Chosen(NamedTuple):
    """The context that a build takes, "" for the user's current one, and why."""

    name: str
    why: str


def choose_context(asked: str | None, registry: str | None = None) -> Chosen:
    """Choose a context by its name, as a build does.

    Parameters
    ----------
    asked
        What an option or a setting says.
    registry
        Where the image goes.
    """
    if asked:
        return Chosen(asked, "the setting context says so")
    if name := os.environ.get(CONTEXT_VARIABLE):
        return Chosen(name, f"{CONTEXT_VARIABLE} says so")
    if registry == SANDBOX_REGISTRY:
        return Chosen(SANDBOX_CONTEXT, f"the Flyte sandbox builds for {SANDBOX_REGISTRY}")
    return Chosen("", "it is your envd's current one")


def engine_address(asked: str | None) -> Address | None:
    """Give the engine that the chosen context names, None if it names none.

    Raises
    ------
    ContextError
        If the added contexts cannot be read.
    """
    context = added_context(choose_context(asked).name)
    return None if context is None else context.engine


def added_context(name: str) -> Context | None:
    """Give a context that was added here, None if it was not.

    Raises
    ------
    ContextError
        If the file that has them cannot be read.
    """
    # A build in the user's current context needs no file of ours.
    return added_contexts().get(name) if name else None


def added_contexts() -> dict[str, Context]:
    """Give the contexts that were added here.

    Raises
    ------
    ContextError
        If the file that has them cannot be read.
    """
    path = _path()
    try:
        found = [_read(one) for one in json.loads(path.read_text("utf-8"))]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise ContextError(
            f"{path}, which has the contexts that were added, cannot be read: {error}. Mend it, or "
            "remove it and add them anew"
        ) from error
    return {context.name: context for context in found}


def _read(told: object) -> Context:
    """Give one as it was kept.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(told, dict):
        raise ValueError("one of them is no context")  # noqa: TRY004 - told as the file's fault
    name, builder, address, folder = (str(told.get(field, "")) for field in _KEPT)
    found = Context(name, builder, address, folder, added=True)
    if not _NAME.fullmatch(found.name) or found.builder not in BUILDERS:
        raise ValueError(f"{found.name!r} ({found.builder!r}) is no context")
    return found


def add_context(context: Context, taken: Iterable[str]) -> Context:
    """Add a context and give it as it is kept; nothing that is there changes.

    Parameters
    ----------
    context
        What to add.
    taken
        Names that the user's envd has.

    Raises
    ------
    ContextError
        If it is none, or its name is taken.
    """
    context = _checked(context)
    with _locked():
        found = added_contexts()
        if context.name in found or context.name in taken:
            raise ContextError(f"There is a context {context.name} already; take another name")
        _write([*found.values(), context])
    return context


def remove_context(name: str, taken: Iterable[str]) -> None:
    """Remove a context that was added here.

    Raises
    ------
    ContextError
        If it was not.
    """
    with _locked():
        found = added_contexts()
        if name in found:
            del found[name]
            _write(found.values())
            return
    if name in taken:
        raise ContextError(
            f"The context {name} is your envd's own, which is left as it is. It goes with: "
            f"envd context rm --name {name}"
        )
    none = f"There is no context {name!r} to remove: none was added here"
    raise ContextError(unknown("context", name, found) if found else none)


def _checked(context: Context) -> Context:
    """Give a context with its address in the form that is kept.

    Raises
    ------
    ContextError
        If something of it is missing or wrong.
    """
    if not _NAME.fullmatch(context.name):
        raise ContextError(f"{context.name!r} is no name; letters, digits, '-', '_' and '.' are")
    if context.builder not in BUILDERS:
        raise ContextError(unknown("builder", context.builder, BUILDERS))
    address = _address(context.builder, context.address.strip())
    folder = _folder(context, uses_tls=context.builder == "tcp" or address.startswith("tcp://"))
    return Context(context.name, context.builder, address, folder, added=True)


def _address(builder: str, given: str) -> str:
    expected = f"--address is to be {BUILDERS[builder]}"
    if builder == "moby-worker":
        return _engine(given, expected)
    address = given.removeprefix(f"{builder}://")
    if not address and builder.endswith("-container"):
        return _DEFAULT_CONTAINER
    if not address or re.search(r"\s", address) or address.startswith("-"):
        raise ContextError(f"The builder {builder} needs an address: {expected}")
    if builder == "tcp" and not _is_place(address):
        raise ContextError(f"{address!r} has no port: {expected}")
    return str(Path(address).expanduser().absolute()) if builder == "unix" else address


def _engine(address: str, expected: str) -> str:
    """Check the address of an engine; "" is that of docker's command line."""
    if address.startswith("ssh://"):
        try:
            ssh_command(address)
        except EngineError as error:
            raise ContextError(f"{error}: {expected}") from error
    elif address.startswith("tcp://"):
        if not _is_place(address.removeprefix("tcp://")):
            raise ContextError(f"{address!r} is no address of an engine: {expected}")
    elif address and not re.fullmatch(r"unix:///\S+", address):
        raise ContextError(f"{address!r} is no address of an engine: {expected}")
    return address


def _is_place(text: str) -> bool:
    found = _PLACE.fullmatch(text)
    return found is not None and 0 < int(found[1]) <= _MOST_PORTS


def _folder(context: Context, *, uses_tls: bool) -> str:
    if not context.certificates:
        return ""
    if not uses_tls:
        raise ContextError("--certificates is for addresses over TCP")
    folder = Path(context.certificates).expanduser().absolute()
    missing = [name for name in ("ca", "cert", "key") if not (folder / f"{name}.pem").is_file()]
    if missing:
        raise ContextError(f"--certificates: {folder} has no {missing[0]}.pem")
    return str(folder)


def _path() -> Path:
    return data_folder() / "contexts.json"


def _write(contexts: Iterable[Context]) -> None:
    told = [{field: getattr(one, field) for field in _KEPT} for one in contexts]
    write_whole(_path(), json.dumps(told, indent=1).encode())


@contextmanager
def _locked() -> Iterator[None]:
    """Let one process at a time change the file; the lock ends with its holder."""
    path = data_folder() / "contexts.lock"
    try:
        file = path.open("w")
    except OSError as error:
        raise unusable(path, error) from error
    with file:
        lock(file, path)
        yield
