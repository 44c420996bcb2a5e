"""What was asked for against what is there: images as they were built, and altered by hand."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import os
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import VerifyError, build, verify

from .indexes import served, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envd_magic import Verification

    from .lab import Lab

SECRET = f"zu7Kp-{os.urandom(6).hex()}"


class Built:
    """An image of all kinds of fields, and images made of it."""

    def __init__(self, lab: Lab, spec: ImageSpec, folder: Path) -> None:
        self.lab = lab
        self.spec = spec
        self.image = build(spec).image
        self._context = folder / "context"
        self._context.mkdir()
        (self._context / "plain").write_text(f"password = {SECRET}\n")
        (self._context / "packed.gz").write_bytes(gzip.compress(SECRET.encode()))
        (self._context / "login").write_bytes(base64.b64encode(f"me:{SECRET}".encode()))
        self._made: list[str] = []

    def altered(self, *lines: str) -> str:
        """Give an image made of it by lines of a Dockerfile."""
        name = f"verified-altered:{len(self._made)}-{os.urandom(4).hex()}"
        text = "\n".join([f"FROM {self.image}", *lines])
        (self._context / "Dockerfile").write_text(text)
        self.lab.docker("build", "--quiet", "--network", "none", "-t", name, str(self._context))
        self._made.append(name)
        return name

    def clean(self) -> None:
        """Take them away."""
        self.lab.docker("rmi", "-f", self.image, *self._made)


@pytest.fixture(scope="module")
def in_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("verified")
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def built(lab: Lab, in_folder: Path) -> Iterator[Built]:
    """An image with an index behind a login among its fields."""
    wheel(in_folder / "index", "tinyone", "1.0")
    wheel(in_folder / "index", "tinytwo", "2.5")
    (in_folder / "data").mkdir()
    (in_folder / "data" / "run.sh").write_text("echo run\n")
    (in_folder / "data" / "run.sh").chmod(0o755)
    (in_folder / "data" / "link").symlink_to("run.sh")
    (in_folder / "a b.txt").write_text("some data\n")
    (in_folder / "r.txt").write_text(
        "tinytwo>=2 ; python_version > '3'\ntinythree; python_version < '3'\n"
    )
    with served(in_folder / "index", f"me:{SECRET}") as port:
        host = lab.run(lab.base_image, "python", "-c", GATEWAY).strip()
        spec = ImageSpec(
            name="verified",
            base_image=lab.base_image,
            packages=["tinyone==1.0"],
            requirements="r.txt",
            pip_index=f"http://me:{SECRET}@{host}:{port}/",
            pip_extra_args=f"--trusted-host {host}",
            apt_packages=["hello"],
            env={"SEED": "7", "TEXT": 'it\'s\n$x "y"'},
            copy=["data", "a b.txt"],
            commands=["echo 'it''s' \"$SEED\" > /seed.txt"],
            entrypoint=["python", "-m", "tinyone"],
            builder_options={"installer": "pip"},
        )
        made = Built(lab, spec, in_folder)
    yield made
    made.clean()


GATEWAY = """
import socket, struct
for line in open('/proc/net/route').readlines()[1:]:
    words = line.split()
    if words[1] == '00000000':
        print(socket.inet_ntoa(struct.pack('<L', int(words[2], 16))))
