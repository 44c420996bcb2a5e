"""Certificates of an authority of our own: of servers with TLS, and of their clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .machine import need
from .process import run

if TYPE_CHECKING:
    from pathlib import Path

# Small, and made at once.
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_DAYS = "2"


class Authority:
    """An authority that nobody knows of: its certificate is in ``ca.pem``.

    Parameters
    ----------
    folder
        Where it keeps what it makes.
    """

    def __init__(self, folder: Path) -> None:
        need(["openssl"])
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca-key.pem"
        files = ("-keyout", str(self._key), "-out", str(self.certificate))
        run("openssl", "req", "-x509", *_KEY, *files, "-days", _DAYS, "-subj", "/CN=authority")

    def issue(self, folder: Path, *names: str, days: str = _DAYS) -> Path:
        """Make ca.pem, cert.pem and key.pem in a folder, for a server of these names or a client.

        Parameters
        ----------
        folder
            Where they go.
        names
            As "IP:127.0.0.1" or "DNS:localhost"; none makes a client's.
        days
            How long it is valid; "-1" makes one that is not any more.

        Returns
        -------
        Path
            The folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        request, extensions = folder / "request.pem", folder / "extensions"
        key = str(folder / "key.pem")
        run("openssl", "req", *_KEY, "-keyout", key, "-out", str(request), "-subj", "/CN=test")
        usage = "serverAuth" if names else "clientAuth"
        lines = [f"extendedKeyUsage = {usage}"]
        lines += [f"subjectAltName = {','.join(names)}"] if names else []
        extensions.write_text("\n".join(lines))
        run(
            *("openssl", "x509", "-req", "-in", str(request), "-days", days),
            *("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial"),
            *("-extfile", str(extensions), "-out", str(folder / "cert.pem")),
        )
        (folder / "ca.pem").write_bytes(self.certificate.read_bytes())
        return folder
