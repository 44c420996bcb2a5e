"""Files and Debian packages inside an image.

A part of the probe, with the same rules.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BLOCK = 1 << 20


def file_at(path: str, size: int) -> dict[str, Any]:
    """Tell what is at a path; the hash only of a file that has the size that is expected."""
    import stat

    try:
        found = os.lstat(path)
        mode = stat.S_IMODE(found.st_mode)
        told = {"kind": "other", "mode": mode}
        if stat.S_ISLNK(found.st_mode):
            told = {"kind": "link", "to": os.readlink(path)}
        elif stat.S_ISDIR(found.st_mode):
            told = {"kind": "folder", "mode": mode}
        elif stat.S_ISREG(found.st_mode):
            digest = hash_of(path) if found.st_size == size else ""
            told = {"kind": "file", "mode": mode, "size": found.st_size, "hash": digest}
    except (FileNotFoundError, NotADirectoryError):
        return {"kind": "none"}
    except OSError as error:
        return {"kind": "unreadable", "why": str(error)}
    return told


def hash_of(path: str) -> str:
    """Give a file's SHA-256."""
    import hashlib

    digest = hashlib.sha256()
    with open(path, "rb") as file:
        piece = file.read(BLOCK)
        while piece:
            digest.update(piece)
            piece = file.read(BLOCK)
    return digest.hexdigest()


def dpkg_status() -> str:
    """Read dpkg's records; "" if there are none."""
    texts = []
    for folder in ("/var/lib/dpkg/status", "/var/lib/dpkg/status.d"):
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else [""]
        for name in names:
            path = os.path.join(folder, name) if name else folder
            if os.path.isfile(path) and not path.endswith(".md5sums"):
                with open(path, encoding="utf-8", errors="replace") as file:
                    texts.append(file.read())
    return "\n\n".join(texts)


def debian_packages(status: str, names: list[str]) -> list[dict[str, str]]:
    """Give dpkg's records of packages, and of those that provide them."""
    found = []
    for text in status.split("\n\n"):
        heads = dict(
            line.split(": ", 1) for line in text.splitlines() if line[:1].strip() and ": " in line
        )
        provides = [one.split()[0] for one in heads.get("Provides", "").split(",") if one.split()]
        named = [name for name in names if name in (heads.get("Package"), *provides)]
        if named:
            kept = ("Package", "Version", "Architecture", "Status")
            record = {name: heads.get(name, "") for name in kept}
            record["Provides"] = " ".join(provides)
            found.append(record)
    return found


def missing_programs(record: dict[str, str]) -> list[str]:
    """Give the programs that dpkg has installed with a package and that are not there."""
    text = ""
    for name in (record["Package"], record["Package"] + ":" + record["Architecture"]):
        path = "/var/lib/dpkg/info/" + name + ".list"
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
    try:
        with open("/var/lib/dpkg/diversions", encoding="utf-8", errors="replace") as file:
            diverted = set(file.read().splitlines())
    except OSError:
        diverted = set()
    return [
        path
        for path in text.splitlines()
        if os.path.basename(os.path.dirname(path)) in ("bin", "sbin", "games")
        and path not in diverted
        and not os.path.lexists(path)
    ]
