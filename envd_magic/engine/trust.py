"""How a registry is reached: its certificates, where docker and envd look for them, and its login.

https://docs.docker.com/engine/security/certificates/ for the folders; an engine reads them on its
own machine, and requests that are made here read them on this one.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.engine.address import docker_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Registries on this machine, which engines reach without TLS.
LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
DOCKER_HUB = "registry-1.docker.io"
_DENIED = re.compile(
    r"denied|unauthorized|authentication|credentials|may require 'docker login'|\b40[13]\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Trust:
    """How a registry is reached.

    Parameters
    ----------
    authorities
        Files of certificates that count beside the system's.
    client
        Files of a client's certificate and its key.
    insecure
        True takes any certificate, and plain HTTP where there is no TLS.
    """

    authorities: tuple[Path, ...] = ()
    client: tuple[Path, Path] | None = None
    insecure: bool = False


def trust_in(registry: str, config: bytes = b"", known: Mapping[str, Any] | None = None) -> Trust:
    """Find out how a registry is reached.

    Parameters
    ----------
    registry
        Host and port.
    config
        What the file of ``registry_config`` says.
    known
        What an engine says of registries, as those that it reaches without TLS.
    """
    folders = [folder / registry for folder in _folders()]
    authorities = [path for folder in folders for path in sorted(folder.glob("*.crt"))]
    client = next(
        (
            (path, key)
            for folder in folders
            for path in sorted(folder.glob("*.cert"))
            if (key := path.with_suffix(".key")).exists()
        ),
        None,
    )
    own = _configured(registry, config)
    if ca := own.get("ca"):
        authorities.append(Path(ca))
    if own.get("cert") and own.get("key"):
        client = Path(own["cert"]), Path(own["key"])
    # As the engine has it: registries on loopback need no TLS.
    insecure = bool(own.get("use_http")) or LOOPBACK.fullmatch(registry) is not None
    insecure = insecure or _is_insecure(registry, known or {})
    return Trust(tuple(authorities), client, insecure)


def _folders() -> list[Path]:
    home = Path.home() / ".config"
    return [
        Path("/etc/docker/certs.d"),
        Path("/etc/containers/certs.d"),
        docker_folder() / "certs.d",
        home / "docker/certs.d",
        home / "containers/certs.d",
    ]


def _configured(registry: str, config: bytes) -> Mapping[str, Any]:
    found = json.loads(config)["registries"] if config else ()
    return next((one for one in found if one.get("name") == registry), {})


def with_whole_paths(config: bytes, folder: Path | None) -> bytes:
    """Give the file of ``registry_config`` with the paths in it counted from its folder."""
    if not config or folder is None:
        return config
    found = json.loads(config)
    for one in found["registries"]:
        for name in ("ca", "cert", "key"):
            if one.get(name):
                one[name] = str(folder / one[name])
    return json.dumps(found).encode()


def _is_insecure(registry: str, known: Mapping[str, Any]) -> bool:
    """Does an engine reach a registry without TLS, or with any certificate?"""
    one = (known.get("IndexConfigs") or {}).get(registry)
    if one is not None:
        return not one.get("Secure", True)
    try:
        address = ipaddress.ip_address(registry.rpartition(":")[0] or registry)
    except ValueError:
        return False
    networks = known.get("InsecureRegistryCIDRs") or ()
    return any(address in ipaddress.ip_network(network) for network in networks)


@dataclass(frozen=True, repr=False)
class Login:
    """A login that docker has; its fields are secret."""

    username: str = ""
    password: str = ""
    token: str = ""

    def __bool__(self) -> bool:
        return bool(self.token or self.username or self.password)


def login_for(registry: str) -> Login:
    """Give docker's login for a registry, of its configuration or a credential helper.

    Raises
    ------
    docker.errors.DockerException
        If the helper cannot be asked.
    """
    from docker import auth

    name = auth.INDEX_NAME if registry in ("docker.io", DOCKER_HUB) else registry
    found = auth.load_config().resolve_authconfig(name) or {}
    # A helper's answer is spelled in another way than the configuration.
    known = {key.lower(): value or "" for key, value in found.items()}
    fields = ("username", "password", "identitytoken")
    return Login(*(str(known.get(field, "")) for field in fields))


def registry_of(image: str) -> str:
    """Give host and port of the registry of an image."""
    domain, slash, _ = image.partition("/")
    if slash and ("." in domain or ":" in domain or domain == "localhost"):
        return domain
    return "docker.io"


def is_denial(text: str) -> bool:
    """Has a registry, or an engine of one, said that it wants a login, or another one?"""
    return _DENIED.search(text) is not None


def advice(registry: str, text: str) -> str:
    """Say what to do about what a registry, or an engine of one, has said; "" if nobody knows.

    Parameters
    ----------
    registry
        Host and port.
    text
        What was said.
    """
    if is_denial(text):
        return _login_advice(registry, text)
    if re.search(r"unknown authority|CERTIFICATE_VERIFY_FAILED.*(issuer|self.signed)", text):
        return (
            f"{registry} has a certificate of an authority that is not known: put that one's "
            f"certificate into /etc/docker/certs.d/{registry}/ca.crt, on the engine's machine and "
            "on this one."
        )
    if re.search(r"x509: certificate|CERTIFICATE_VERIFY_FAILED", text):
        return f"The certificate of {registry} has to be made anew, or is for another name."
    if "HTTP response to HTTPS" in text or "WRONG_VERSION_NUMBER" in text:
        return (
            f"It speaks plain HTTP: let the engine trust it (insecure-registries: {registry} in "
            "its daemon.json)."
        )
    return ""


def with_advice(text: str, registry: str) -> str:
    """Add to what was said what to do about it; `registry` is "" where none was asked."""
    found = advice(registry, text) if registry else ""
    return f"{text.rstrip().rstrip('.')}. {found}" if found else text


def _login_advice(registry: str, text: str) -> str:
    from docker.errors import DockerException

    command = "docker login" if registry == "docker.io" else f"docker login {registry}"
    try:
        known = bool(login_for(registry))
    except DockerException as error:
        return f"docker's login for {registry} cannot be read: {error}."
    if not known:
        return f"docker has no login for {registry}. Log in with: {command}"
    if "denied" in text.lower():
        return f"docker's login for {registry} does not allow it. For another one: {command}"
    return f"{registry} does not accept the login that docker has. Log in anew with: {command}"
