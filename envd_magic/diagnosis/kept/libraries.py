"""Debian packages by the shared libraries that programs look for."""

from __future__ import annotations

import re

#: Where the name does not follow Debian's rule.
SHARED = {
    "libEGL.so": "libegl1",
    "libgeos_c.so": "libgeos-c1v5",
    "libgio-2.0.so": "libglib2.0-0",
    "libglib-2.0.so": "libglib2.0-0",
    "libgobject-2.0.so": "libglib2.0-0",
    "libgthread-2.0.so": "libglib2.0-0",
    "libgtk-3.so": "libgtk-3-0",
    "libjpeg.so": "libjpeg62-turbo",
    "liblapack.so": "liblapack3",
    "libmysqlclient.so": "libmariadb3",
    "libnspr4.so": "libnspr4",
    "libnss3.so": "libnss3",
    "libnssutil3.so": "libnss3",
    "libopenblas.so": "libopenblas0",
    "libsqlite3.so": "libsqlite3-0",
    "libusb-1.0.so": "libusb-1.0-0",
}


def shared_library_package(library: str) -> str | None:
    """Give the package that has a shared library, as ``libGL.so.1``.

    Debian's rule (Policy, 8.1): the library's name and its version, in lower case, with a hyphen
    between two digits.
    """
    found = re.fullmatch(r"(lib[\w.+-]+?)\.so(?:\.(\d+)[\d.]*)?", library)
    if found is None:
        return None
    name, version = found[1], found[2]
    if known := SHARED.get(f"{name}.so"):
        return known
    if version is None:
        return None
    plain = name.lower().replace("_", "-")
    return f"{plain}-{version}" if plain[-1].isdigit() else f"{plain}{version}"