"""


def differing(built: Built, image: str) -> dict[tuple[str, str], str]:
    """Give what differs, by field and item."""
    with pytest.raises(VerifyError) as caught:
        verify(built.spec, image)
    verification = caught.value.verification
    assert SECRET not in str(caught.value) + repr(verification)
    return {(item.field, item.item): f"{item.found} {item.why}" for item in verification.differing}


@pytest.fixture(scope="module")
def good(built: Built) -> Verification:
    return verify(built.spec)


def test_an_image_as_it_was_built_is_as_asked(built: Built, good: Verification) -> None:
    verification = good
    assert verification.good
    assert [item for item in verification.items if item.outcome != "ok"] == []
    asked = {(item.field, item.item): item.found for item in verification.items}
    assert asked["packages", "tinyone==1.0"] == "1.0"
    assert asked["requirements", "tinytwo>=2 ; python_version > '3'"] == "2.5"
    assert "marker" in asked["requirements", "tinythree; python_version < '3'"]
    assert "imported" in asked["packages", "import tinyone"]
    assert asked["apt_packages", "hello"] == "2.10-3"
    assert asked["copy", "data"] == "the same (1 file)"
    assert ("pip_index", f"login for {built.spec.pip_index.split('@')[1].split(':')[0]}") in asked
    assert verification.python.startswith("3.")
    assert SECRET not in repr(verification)


def test_sizes_are_told_by_field(good: Verification) -> None:
    sizes = good.sizes()
    assert {"base_image", "packages", "apt_packages", "copy", "commands"} <= set(sizes)
    assert sum(sizes.values()) == good.size
    assert sizes["base_image"] > 1e8
    assert sizes["apt_packages"] > 1e5
    assert 0 < sizes["copy"] < 1000


HOME = "$(python -c 'import tinyone, os; print(os.path.dirname(tinyone.__file__))')"
TWO = "tinytwo>=2 ; python_version > '3'"
#: What is done to an image, and where it is told; two images, since some exclude each other.
FIRST = {
    f"RUN cd {HOME} && mv tinyone-1.0.dist-info tinyone-1.1.dist-info && "
    "sed -i s/1.0/1.1/ tinyone-1.1.dist-info/METADATA": ("packages", "tinyone==1.0"),
    f"RUN echo 'import os; os.abort()' > {HOME}/tinytwo.py": ("requirements", "import tinytwo"),
    "RUN dpkg --purge hello": ("apt_packages", "hello"),
    "ENV SEED=8": ("env", "SEED"),
    "ENV MORE=1": ("env", "MORE"),
    "ENV SSL_CERT_FILE=/tmp/x": ("base_image", "SSL_CERT_FILE"),
    "ENV _F_IMG_ID=other": ("env", "_F_IMG_ID"),
    "RUN echo other data >> '/root/a b.txt'": ("copy", "/root/a b.txt"),
    "RUN rm /root/data/run.sh": ("copy", "/root/data/run.sh"),
    "RUN ln -sf /etc/passwd /root/data/link": ("copy", "/root/data/link"),
    'CMD ["bash"]': ("base_image", "CMD"),
    "LABEL team=other": ("base_image", "label team"),
    "ONBUILD RUN true": ("base_image", "ONBUILD"),
}
SECOND = {
    "RUN pip uninstall -y tinytwo": ("requirements", TWO),
    f"RUN rm {HOME}/tinyone.py": ("packages", "import tinyone"),
    "RUN rm /usr/bin/hello": ("apt_packages", "hello"),
    "ENV PATH=/usr/bin:/bin": ("base_image", "PATH"),
    "ENV PYTHONPATH=/opt": ("env", "PYTHONPATH"),
    "RUN echo SOME data > '/root/a b.txt'": ("copy", "/root/a b.txt"),
    "RUN chmod 644 /root/data/run.sh": ("copy", "/root/data/run.sh"),
    "RUN rm /root/data/link && echo > /root/data/link": ("copy", "/root/data/link"),
    'ENTRYPOINT ["python"]\nCMD ["python3"]': ("entrypoint", ""),
    "WORKDIR /tmp": ("base_image", "WORKINGDIR"),
    "USER nobody": ("base_image", "USER"),
}
#: A secret in many places, in the second image too.
LEAKS = {
    "deleted later": (["COPY plain /opt/deep.txt", "RUN rm /opt/deep.txt"], "/opt/deep.txt"),
    "packed": (["COPY packed.gz /opt/x/log.gz"], "/opt/x/log.gz"),
    "encoded": (["COPY login /opt/auth"], "/opt/auth"),
    "label": ([f"LABEL token={SECRET}"], "label token"),
    "variable": ([f"ENV SEED={SECRET}"], "variable SEED"),
    "history": ([f"RUN true {SECRET}"], "history"),
}


@pytest.fixture(scope="module")
def first(built: Built) -> dict[tuple[str, str], str]:
    return differing(built, built.altered(*FIRST))


@pytest.fixture(scope="module")
def second(built: Built) -> dict[tuple[str, str], str]:
    lines = [line for more, _ in LEAKS.values() for line in more]
    return differing(built, built.altered(*lines, *SECOND))


@pytest.mark.parametrize(("field", "item"), FIRST.values(), ids=FIRST)
def test_what_was_altered_is_told(first: dict[tuple[str, str], str], field: str, item: str) -> None:
    assert (field, item) in first


@pytest.mark.parametrize(("field", "item"), SECOND.values(), ids=SECOND)
def test_what_else_was_altered_is_told(
    second: dict[tuple[str, str], str], field: str, item: str
) -> None:
    assert (field, item) in second


def test_nothing_else_is_told(
    first: dict[tuple[str, str], str], second: dict[tuple[str, str], str]
) -> None:
    changed = {("name", "layers")}
    assert set(first) == {*FIRST.values(), *changed}
    leaked = {("env", "SEED"), ("base_image", "label token")}
    others = {place for place in second if place[0] != "pip_index"}
    assert others == {*SECOND.values(), *changed, *leaked}


def test_a_file_that_nobody_asked_for_is_told_too(built: Built) -> None:
    # Without an index, there is no secret to look for.
    spec = dataclasses.replace(built.spec, pip_index=None)
    with pytest.raises(VerifyError) as caught:
        verify(spec, built.altered("RUN echo 1 > /more"))
    found = {(item.field, item.item) for item in caught.value.verification.differing}
    assert ("name", "layers") in found


def test_what_is_there_instead_is_told(
    first: dict[tuple[str, str], str], second: dict[tuple[str, str], str]
) -> None:
    assert first["packages", "tinyone==1.0"].startswith("1.1")
    assert "aborted" in first["requirements", "import tinytwo"]
    assert first["env", "SEED"].startswith("'8'")
    assert "other content" in second["copy", "/root/a b.txt"]
    assert "mode 644" in second["copy", "/root/data/run.sh"]
    assert "/usr/bin/hello" in second["apt_packages", "hello"]
    assert "No module named 'tinyone'" in second["packages", "import tinyone"]


@pytest.fixture(scope="module")
def leaks(second: dict[tuple[str, str], str]) -> str:
    """What is told of an image with a secret in many places."""
    [told] = [text for (field, _), text in second.items() if field == "pip_index"]
    return told


@pytest.mark.parametrize("where", [where for _, where in LEAKS.values()], ids=LEAKS)
def test_a_secret_is_found_wherever_it_is(leaks: str, where: str) -> None:
    assert where in leaks
    assert SECRET not in leaks


def test_another_platform_is_told(built: Built) -> None:
    spec = dataclasses.replace(built.spec, platform="linux/arm64", pip_index=None)
    with pytest.raises(VerifyError) as caught:
        verify(spec, built.image)
    found = {item.field: item.found for item in caught.value.verification.differing}
    assert found["platform"] == "linux/amd64"
