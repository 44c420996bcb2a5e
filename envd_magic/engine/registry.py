"""What the engine's API cannot do or tell of a registry, asked of the registry itself.

It can push images, but not the index that gives those of several platforms one name; and of an
image that it does not have it tells the digest, but not what was set in it.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md and, for logging in,
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import requests

from envd_magic.engine.images import ImageInfo
from envd_magic.errors import EngineError, PushError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.manifest.v1+json"
)
_INDEXES = f"{_INDEX}, application/vnd.oci.image.index.v1+json"
_TIMEOUT = 60
_DOCKER_HUB = "registry-1.docker.io"
_OK = 300


def push_index(image: str, images: Mapping[str, str]) -> str:
    """Put an index of pushed images under one name and give its digest.

    Parameters
    ----------
    image
        The name, with its tag.
    images
        Name of the pushed image for each platform ("linux/arm64"), in the same repository.

    Raises
    ------
    PushError
        If the registry does not take it.
    """
    registry = _Registry(image, f"push the index {image}", PushError)
    entries = []
    for platform, name in images.items():
        found = registry.request("GET", name.rpartition(":")[2], headers={"Accept": _MANIFESTS})
        system, architecture, *variant = platform.split("/")
        entries.append(
            {
                "mediaType": found.headers["Content-Type"],
                "size": len(found.content),
                "digest": found.headers["Docker-Content-Digest"],
                "platform": {
                    "os": system,
                    "architecture": architecture,
                    **({"variant": variant[0]} if variant else {}),
                },
            }
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}).encode()
    tag = image.rpartition(":")[2]
    put = registry.request("PUT", tag, data=index, headers={"Content-Type": _INDEX})
    return str(put.headers["Docker-Content-Digest"])


def image_in_registry(image: str, digest: str) -> ImageInfo:
    """Look at an image without pulling it; of an index, at the first one in it.

    Parameters
    ----------
    image
        Its name, with its tag.
    digest
        What the registry has under it.

    Raises
    ------
    EngineError
        If the registry does not show it.
    """
    registry = _Registry(image, f"look at {image} in its registry", EngineError)
    accept = {"Accept": f"{_MANIFESTS}, {_INDEXES}"}
    manifest = registry.json(digest, headers=accept)
    if manifests := manifest.get("manifests"):
        manifest = registry.json(manifests[0]["digest"], headers=accept)
    found = registry.json(manifest["config"]["digest"], kind="blobs")
    platform = f"{found.get('os', 'linux')}/{found.get('architecture', '')}"
    return ImageInfo(id=digest, config=found.get("config") or {}, platform=platform)


def tags_of(image: str, seconds: float) -> list[str]:
    """Give the tags in the repository of an image.

    Parameters
    ----------
    image
        Its name, with a tag.
    seconds
        How long one answer may take.

    Raises
    ------
    EngineError
        If the registry does not tell.
    """
    registry = _Registry(image, f"list the tags of {image}", EngineError, seconds)
    found = registry.json("list", kind="tags").get("tags")
    return [str(tag) for tag in found or ()]


class _Registry:
    """Requests for one repository.

    Parameters
    ----------
    image
        An image in it, with its tag.
    doing
        As in "cannot {doing}".
    error
        What is raised.
    seconds
        How long one answer may take.
    """

    def __init__(
        self, image: str, doing: str, error: type[EngineError], seconds: float = _TIMEOUT
    ) -> None:
        self.seconds = seconds
        self.doing = doing
        self.error = error
        domain, slash, path = image.rpartition(":")[0].partition("/")
        if not slash or not ("." in domain or ":" in domain or domain == "localhost"):
            domain, path = "docker.io", f"{domain}{slash}{path}"
        self.domain = domain
        hub = domain in ("docker.io", "index.docker.io")
        self.path = f"library/{path}" if hub and "/" not in path else path
        self.host = _DOCKER_HUB if hub else domain
        # As the engine has it: registries on loopback speak plain HTTP.
        loopback = re.fullmatch(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", domain)
        self.schemes = ("https", "http") if loopback else ("https",)
        self.session = requests.Session()

    def json(self, reference: str, *, kind: str = "manifests", **options: Any) -> dict[str, Any]:
        """Ask for a manifest or a blob that is JSON."""
        try:
            found: dict[str, Any] = self.request("GET", reference, kind=kind, **options).json()
        except ValueError as error:
            raise self._failed(f"{reference}: {error}") from error
        return found

    def request(
        self, method: str, reference: str, *, kind: str = "manifests", **options: Any
    ) -> requests.Response:
        """Ask for one manifest or blob, logging in as the registry wants it."""
        for scheme in self.schemes:
            url = f"{scheme}://{self.host}/v2/{self.path}/{kind}/{reference}"
            try:
                answer = self.session.request(method, url, timeout=self.seconds, **options)
                if answer.status_code == requests.codes.unauthorized:
                    self._log_in(answer.headers.get("WWW-Authenticate", ""))
                    answer = self.session.request(method, url, timeout=self.seconds, **options)
            except requests.exceptions.SSLError as error:
                if scheme == self.schemes[-1]:
                    raise self._failed(error) from error
                continue
            except requests.RequestException as error:
                raise self._failed(error) from error
            if answer.status_code >= _OK:
                said = answer.text.strip()[:300]
                raise self._failed(f"{method} {reference}: {answer.status_code} {said}")
            self.schemes = (scheme,)
            return answer
        raise self._failed(f"no answer from {self.host}")

    def _failed(self, why: object) -> EngineError:
        return self.error(f"Cannot {self.doing}: {why}")

    def _log_in(self, challenge: str) -> None:
        from docker import auth

        known = auth.load_config().resolve_authconfig(
            auth.INDEX_NAME if self.host == _DOCKER_HUB else self.domain
        )
        login = (known.get("username", ""), known.get("password", "")) if known else None
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            self.session.auth = login
            return
        fields = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = fields.pop("realm", "")
        token = self.session.get(realm, params=fields, auth=login, timeout=self.seconds).json()
        bearer = token.get("token") or token.get("access_token")
        self.session.headers["Authorization"] = f"Bearer {bearer}"
