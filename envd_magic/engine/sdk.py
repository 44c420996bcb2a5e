"""The docker SDK's client, as builds need it. Importing it takes 0.2 s: only where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
from docker.errors import APIError, DockerException
from docker.transport import UnixHTTPAdapter
from requests.exceptions import RequestException

if TYPE_CHECKING:
    from collections.abc import Mapping

# Seconds between two pieces of a pull: an engine says nothing while a registry does not.
_SILENCE = 300


class _Client(docker.APIClient):  # type: ignore[misc, unused-ignore]
    def _retrieve_server_version(self) -> str:
        # As docker's command line does: to tell all its versions, an engine asks programs.
        try:
            told = pinged(self).get("Api-Version")
        except APIError:
            # What stands before an engine may let other questions pass.
            told = None
        except RequestException as error:
            raise DockerException(str(error)) from error
        return told or str(super()._retrieve_server_version())

    def merge_environment_settings(
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        # The engine's own CA, where REQUESTS_CA_BUNDLE would take its place.
        own = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, own, cert)

    def _post(self, url: str, **options: Any) -> Any:
        # The SDK would wait for ever.
        if url.endswith("/images/create"):
            options["timeout"] = _SILENCE
        return super()._post(url, **options)


class _OnePool(UnixHTTPAdapter):  # type: ignore[misc, unused-ignore]
    """Keeps connections for all URLs together, where the SDK has a pool for each URL."""

    def get_connection(self, _url: str, proxies: Any = None) -> Any:
        return super().get_connection("http+docker://localhost", proxies)


def connect(settings: Mapping[str, Any], version: str) -> Any:
    """Make a client.

    Parameters
    ----------
    settings
        As ``docker.APIClient`` takes them.
    version
        Of the API; "auto" asks the engine.

    Raises
    ------
    docker.errors.DockerException
        If it has to be asked and does not answer.
    """
    client = _Client(**settings, version=version)
    theirs = client.get_adapter(client.base_url)
    if isinstance(theirs, UnixHTTPAdapter):
        pool = _OnePool(f"http+unix://{theirs.socket_path}", theirs.timeout)
        client.mount("http+docker://", pool)
        theirs.close()
        # No proxy and no login of the environment is for a socket.
        client.trust_env = False
    return client


def pinged(client: Any) -> Mapping[str, str]:
    """Give the headers of an engine's shortest answer: date, version of the API."""
    # The SDK's own `ping` tells none of them.
    answer = client._get(client._url("/_ping", versioned_api=False))  # noqa: SLF001
    client._raise_for_status(answer)  # noqa: SLF001
    headers: Mapping[str, str] = answer.headers
    return headers
