"""How this machine reaches Debian's packages and Python's, as files for an image."""

from __future__ import annotations

import ast
import itertools
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .process import LabError, run, which

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RELEASE = "bookworm"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

_SUITES = (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security")
_ONE_LINE = re.compile(
    r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<rest>.*)"
)
# What may be needed to reach a mirror and to believe it, less what names a file of this machine.
_APT = re.compile(
    r"^Acquire::(?:https?(?:::.+)?|Check-[\w-]+|Retries|ForceIPv[46]) \".+\";$", re.IGNORECASE
)
_APT_FILE = re.compile(r"::(?:CaInfo|CaPath|CrlFile|Ssl\w+|Proxy-?Auto-?Detect) ", re.IGNORECASE)
_PIP = {
    "index-url": "index-url",
    "extra-index-url": "extra-index-url",
    "trusted-host": "trusted-host",
    "proxy": "proxy",
    "timeout": "timeout",
    "default-timeout": "timeout",
}


@dataclass(frozen=True)
class Source:
    """One line of apt's sources."""

    uri: str
    suite: str
    components: tuple[str, ...]

    def __str__(self) -> str:
        return f"deb {self.uri} {self.suite} {' '.join(self.components)}"


def debian_sources(apt: Path = Path("/etc/apt"), codename: str | None = None) -> list[Source]:
    """Debian's own sources as this machine has them, for the base's release.

    Parameters
    ----------
    apt
        Folder of apt's settings.
    codename
        The release that they are for, by default this machine's.

    Raises
    ------
    LabError
        No mirror is among them.
    """
    codename = codename or _codename()
    found: dict[Source, None] = {}
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            parse = _deb822 if path.suffix == ".sources" else _one_line
            for source in parse(path.read_text()):
                suite = source.suite.replace(codename, RELEASE)
                if suite in _SUITES and "main" in source.components:
                    found[Source(_resolve(source.uri), suite, source.components)] = None
    # The release itself comes first: that is what a system is made from.
    sources = sorted(found, key=lambda source: source.suite != RELEASE)
    if not sources or sources[0].suite != RELEASE:
        raise LabError(f"{apt} has no Debian mirror with {codename}")
    return sources


def apt_settings() -> str:
    """Apt's settings for reaching a mirror: proxies, headers, tries."""
    lines = run("apt-config", "dump").splitlines()
    kept = [line for line in lines if _APT.match(line) and not _APT_FILE.search(line)]
    return "".join(f"{line}\n" for line in kept)


def pip_settings(listed: str | None = None) -> str:
    """Pip's settings for reaching an index; empty where it uses the public one.

    Parameters
    ----------
    listed
        What ``pip config list`` says, by default on this machine.
    """
    chosen: dict[str, str] = {}
    lines = (_pip_config_list() if listed is None else listed).splitlines()
    # As pip does: the settings of one command over the general ones, the environment over all.
    for section in ("global", "install", ":env:"):
        for line in lines:
            key, _, value = line.partition("=")
            name = _PIP.get(key.removeprefix(f"{section}."))
            if name and key.startswith(f"{section}."):
                chosen[name] = _outside(str(ast.literal_eval(value)))
    kept = [f"{name} = {value}\n" for name, value in chosen.items() if value]
    return "".join(["[global]\n", *kept]) if kept else ""


def _codename() -> str:
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError):
        return RELEASE


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        found = _ONE_LINE.match(line.strip())
        if found and _is_debians(found["options"] or ""):
            components = found["rest"].partition("#")[0].split()
            yield Source(found["uri"].rstrip("/"), found["suite"], tuple(components))


def _deb822(text: str) -> Iterator[Source]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        joined = re.sub(r"\n\s+", " ", stanza)
        pairs = (line.partition(":") for line in joined.splitlines())
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        off = fields.get("enabled", "yes") == "no" or "deb" not in fields.get("types", "").split()
        if off or not _is_debians(f"signed-by={fields.get('signed-by', '')}"):
            continue
        components = tuple(fields.get("components", "").split())
        each = itertools.product(fields.get("uris", "").split(), fields.get("suites", "").split())
        yield from (Source(uri.rstrip("/"), suite, components) for uri, suite in each)


def _is_debians(options: str) -> bool:
    """Is a source signed by Debian? Others call their suites by Debian's names too."""
    key = re.search(r"signed-by=(\S+)", options, re.IGNORECASE)
    return key is None or "debian-archive" in key[1]


def _resolve(uri: str) -> str:
    """Take the first mirror of a list, which is how Debian's cloud images name theirs."""
    listed = uri.removeprefix("mirror+file:")
    if listed == uri:
        return uri
    lines = Path(listed).read_text().splitlines()
    named: Iterable[str] = (line.split()[0] for line in lines if line.strip()[:1] not in ("", "#"))
    return next(iter(named), uri).rstrip("/")


def _pip_config_list() -> str:
    for pip in ([sys.executable, "-m", "pip"], ["pip3"], ["pip"]):
        if which(pip[0]):
            try:
                return run(*pip, "config", "list")
            except LabError:
                continue  # a Python without pip
    return ""


def _outside(value: str) -> str:
    """Addresses less the ones that are folders of this machine."""
    return " ".join(part for part in value.split() if not part.startswith(("file:", "/")))
