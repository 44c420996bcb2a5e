"""Requests to a registry itself.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md and, for logging in,
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter

from envd_magic.engine import trust
from envd_magic.engine.client import explained
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from envd_magic.engine.client import Engine

_TIMEOUT = 60
# For what only says more of an answer.
_MOMENT = 10
_OK = 300
_CLIENT = "envd_magic"


class _Certificates(HTTPAdapter):
    """Counts certificates beside those that requests counts by itself."""

    def __init__(self, found: trust.Trust) -> None:
        self._found = found
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        import ssl

        context = ssl.create_default_context()
        for path in self._found.authorities:
            context.load_verify_locations(path)
        if self._found.client is not None:
            context.load_cert_chain(*self._found.client)
        super().init_poolmanager(*arguments, **options, ssl_context=context)


class Repository:
    """Requests for one repository, logged in as docker is.

    Parameters
    ----------
    image
        An image in it, with its tag.
    doing
        As in "cannot {doing}".
    error
        What is raised.
    config
        What the file of ``registry_config`` says.
    engine
        One whose word counts on how the registry is reached.
    seconds
        How long one answer may take.
    """

    def __init__(  # noqa: PLR0913
        self,
        image: str,
        doing: str,
        error: type[EngineError] = EngineError,
        *,
        config: bytes = b"",
        engine: Engine | None = None,
        seconds: float = _TIMEOUT,
    ) -> None:
        self._seconds = seconds
        self._doing = doing
        self._error = error
        name = image.rpartition(":")[0]
        self._registry = trust.registry_of(f"{name}/" if "/" not in name else name)
        path = name.removeprefix(f"{self._registry}/")
        hub = self._registry in ("docker.io", "index.docker.io")
        self._path = f"library/{path}" if hub and "/" not in path else path
        self._host = trust.DOCKER_HUB if hub else self._registry
        self._session = requests.Session()
        # Nobody's, until the registry asks: requests would take one out of ~/.netrc.
        self._session.auth = lambda request: request
        known = None
        if engine is not None:
            with explained(doing, error):
                known = engine.api.info().get("RegistryConfig")
        try:
            found = trust.trust_in(self._registry, config, known)
            if found.authorities or found.client:
                self._session.mount("https://", _Certificates(found))
        except OSError as why:
            raise self._failed(f"a certificate of {self._registry}: {why}") from why
        self.asks_login = False
        self._scope = ""
        self._insecure = found.insecure
        self._schemes = ("https", "http") if found.insecure else ("https",)

    def json(self, reference: str, *, kind: str = "manifests", **options: Any) -> dict[str, Any]:
        """Ask for a manifest or a blob that is JSON."""
        try:
            found: dict[str, Any] = self.request("GET", reference, kind=kind, **options).json()
        except ValueError as error:
            raise self._failed(f"{reference}: {error}") from error
        return found

    def find(self, reference: str, **options: Any) -> requests.Response | None:
        """Ask for a manifest; None if there is none."""
        answer = self._ask("GET", self._at("manifests", reference), options)
        return None if answer.status_code == requests.codes.not_found else self._good(answer)

    def request(
        self, method: str, reference: str, *, kind: str = "manifests", **options: Any
    ) -> requests.Response:
        """Ask for one manifest or blob, logging in as the registry wants it.

        Raises
        ------
        EngineError
            If it is not given.
        """
        return self._good(self._ask(method, self._at(kind, reference), options))

    def _at(self, kind: str, reference: str) -> str:
        return f"{self._path}/{kind}/{reference}"

    def reach(self) -> None:
        """Ask the registry whether it is there, and for what a push into the repository needs.

        ``asks_login`` then tells whether it wanted a login.

        Raises
        ------
        EngineError
            If it does not answer, is none, or does not accept the login.
        """
        self._scope = f"repository:{self._path}:pull,push"
        answer = self._ask("GET", "", {})
        if answer.status_code == requests.codes.not_found:
            raise self._failed(f"what answers at {self._host} is no registry (404 at /v2/)")
        self._good(answer)

    def _good(self, answer: requests.Response) -> requests.Response:
        if answer.status_code >= _OK:
            said = answer.text.strip()[:300]
            what = (answer.request.url or "").rpartition("/")[2]
            raise self._failed(f"{answer.request.method} {what}: {answer.status_code} {said}")
        return answer

    def _ask(self, method: str, path: str, options: dict[str, Any]) -> requests.Response:
        last = self._schemes[-1]
        for scheme in self._schemes:
            url = f"{scheme}://{self._host}/v2/{path}"
            try:
                answer = self._send(method, url, options)
                if answer.status_code == requests.codes.unauthorized:
                    self._log_in(answer.headers.get("WWW-Authenticate", ""), scheme)
                    answer = self._send(method, url, options)
            except requests.exceptions.SSLError as error:
                if scheme == last:
                    raise self._failed(error) from error
                continue
            except requests.RequestException as error:
                raise self._failed(error) from error
            self._schemes = (scheme,)
            return answer
        raise self._failed(f"no answer from {self._host}")

    def _send(self, method: str, url: str, options: dict[str, Any]) -> requests.Response:
        if not self._insecure:
            return self._session.request(method, url, timeout=self._seconds, **options)
        with warnings.catch_warnings():
            # That the certificate is not looked at is what was asked for.
            warnings.simplefilter("ignore")
            return self._session.request(
                method, url, timeout=self._seconds, verify=False, **options
            )

    def _failed(self, why: object) -> EngineError:
        return self._error(f"Cannot {self._doing}: {trust.with_advice(str(why), self._registry)}")

    def _log_in(self, challenge: str, scheme: str) -> None:
        from docker.errors import DockerException

        self.asks_login = True
        try:
            login = trust.login_for(self._registry)
        except DockerException as error:
            raise self._failed(f"docker's login cannot be read: {error}") from error
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            if login:
                self._session.auth = (login.username, login.password)
            return
        fields = dict(re.findall(r'\b(\w+)="([^"]*)"', rest))
        realm = fields.pop("realm", "")
        if self._scope:
            fields["scope"] = self._scope
        if scheme == "https" and not realm.startswith("https://"):
            raise self._failed(f"the login would go to {realm!r}, without TLS")
        answer = self._token(realm, fields, login)
        try:
            token = answer.json()
        except ValueError:
            token = {}
        bearer = token.get("token") or token.get("access_token")
        if answer.status_code >= _OK or not bearer:
            raise self._failed(f"{answer.status_code} unauthorized, says {realm}")
        self._session.headers["Authorization"] = f"Bearer {bearer}"

    def _token(self, realm: str, fields: dict[str, str], login: trust.Login) -> requests.Response:
        if not login.token:
            own = (login.username, login.password) if login else None
            return self._session.get(realm, params=fields, auth=own, timeout=self._seconds)
        asked = {
            **fields,
            "grant_type": "refresh_token",
            "refresh_token": login.token,
            "client_id": _CLIENT,
        }
        return self._session.post(realm, data=asked, timeout=self._seconds)


def accepts_login(image: str) -> bool:
    """Does the registry of an image accept the login that docker has; is there one at all?"""
    doing = f"log in for {image}"
    try:
        repository = Repository(image, doing, seconds=_MOMENT)
        repository.reach()
    except EngineError:
        return False
    return repository.asks_login and bool(trust.login_for(trust.registry_of(image)))
