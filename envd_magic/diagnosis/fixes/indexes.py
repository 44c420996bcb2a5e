"""What can be done about an index."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envd_magic.diagnosis.fixes.common import without
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.view import groups

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View


def host_of(view: View, match: re.Match[str], place: Place) -> str:
    """Give the host of the index that is meant, with its port if it has one; "" if nobody knows."""
    said = groups(match)
    if said.get("host"):
        return said["host"]
    if url := said.get("url"):
        return urlsplit(url).netloc.rpartition("@")[2]
    own = next((one.url for one in view.indexes() if one.place == place), "")
    return urlsplit(own).netloc.rpartition("@")[2]


def trust_host(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let installers use the index without a certificate that proves it."""
    host = host_of(view, match, place)
    if host:
        change = Change("pip_extra_args", "add", f"--trusted-host {host}")
        yield Fix(
            f"add '--trusted-host {host}' to pip_extra_args, if you trust the network to it",
            (change,),
        )


def own_certificates(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the base image trust whoever signed the certificate."""
    host = host_of(view, match, place)
    yield Fix(
        f"take a base image that has the certificate of who signed for {host or 'the index'}, or "
        "let env set PIP_CERT and SSL_CERT_FILE to a bundle in the base image that has it"
    )


def add_login(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Give the installer a login."""
    yield Fix(
        "let a file of pip_secret_mounts hold the login, as in "
        "pip_secret_mounts=[('netrc', '/root/.netrc')] with the line 'machine HOST login NAME "
        "password WORD' in it"
    )
    yield Fix(
        f"write a login into the URL of {place.field or 'the index'}: https://NAME:WORD@HOST/…"
    )


def without_index(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Leave the index out."""
    if place.field == "pip_index":
        yield Fix("leave pip_index out, for the index of the base image", (_unset("pip_index"),))
    elif place.field == "pip_extra_index_url" and place.at is not None:
        change = Change(place.field, "remove", None, place.at)
        yield Fix(f"leave {place.item!r} out of pip_extra_index_url", (change,))
    elif place.line is not None:
        yield without(place)


def close_index(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take an address near the one that is given, at which there is the package."""
    url = str(view.spec.pip_index)
    parts = urlsplit(url)
    folders = [one for one in parts.path.split("/") if one]
    near = [folders[:count] for count in range(len(folders) - 1, -1, -1)]
    for path in [[*folders, "simple"], *near]:
        new = parts._replace(path="/".join(["", *path, ""])).geturl()
        if ask.offers(new, match["name"]):
            yield Fix(f"take {new}, where it is", (Change(place.field, "set", new),))
            return


def _unset(field: str) -> Change:
    return Change(field, "set", None)


def without_proxy(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Leave the proxy out, as the same variable in small letters too."""
    if place.field == "env" and isinstance(place.at, str):
        names = [one for one in view.spec.env if one.upper() == str(place.at).upper()]
        changes = tuple(Change("env", "remove", None, name) for name in names)
        yield Fix(f"leave {' and '.join(names)} out of env", changes)


def check_index(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the address and the network be looked at."""
    if place.field:
        yield Fix(
            f"check the address in {place.field}: the build reaches it from a container, where "
            "localhost is the container itself"
        )
    else:
        command = f"docker run --rm {view.base or 'IMAGE'} python -m pip download attrs"
        yield Fix("look whether containers reach the network", command=command)


def public_beside(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Look into the usual index as well."""
    url = ask.default_index()
    if view.spec.pip_index and url:
        change = Change("pip_extra_index_url", "add", url)
        yield Fix(f"add {url} to pip_extra_index_url, for what is needed to build", (change,))
    del match, place
