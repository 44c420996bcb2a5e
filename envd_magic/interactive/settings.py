"""Settings: what ``%config EnvdMagic``, IPython's configuration file and pyproject.toml say.

What is set by ``%config`` or in IPython's file (``c.EnvdMagic.registry = …``) counts before what a
project says in ``[tool.envd_magic]`` of its pyproject.toml; options of a magic count before both.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics
from traitlets import Bool, Enum, Integer, TraitError, Unicode, validate

from envd_magic.spec.names import INSTALLERS, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE = "tool.envd_magic"
_REGISTRY = re.compile(r"[A-Za-z0-9.\-_:\[\]]+(/[a-z0-9._\-]+)*")
#: Names of the settings, in the order in which they are shown.
NAMES = ("context", "registry", "installer", "push", "log_folder", "tail", "telemetry")


class Settings(Magics):
    """The settings, as traits of the magics' class."""

    context = Unicode(None, allow_none=True, help="envd context to build in").tag(config=True)
    registry = Unicode(
        None, allow_none=True, help="Registry of specs that name none, as localhost:5000"
    ).tag(config=True)
    installer = Enum(
        INSTALLERS, None, allow_none=True, help="What installs Python packages: uv or pip"
    ).tag(config=True)
    push = Bool(
        None, allow_none=True, help="Push images, or do not; None leaves it to the spec"
    ).tag(config=True)
    log_folder = Unicode(None, allow_none=True, help="Folder for the logs of builds").tag(
        config=True
    )
    tail = Integer(
        12, min=1, max=200, help="How many lines of the log a running build shows (1 to 200)"
    ).tag(config=True)
    telemetry = Bool(False, help="Let envd tell its makers of the builds").tag(config=True)  # noqa: FBT003

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._explicit: set[str] = set()
        super().__init__(*args, **kwargs)

    def notify_change(self, change: Any) -> None:
        """Note which settings were set, by whatever way."""
        if change["name"] in NAMES:
            self._explicit.add(change["name"])
        super().notify_change(change)

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
        """
        path, project = project_table(Path.cwd())
        found: dict[str, tuple[Any, str]] = {}
        for name in NAMES:
            if name in self._explicit:
                found[name] = (getattr(self, name), "%config or IPython's configuration")
            elif name in project:
                found[name] = (self._checked(name, project[name], path), str(path))
            else:
                found[name] = (getattr(self, name), "default")
        return found

    def _checked(self, name: str, value: Any, path: Path | None) -> Any:
        probe = Settings.__new__(Settings)
        try:
            trait = self.traits()[name]
            checked = trait._validate(probe, value)  # noqa: SLF001 - traitlets has no public form
            return self._registry({"value": checked}) if name == "registry" else checked
        except TraitError as error:
            raise UsageError(f"{path}: [{_TABLE}] {name}: {error}") from None


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
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    table = content.get("tool", {}).get("envd_magic", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: [{_TABLE}] is to be a table")
    named = {name.replace("-", "_"): value for name, value in table.items()}
    for name in named:
        if name not in NAMES:
            raise UsageError(f"{path}: [{_TABLE}]: {unknown('setting', name, NAMES)}")
    return path, named
