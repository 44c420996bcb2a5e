"""The base image: a small Debian with Python that reaches apt and pip from inside a build."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .machine import log, need, unmount_below
from .process import LabError, run
from .registry import holds
from .settings import BUNDLE, RELEASE, apt_settings, debian_sources, pip_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

_INCLUDE = "ca-certificates,python3,python3-pip,python3-venv"
#: Changes with the tree's recipe, so that a tar of an older one is not taken.
_TAR = "base-1.tar"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Few variables: envd's layer cache gets the worse the more a base has.
_DOCKERFILE = f"""\
FROM {{tree}}
COPY etc /etc
ENV PATH={_PATH} SSL_CERT_FILE={BUNDLE} PIP_CERT={BUNDLE}
CMD ["python3"]
"""


def ensure_base(state: Path, host: str, registry: str) -> str:
    """Name of the base image, made and pushed where the registry has none that fits.

    Parameters
    ----------
    state
        The lab's folder.
    host
        The engine that makes it.
    registry
        Where it goes.
    """
    image = f"{registry}/lab/python:3.11"
    tree = f"{registry}/lab/debian:{RELEASE}"
    files = _files()
    mark = state / "base.sha256"
    fingerprint = _fingerprint(image, files)
    if mark.exists() and mark.read_text() == fingerprint and holds(image):
        # This engine may not be the one which made it.
        run("docker", "-H", host, "pull", "-q", image)
        return image
    tar = _tar(state)
    log.info("importing the base image")
    run("docker", "-H", host, "import", str(tar), tree)
    with tempfile.TemporaryDirectory() as context:
        _write(Path(context), {**files, "Dockerfile": _DOCKERFILE.format(tree=tree).encode()})
        # The classic builder: it needs no plug-in, and takes FROM out of the engine's store.
        plain = {"DOCKER_BUILDKIT": "0"}
        run("docker", "-H", host, "build", "-q", "-t", image, context, env=plain)
    run("docker", "-H", host, "push", "-q", image)
    mark.write_text(fingerprint)
    return image


def cached_tar(state: Path) -> Path | None:
    """Tar of the base's tree, if one was made."""
    path = state / _TAR
    return path if path.exists() else None


def _tar(state: Path) -> Path:
    tar = state / _TAR
    if not tar.exists():
        need(["debootstrap"])
        root = state / "base"
        _remove_tree(root)
        _bootstrap(root)
        _adapt(root)
        unfinished = tar.with_suffix(".part")
        whole = ("-C", str(root), ".")
        run("tar", "--numeric-owner", "--exclude=./dev/*", "-cf", str(unfinished), *whole)
        unfinished.rename(tar)
        _remove_tree(root)
    return tar


def _bootstrap(root: Path) -> None:
    mirror = debian_sources()[0].uri
    log.info("making a Debian %s (this takes a minute once)", RELEASE)
    options = ("--variant=minbase", f"--include={_INCLUDE}")
    try:
        run("debootstrap", *options, RELEASE, str(root), mirror, seconds=1800)
    except LabError as error:
        own_log = root / "debootstrap" / "debootstrap.log"
        tail = own_log.read_text(errors="replace")[-2000:] if own_log.exists() else ""
        raise LabError(f"{error}\n{tail}") from error


def _adapt(root: Path) -> None:
    """Make the tree one that envd and pip can use, and smaller."""
    (root / "usr/bin/python").symlink_to("python3")
    for marker in (root / "usr/lib").glob("python3*/EXTERNALLY-MANAGED"):
        marker.unlink()
    for pattern in ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin"):
        for path in root.glob(pattern):
            path.unlink()
    for folder in ("var/lib/apt/lists", "var/log/apt"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir()


def _remove_tree(root: Path) -> None:
    # A debootstrap that was stopped leaves its /proc in there.
    unmount_below(root)
    if root.exists():
        shutil.rmtree(root)


def _files() -> dict[str, bytes]:
    """What the image gets from this machine, by path."""
    files = {
        "etc/apt/sources.list": "".join(f"{source}\n" for source in debian_sources()).encode(),
        "etc/apt/apt.conf.d/90lab": apt_settings().encode(),
        "etc/pip.conf": pip_settings().encode(),
    }
    bundle = Path(BUNDLE)
    if bundle.exists():
        files[BUNDLE.lstrip("/")] = bundle.read_bytes()
    return {path: content for path, content in files.items() if content}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # Modes go into the image, and there not only root reads them.
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _fingerprint(image: str, files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for part in (image, _TAR, _DOCKERFILE, *sorted(files)):
        content = files.get(part, b"")
        digest.update(f"{part}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
