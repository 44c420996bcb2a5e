"""A recording that anybody may read: no place, address or name of this machine, and short."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bench import Bench

# Lines of output that are kept at the beginning and at the end, and characters of one.
_FIRST, _LAST, _WIDEST = 20, 120, 1500
_IPV4 = re.compile(r"(?<![\d.])(?:10\.\d+|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.(\d+)(?![\d.])")
# A recording need not name the indexes and mirrors that were used. What envd fetches, and what
# programs tell people to read, says something.
_HOST = re.compile(r"(?<=://)[\w-]+(?:\.[\w-]+)+(?=[/:'\"\s)]|$)")
_SAID = re.compile(
    r"\.(?:example|invalid)$|^[\d.]+$|(?:^|\.)(?:ghcr\.io|docker\.io|pypa\.io|readthedocs\.io|"
    r"github\.com|packaging\.python\.org|psycopg\.org)$"
)
# Who built: part of private names, see `envd_magic.owner`.
_OWNER = re.compile(r"\b[0-9a-f]{8}-\d+-[0-9a-f]{12}\b")


def is_said(host: str) -> bool:
    """May a recording name a host?"""
    return bool(_SAID.search(host))


def hosts(text: str) -> set[str]:
    """Give the hosts that URLs in a text name."""
    return set(_HOST.findall(text))


class Cleaner:
    """Takes out of texts what is of this machine alone.

    Parameters
    ----------
    bench
        What the case was made with.
    home
        Where envd_magic kept its things.
    """

    def __init__(self, bench: Bench, home: Path) -> None:
        places = {
            str(bench.folder): "/home/me/project",
            str(bench.folder.parent): "/home/me",
            str(home): "/home/me/.cache/envd_magic",
            str(bench.lab.state): "/var/lib/lab",
            sys.executable: "/usr/bin/python3",
            sys.prefix: "/usr",
            sys.base_prefix: "/usr",
            str(Path(__file__).parents[2]): "/home/me/envd_magic",
            tempfile.gettempdir(): "/tmp",
        }
        # The longest first: one may hold another.
        self._places = sorted(places.items(), key=lambda pair: -len(pair[0]))

    def text(self, text: str) -> str:
        """Give a text without them."""
        for place, shown in self._places:
            text = text.replace(place, shown)
        text = _OWNER.sub("00000000-1-000000000000", text)
        text = _IPV4.sub(lambda found: f"192.0.2.{found[1]}", text)
        return _HOST.sub(lambda found: found[0] if is_said(found[0]) else "host.example", text)

    def value(self, value: Any) -> Any:
        """Give values of JSON without them."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self.value(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(one) for one in value]
        return value


def shortened(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join outputs that follow each other, and leave out the middle of them all."""
    joined: list[dict[str, Any]] = []
    for told in events:
        if told["event"] == "output" and joined and joined[-1]["event"] == "output":
            joined[-1] = {**told, "text": joined[-1]["text"] + told["text"]}
        else:
            joined.append(told)
    total = sum(told["text"].count("\n") for told in joined if told["event"] == "output")
    seen, short = 0, []
    for told in joined:
        if told["event"] != "output":
            short.append(told)
            continue
        lines = []
        for line in told["text"].splitlines():
            if seen < _FIRST or seen >= total - _LAST:
                lines.append(line if len(line) <= _WIDEST else f"{line[:_WIDEST]} …")
            elif seen == _FIRST:
                lines.append(f"… {total - _FIRST - _LAST} lines left out")
            seen += 1
        if lines:
            short.append({**told, "text": "".join(f"{line}\n" for line in lines)})
    return short
