"""Where a Docker engine is, as docker's own command line finds it, and what goes wrong there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Names of the variables that lead to an engine.
VARIABLES = ("DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
_DEFAULT = "the default socket"


@dataclass(frozen=True)
class Address:
    """Where an engine is.

    Parameters
    ----------
    host
        As ``DOCKER_HOST`` has it: ``unix://…``, ``tcp://…`` or ``ssh://…``; "" is docker's default.
    certificates
        Folder with ca.pem, cert.pem and key.pem; None speaks without TLS.
    verify
        False trusts any certificate of the engine's.
    named_by
        What says so.
    """

    host: str = ""
    certificates: Path | None = None
    verify: bool = True
    named_by: str = ""

    def __str__(self) -> str:
        where = self.host or _DEFAULT
        return f"{where} ({self.named_by})" if self.named_by else where

    @property
    def is_ssh(self) -> bool:
        """Is it reached through ssh?"""
        return self.host.startswith("ssh://")

    def settings(self) -> dict[str, Any]:
        """Give what the docker SDK's client takes.

        Raises
        ------
        docker.errors.DockerException
            If a file of the certificates is missing.
        """
        if not self.host:
            return {}
        found: dict[str, Any] = {"base_url": self.host}
        if self.certificates is not None:
            from docker.tls import TLSConfig

            files = {name: str(self.certificates / f"{name}.pem") for name in ("ca", "cert", "key")}
            found["tls"] = TLSConfig(
                client_cert=(files["cert"], files["key"]), ca_cert=files["ca"], verify=self.verify
            )
        return found

    def environment(self) -> dict[str, str]:
        """Variables that lead envd and docker's command line there; "" where one is not to count.

        envd looks at no other, neither at docker's contexts nor at its default folder of
        certificates.
        """
        if not self.host:
            return {}
        folder = "" if self.certificates is None else str(self.certificates)
        verify = "1" if self.certificates is not None and self.verify else ""
        return dict(zip(VARIABLES, (self.host, folder, verify), strict=True))


def find_address() -> Address:
    """Find the engine: ``DOCKER_HOST`` counts first, then docker's current context.

    Raises
    ------
    EngineError
        If docker's contexts cannot be read, or have none of the name.
    """
    if host := os.environ.get("DOCKER_HOST"):
        verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
        folder = os.environ.get("DOCKER_CERT_PATH")
        if verify and not folder:
            folder = str(docker_folder())
        uses_tls = bool(folder) and host.startswith("tcp://")
        return Address(host, Path(folder) if folder and uses_tls else None, verify, "DOCKER_HOST")
    return _of_context()


def docker_folder() -> Path:
    """Folder of docker's command line."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _of_context() -> Address:
    """Read the current context of docker's command line.

    The SDK finds none where docker has no config.json; the files have been as they are since
    contexts were made (https://docs.docker.com/engine/manage-resources/contexts/).
    """
    name = os.environ.get("DOCKER_CONTEXT") or _read("config.json").get("currentContext")
    if not name or name == "default":
        return Address()
    digest = hashlib.sha256(str(name).encode()).hexdigest()
    found = _read(f"contexts/meta/{digest}/meta.json")
    if not found:
        raise EngineError(f"There is no docker context {name!r}; see: docker context ls")
    endpoint = (found.get("Endpoints") or {}).get("docker") or {}
    tls = docker_folder() / f"contexts/tls/{digest}/docker"
    return Address(
        str(endpoint.get("Host") or ""),
        tls if (tls / "ca.pem").exists() else None,
        not endpoint.get("SkipTLSVerify"),
        f"docker's context {name}",
    )


def _read(name: str) -> dict[str, Any]:
    path = docker_folder() / name
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineError(f"{path}, of docker's command line, cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}


def _start_or_name(address: Address) -> str:
    if not address.named_by:
        return "Start the engine, or let DOCKER_HOST name one that runs."
    return f"Start the engine there, or let {address.named_by} name one that runs."


def _certificates(address: Address) -> str:
    folder = "DOCKER_CERT_PATH" if address.certificates is None else str(address.certificates)
    return f"{folder} is to have ca.pem, cert.pem and key.pem, made for this engine"


# What is wrong, by the words of the system, of Python's ssl and of ssh; the first that fits counts.
_ADVICE: tuple[tuple[str, Callable[[Address], str]], ...] = (
    (
        r"HTTP request to an HTTPS server",
        lambda at: f"This engine wants TLS: set DOCKER_TLS_VERIFY=1, and {_certificates(at)}.",
    ),
    (
        r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|packet length too long",
        lambda _: (
            "This engine speaks without TLS: unset DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, "
            "or let the engine use TLS."
        ),
    ),
    (
        r"certificate has expired|not yet valid",
        lambda at: f"Certificates have to be made anew; {_certificates(at)}.",
    ),
    (
        r"(IP address|[Hh]ostname) mismatch|doesn't match",
        lambda _: "The engine's certificate is for another name: use a name that is in it.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        lambda at: (
            f"The engine's certificate is none of the CA that is known here: {_certificates(at)}."
        ),
    ),
    (
        # Some engines say nothing, and end the connection.
        r"CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|EOF occurred in viol",
        lambda at: f"The engine does not accept this client's certificate: {_certificates(at)}.",
    ),
    (
        r"Path to a certificate|Invalid CA certificate",
        lambda at: f"A file is missing: {_certificates(at)}.",
    ),
    (
        r"Host key verification failed",
        lambda at: (
            f"ssh does not know that machine: connect once in a terminal, ssh {at.host}, "
            "and look at its key."
        ),
    ),
    (
        r"Permission denied \(",
        lambda at: (
            "ssh has to log in without asking: let an agent hold the key, and try in a "
            f"terminal: ssh -o BatchMode=yes {at.host} docker version"
        ),
    ),
    (
        r"Permission denied|permission denied",
        lambda _: (
            "This user may not use it: add the user to the group docker, or use a rootless engine."
        ),
    ),
    (
        r"docker: (command )?not found|no program ssh",
        lambda _: "ssh is needed here, and docker's command line there.",
    ),
    (
        r"is missing|Expecting value|Not Found|404 |not supported by this library",
        lambda at: (
            f"What answers there is no Docker engine: look at {at.named_by or 'DOCKER_HOST'}."
        ),
    ),
    (
        r"bind address|Invalid host|no address",
        lambda at: (
            f"{at.named_by or 'DOCKER_HOST'} is to be as tcp://machine:2376, "
            "ssh://user@machine or unix:///var/run/docker.sock."
        ),
    ),
    (r"", _start_or_name),
)


def unreachable(address: Address, text: str) -> EngineError:
    """Say that there is no engine, why, and what to do.

    Parameters
    ----------
    address
        Where it was looked for.
    text
        What was said there.
    """
    advice = next(advise for pattern, advise in _ADVICE if re.search(pattern, text))
    return EngineError(
        f"No Docker engine answers at {address}: {text.rstrip('.')}. {advice(address)}"
    )
