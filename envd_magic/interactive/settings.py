"""Settings: what ``%config EnvdMagic``, IPython's configuration file and pyproject.toml say.

What is set by ``%config`` or in IPython's file (``c.EnvdMagic.registry = …``) counts before what a
project says in ``[tool.envd_magic]`` of its pyproject.toml; options of a magic count before both.
Variables of the environment, where a setting has one, count between the two.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics
from traitlets import Bool, Integer, TraitError, Unicode, validate
from traitlets.config import Configurable

from envd_magic.pipeline.options import (
    HISTORY_VARIABLE,
    RECORDINGS_VARIABLE,
    SHARED_VARIABLE,
    said_by,
)
from envd_magic.spec.names import INSTALLERS, unknown
from envd_magic.spec.reading import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: What ``%config`` calls the settings.
SECTION = "EnvdMagic"
_TABLE = "tool.envd_magic"
_REGISTRY = re.compile(r"[A-Za-z0-9.\-_:\[\]]+(/[a-z0-9._\-]+)*")
#: Images that are built at once, at most.
MOST_JOBS = 64
#: What counts where nothing is set, in the order in which settings are shown.
DEFAULTS: Mapping[str, Any] = {
    "context": None,
    "registry": None,
    "installer": None,
    "push": None,
    "log_folder": None,
    "tail": 12,
    "incremental": False,
    "shared_cache": None,
    "cache_from": None,
    "cache_to": None,
    "at_once": 4,
    "telemetry": False,
    "history": True,
    "recordings": True,
}
# Variables that count before a project: what is kept is the user's own matter.
_VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "history": (HISTORY_VARIABLE, said_by),
    "recordings": (RECORDINGS_VARIABLE, said_by),
    "shared_cache": (SHARED_VARIABLE, os.environ.get),
}


class Settings(Magics):
    """The settings, as traits of the magics' class; None where nothing is set."""

    context = Unicode(None, allow_none=True, help="envd context to build in").tag(config=True)
    registry = Unicode(
        None, allow_none=True, help="Registry of specs that name none, as localhost:5000"
    ).tag(config=True)
    installer = Unicode(
        None, allow_none=True, help="What installs Python packages: uv (the default) or pip"
    ).tag(config=True)
    push = Bool(
        None,
        allow_none=True,
        help="Push images, or do not; else those are pushed that have a registry",
    ).tag(config=True)
    log_folder = Unicode(None, allow_none=True, help="Folder for the logs of builds").tag(
        config=True
    )
    tail = Integer(
        None,
        allow_none=True,
        min=1,
        max=200,
        help="How many lines of the log a running build shows, 1 to 200 (default: 12)",
    ).tag(config=True)
    incremental = Bool(
        None,
        allow_none=True,
        help="Add what is new to what the image's last build installed (default: False)",
    ).tag(config=True)
    at_once = Integer(
        None,
        allow_none=True,
        min=1,
        max=MOST_JOBS,
        help=f"How many of several images are built at once, 1 to {MOST_JOBS} (default: 4)",
    ).tag(config=True)
    shared_cache = Unicode(
        None,
        allow_none=True,
        help="Repository in which a team keeps what images install, as localhost:5000/team/cache",
    ).tag(config=True)
    cache_from = Unicode(
        None, allow_none=True, help="Image that the builder's layer cache is taken from"
    ).tag(config=True)
    cache_to = Unicode(
        None, allow_none=True, help="Image that the builder's layer cache is put to"
    ).tag(config=True)
    telemetry = Bool(
        None, allow_none=True, help="Let envd tell its makers of the builds (default: False)"
    ).tag(config=True)

    history = Bool(
        None, allow_none=True, help="Remember builds, for %envd history (default: True)"
    ).tag(config=True)
    recordings = Bool(
        None, allow_none=True, help="Record builds, for %envd record (default: True)"
    ).tag(config=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check_names(self.config)

    def update_config(self, config: Any) -> None:
        """Take what ``%config EnvdMagic.name = value`` says.

        Raises
        ------
        UsageError
            If there is no such setting, or the value is none of its.
        """
        _check_names(config)
        try:
            super().update_config(config)
        except TraitError as error:
            raise UsageError(f"%config {SECTION}: {error}") from None

    @validate("installer")
    def _installer(self, proposal: Any) -> str | None:
        value: str | None = proposal["value"]
        if value is not None and value not in INSTALLERS:
            raise TraitError(unknown("installer", value, INSTALLERS))
        return value

    @validate("registry")
    def _registry(self, proposal: Any) -> str | None:
        value: str | None = proposal["value"]
        if value and not _REGISTRY.fullmatch(value):
            raise TraitError(
                f"registry: {value!r} is none; expected host[:port][/path], as localhost:5000"
            )
        return value

    def setting(self, name: str) -> Any:
        """Give a setting as it counts now."""
        return self.settings_in_force()[name][0]

    def settings_in_force(self) -> dict[str, tuple[Any, str]]:
        """Give every setting as it counts now, and where it comes from.

        Raises
        ------
        UsageError
            If the project's table has something that is no setting.
        EnvdMagicError
            If a variable says what it cannot.
        """
        path, project = project_table(Path.cwd())
        found: dict[str, tuple[Any, str]] = {}
        for name, default in DEFAULTS.items():
            own = getattr(self, name)
            if own is not None:
                found[name] = (own, "%config or IPython's configuration")
            elif (said := _said(name)) is not None:
                found[name] = (said, _VARIABLES[name][0])
            elif name in project and path is not None:
                found[name] = (_checked(name, project[name], path), str(path))
            else:
                found[name] = (default, "default")
        return found


def _said(name: str) -> Any:
    """Give what a variable says of a setting, None if none does."""
    if name not in _VARIABLES:
        return None
    variable, read = _VARIABLES[name]
    return read(variable)


class _Probe(Settings):
    """Settings of no shell, for what only wants to be looked at."""

    def __init__(self) -> None:
        Configurable.__init__(self)


# What a message names as the place of a setting.
_Probe.__name__ = SECTION


def project_settings(own: Mapping[str, Any] | None = None) -> Settings:
    """Give the settings that count where there is no shell: the project's, below this folder.

    Parameters
    ----------
    own
        What a notebook sets with ``%config``, which counts before.

    Raises
    ------
    UsageError
        If one of them is no setting, or has a value that is none of its.
    """
    probe = _Probe()
    _check_names({SECTION: own or {}})
    try:
        for name, value in (own or {}).items():
            setattr(probe, name, value)
    except TraitError as error:
        raise UsageError(f"%config {SECTION}: {error}") from None
    return probe


def _checked(name: str, value: Any, path: Path) -> Any:
    try:
        probe = _Probe()
        setattr(probe, name, value)
    except TraitError as error:
        raise UsageError(f"{path}: [{_TABLE}] {name}: {error}") from None
    # A project's folder is named as seen from its file.
    return str(path.parent / Path(value).expanduser()) if name == "log_folder" else value


def _check_names(config: Any) -> None:
    for name in config.get(SECTION, ()):
        if name not in DEFAULTS:
            raise UsageError(f"{SECTION}: {unknown('setting', name, DEFAULTS)}")


def project_table(folder: Path) -> tuple[Path | None, Mapping[str, Any]]:
    """Give the nearest pyproject.toml from a folder upwards and its table of settings.

    Raises
    ------
    UsageError
        If the file is no TOML, or the table has a name that is no setting.
    """
    path = next(
        (p for f in (folder, *folder.parents) if (p := f / "pyproject.toml").is_file()), None
    )
    if path is None:
        return None, {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(read_file(path).decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    tools = content.get("tool")
    table = tools.get("envd_magic", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [{_TABLE}] is to be a table")
    named = {name.replace("-", "_"): value for name, value in table.items()}
    for name in named:
        if name not in DEFAULTS:
            raise UsageError(f"{path}: [{_TABLE}]: {unknown('setting', name, DEFAULTS)}")
    return path, named
