"""A registry that wants TLS and a login, at an address that engines do not take for loopback."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .far import free_port
from .lab.certificates import Authority
from .lab.machine import need
from .lab.registry import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

USER, PASSWORD = "me", "open-sesame"
_HTPASSWD = "me:$2b$05$spV603NH0CsZqOem7tOGi.NzjPeFCD8apzG8/9DK7CwPRdHeOFPIS\n"
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json"
)


@dataclass(frozen=True)
class Private:
    """The registry.

    Parameters
    ----------
    address
        Host and port.
    certificates
        Where engines, and envd_magic, look for the certificate of its authority.
    authority
        That one.
    """

    address: str
    certificates: Path
    authority: Authority

    def trust(self) -> None:
        """Let the engine, and this machine, know its authority."""
        self.certificates.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.authority.certificate, self.certificates / "ca.crt")

    def distrust(self) -> None:
        """Let nobody know it."""
        shutil.rmtree(self.certificates, ignore_errors=True)

    def config(self, password: str = PASSWORD) -> str:
        """Give docker's config.json with a login."""
        login = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return json.dumps({"auths": {self.address: {"auth": login}}})

    def manifest(self, image: str) -> tuple[str, dict[str, Any]]:
        """Give the digest of an image and its manifest, as the registry has them."""
        name, _, tag = image.removeprefix(f"{self.address}/").rpartition(":")
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        host, _, port = self.address.partition(":")
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=10)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Accept": _MANIFESTS, "Authorization": f"Basic {login}"}
        try:
            connection.request("GET", f"/v2/{name}/manifests/{tag}", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return str(answer.headers["Docker-Content-Digest"]), json.load(answer)
        finally:
            connection.close()


@contextmanager
def private_registry(lab: Lab, folder: Path) -> Iterator[Private]:
    """Run the registry on this machine's side of the engine's bridge: no other machine sees it."""
    need(["docker-registry"])
    where = "{{(index .IPAM.Config 0).Gateway}}"
    host = lab.docker("network", "inspect", "bridge", "-f", where).strip()
    address = f"{host}:{free_port(host)}"
    authority = Authority(folder / "authority")
    server = authority.issue(folder / "server", f"IP:{host}")
    (folder / "htpasswd").write_text(_HTPASSWD)
    config = settings(folder / "storage", int(address.rpartition(":")[2]), host)
    config["auth"] = {"htpasswd": {"realm": "private", "path": str(folder / "htpasswd")}}
    files = {"certificate": str(server / "cert.pem"), "key": str(server / "key.pem")}
    config["http"]["tls"] = files
    (folder / "registry.yml").write_text(json.dumps(config))
    private = Private(address, Path("/etc/docker/certs.d", address), authority)
    command = ["docker-registry", "serve", str(folder / "registry.yml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait(private, running)
            private.trust()
            yield private
        finally:
            private.distrust()
            running.terminate()


def _wait(private: Private, running: subprocess.Popen[bytes]) -> None:
    import socket
    import time

    host, _, port = private.address.partition(":")
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
