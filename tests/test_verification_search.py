"""Looking for secrets: in an archive as it passes by, in every form that a value may have."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import shlex
import tarfile
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from flytekit import ImageSpec

from envd_magic.recipe.inputs import Inputs
from envd_magic.verification.search import PIECE, needles, scan
from envd_magic.verification.sought import Sought, sought

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = "zu7Kp-0f1e2d3c4b"
ODD = "p@ss w\"o'rd/9$x%"


def secret(value: str = VALUE) -> Sought:
    spec = ImageSpec(name="x", pip_index=f"https://me:{quote(value, safe='')}@h.example/simple")
    [one] = sought(spec, Inputs("x:1", {}))
    assert not one.why
    return one


def archive(files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=kind) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def found(files: dict[str, bytes], one: Sought, kind: int = tarfile.PAX_FORMAT) -> list[str]:
    stream = io.BytesIO(archive(files, kind))
    hits = scan(stream.read, needles([one]), lambda: None)
    return hits.paths.get(0, [])


def packed_zip(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("inner/file", content)
    return made.getvalue()


def packed_tar(content: bytes) -> bytes:
    return gzip.compress(archive({"inner": content}))


@pytest.mark.parametrize(
    "write",
    [str, quote, lambda value: quote(value, safe=""), json.dumps, shlex.quote, repr],
    ids=["plain", "URL", "whole URL", "JSON", "shell", "Python"],
)
@pytest.mark.parametrize("value", [VALUE, ODD])
def test_a_value_is_found_in_every_quoting(value: str, write: Callable[[str], str]) -> None:
    content = f"before {write(value)} after".encode()
    assert found({"a": b"x", "b/c": content, "d": b"y"}, secret(value)) == ["b/c"]


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, packed_zip, packed_tar]
)
def test_a_value_is_found_in_packed_files(pack: Callable[[bytes], bytes]) -> None:
    files = {"a": b"x" * 1000, "packed": pack(f"token = {VALUE}".encode()), "b": b""}
    assert found(files, secret()) == ["packed"]


def test_what_only_begins_like_a_packed_file_harms_nothing() -> None:
    files = {
        "gz": b"\x1f\x8b\x08 no gzip",
        "zip": b"PK\x03\x04 no zip",
        "xz": b"\xfd7zXZ\x00 no xz",
        "bz": b"BZh no bzip2",
        "real": VALUE.encode(),
    }
    assert found(files, secret()) == ["real"]


def test_a_login_is_found_as_docker_keeps_it() -> None:
    login = base64.b64encode(f"me:{VALUE}".encode()).decode()
    assert found({"config.json": json.dumps({"auth": login}).encode()}, secret())


@pytest.mark.parametrize("shift", [-600, -17, -16, -8, -1, 0, 1, 511, 4000, 4096])
def test_a_value_is_found_where_pieces_meet(shift: int) -> None:
    # The archive's head of the file is one block.
    before = PIECE - 512 + shift
    content = b"." * before + VALUE.encode() + b"." * 5000
    assert found({"large": content, "other": b"z"}, secret()) == ["large"]


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_are_told_whole(kind: int) -> None:
    name = "/".join(["d" * 60] * (4 if kind != tarfile.USTAR_FORMAT else 3))
    assert found({"a": b"1", name: VALUE.encode(), "b": b"2"}, secret(), kind) == [name]


def test_a_name_counts_as_well() -> None:
    assert found({f"opt/{VALUE}": b"nothing"}, secret()) == [f"opt/{VALUE}"]


def test_nothing_is_found_where_nothing_is() -> None:
    files = {"a": VALUE[:-1].encode(), "b": VALUE.upper().encode(), "c": b"0f1e2d3c4b"}
    assert found(files, secret()) == []


def reasons(**fields: object) -> dict[str, str]:
    """Give why each secret of a spec is not looked for, "" if it is."""
    spec = ImageSpec(name="x", **fields)
    return {f"{one.field}: {one.item}": one.why for one in sought(spec, Inputs("x:1", {}))}


def test_what_is_too_plain_to_be_told_is_said() -> None:
    found = reasons(
        pip_index="https://me:secret@h.example/",
        pip_extra_index_url=["https://me:hunter2@i.example/", "https://j.example/"],
        env={"API_TOKEN": VALUE, "DB_PASSWORD": "swordfish", "TOKENIZERS_PARALLELISM": "false"},
    )
    assert "plain word" in found["pip_index: login for h.example"]
    assert found["pip_extra_index_url: login for i.example"] == ""
    assert found["env: API_TOKEN"] == ""
    assert found["env: DB_PASSWORD"]
    assert len(found) == 4


def mounted(content: bytes) -> Sought:
    spec = ImageSpec(name="x", pip_secret_mounts=[("file", "/root/it")])
    [one] = sought(spec, Inputs("x:1", {}, mounted=(content,)))
    return one


def test_of_a_mounted_file_the_secret_parts_are_looked_for() -> None:
    one = mounted(f"[global]\nindex-url = https://me:{VALUE}@h.example/simple\n".encode())
    assert one.is_in(f"x {VALUE} y")
    assert not one.is_in("[global]")
    assert not one.is_in("https://h.example/simple")


def test_public_certificates_are_no_secret() -> None:
    body = base64.b64encode(bytes(range(48))).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    assert mounted(text.encode()).why
    key = text.replace("CERTIFICATE", "PRIVATE KEY")
    assert mounted(key.encode()).is_in(body)


def test_no_secret_is_in_what_is_shown_of_it() -> None:
    assert VALUE not in repr(secret())
