"""Indexes, registries and the engine, asked what they have; silence is an answer too."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from functools import cached_property
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from envd_magic.diagnosis.ask import Ask, Budget, Offer
from envd_magic.diagnosis.view import normal
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envd_magic.engine.client import Engine

# Seconds for one answer, bytes of it, and characters read at once.
_MOMENT = 2.0
_LARGEST = 3_000_000
_PIECE = 1 << 16
# https://peps.python.org/pep-0691/
_JSON = "application/vnd.pypi.simple.v1+json"
_LINK = re.compile(r"<a\b(?P<about>[^>]*)>(?P<text>[^<]*)</a>", re.IGNORECASE)
_HREF = re.compile(r"href=[\"']?(?P<url>[^\"'\s>]+)", re.IGNORECASE)
_ASKS = re.compile(r"data-requires-python=\"(?P<asks>[^\"]*)\"", re.IGNORECASE)
_PRIVATE = re.compile(r"^(?:envd_magic[/-]|127\.0\.0\.1:\d+/envd_magic/|<none>)")


class Online(Ask):
    """Asks who knows, a few seconds in all.

    Parameters
    ----------
    engine
        The build's.
    seconds
        How long all questions may take.
    """

    def __init__(self, engine: Engine | None = None, seconds: float | None = None) -> None:
        self._engine = engine
        self._budget = Budget() if seconds is None else Budget(seconds)
        self._known: dict[tuple[str, str], Any] = {}
        self._silent: set[str] = set()

    def offers(self, index: str, package: str) -> Sequence[Offer] | None:
        """Give the files that an index has of a package; none where it says so."""
        status, found = self._page(index, f"{normal(package)}/")
        if status in (404, 410):
            return ()
        return None if status != 200 else _offers(found)  # noqa: PLR2004

    def denies(self, index: str, package: str) -> bool:
        """Say whether an index wants another login for a package's page."""
        return self._page(index, f"{normal(package)}/")[0] in (401, 403)

    def breaks(self, index: str, package: str) -> int:
        """Give the status of an error that an index answers with itself (500 or more), or 0."""
        status = self._page(index, f"{normal(package)}/")[0]
        return status if status >= 500 else 0  # noqa: PLR2004

    def is_silent(self, index: str) -> bool:
        """Say whether an index was asked and did not answer."""
        self._page(index, "")
        return urlsplit(index).netloc in self._silent

    def is_index(self, index: str) -> bool | None:
        """Say whether there is a list of packages where an index is to be."""
        status = self._page(index, "")[0]
        return {200: True, 404: False, 410: False}.get(status)

    def packages(self, index: str) -> Sequence[str]:
        """Give the names of an index's packages, if they are few enough to be told in time."""
        status, found = self._page(index, "")
        if status != 200:  # noqa: PLR2004
            return ()
        if isinstance(found, dict):
            return [str(one["name"]) for one in found.get("projects", ()) if "name" in one]
        return [unescape(link["text"]).strip().rstrip("/") for link in _LINK.finditer(found)]

    def _page(self, index: str, path: str) -> tuple[int, Any]:
        """Give status and content of a page; 0 where none came."""
        key = (index, path)
        if key not in self._known:
            self._known[key] = (0, "")
            host = urlsplit(index).netloc
            seconds = min(_MOMENT, self._budget.left)
            if seconds > 0 and host not in self._silent:
                self._known[key] = _get(f"{index.rstrip('/')}/{path}", seconds)
                if not self._known[key][0]:
                    self._silent.add(host)
        known: tuple[int, Any] = self._known[key]
        return known

    def default_index(self) -> str:
        """Give the index that installers use by themselves here: a setting's, or pip's own."""
        for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
            if url := os.environ.get(name):
                return url
        with suppress(ImportError, AttributeError):
            from pip._internal.models.index import PyPI

            return str(PyPI.simple_url)
        return ""

    def tags(self, image: str) -> Sequence[str]:
        """Give the images in the repository of an image."""
        from envd_magic.engine.registry import tags_of

        seconds = min(_MOMENT, self._budget.left)
        repository, _, tag = image.partition("@")[0].rpartition(":")
        if "/" in tag or not repository:
            repository = image.partition("@")[0]
        if seconds <= 0 or repository.partition("/")[0] in self._silent:
            return ()
        try:
            return [f"{repository}:{one}" for one in tags_of(f"{repository}:x", seconds)]
        except EngineError as error:
            if "404" not in str(error):
                self._silent.add(repository.partition("/")[0])
            return ()

    def repositories(self, registry: str) -> Sequence[str]:
        """Give a registry's repositories, where it lists them."""
        if not registry or registry == "docker.io" or registry in self._silent:
            return ()
        for scheme in ("https", "http"):
            seconds = min(_MOMENT, self._budget.left)
            url = f"{scheme}://{registry}/v2/_catalog?n=1000"
            status, found = _get(url, seconds) if seconds > 0 else (0, "")
            if status == 200 and isinstance(found, dict):  # noqa: PLR2004
                return [str(name) for name in found.get("repositories") or ()]
        return ()

    def images(self) -> Sequence[str]:
        """Give the names of the images in the engine, but for those that builds use in between."""
        if self._engine is None or self._budget.left <= 0:
            return ()
        from envd_magic.engine.client import explained

        try:
            with explained("list the images"):
                found = self._engine.api.images()
        except EngineError:
            return ()
        finally:
            # The build has closed it before.
            self._engine.close()
        names = [name for image in found for name in image.get("RepoTags") or ()]
        return [name for name in names if not _PRIVATE.match(name)]

    def debian(self) -> Sequence[str]:
        """Give the names of Debian's packages, where this machine is a Debian."""
        return self._debian

    @cached_property
    def _debian(self) -> list[str]:
        program = shutil.which("apt-cache")
        seconds = min(_MOMENT, self._budget.left)
        if program is None or seconds <= 0:
            return []
        try:
            done = subprocess.run(
                [program, "pkgnames"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        return done.stdout.split()


def _get(url: str, seconds: float) -> tuple[int, Any]:
    """Get a page: its status, 0 if none comes in time, and its content, JSON read."""
    import requests

    headers = {"Accept": f"{_JSON}, application/json;q=0.5, text/html;q=0.1"}
    budget = Budget(seconds)
    try:
        with requests.get(url, headers=headers, timeout=seconds, stream=True) as answer:
            content = b""
            for piece in answer.iter_content(_PIECE):
                content += piece
                if len(content) > _LARGEST or budget.left <= 0:
                    # A part of a list would be taken for the whole.
                    return 0, ""
            text = content.decode("utf-8", "replace")
            if "json" in answer.headers.get("Content-Type", ""):
                return answer.status_code, json.loads(text)
            return answer.status_code, text
    except (requests.RequestException, ValueError):
        return 0, ""


def _offers(page: Any) -> list[Offer]:
    """Read a package's page, in either form."""
    if isinstance(page, dict):
        return [
            Offer(str(one.get("filename", "")), str(one.get("requires-python") or ""))
            for one in page.get("files", ())
        ]
    found = []
    for link in _LINK.finditer(page):
        if href := _HREF.search(link["about"]):
            asks = _ASKS.search(link["about"])
            name = unquote(urlsplit(unescape(href["url"])).path.rpartition("/")[2])
            found.append(Offer(name, unescape(asks["asks"]) if asks else ""))
    return found
