"""What is installed: what pip would have installed in that base, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import BuildError, build

from .indexes import served, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envd_magic import BuildResult

    from .lab import Lab

INSTALLERS = ["uv", "pip"]


def packages(lab: Lab, image: str) -> dict[str, str]:
    listed = json.loads(lab.run(image, "python", "-m", "pip", "list", "--format", "json"))
    return {item["name"]: item["version"] for item in listed}


def notes(result: BuildResult) -> list[str]:
    """What is told of the install; a lab that is kept has images of earlier recipes too."""
    return [text for text in result.warnings if "made in another way" not in text]


@pytest.fixture(scope="session")
def uv_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uv")
    run = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "uv"]
    subprocess.run(run, check=True)
    return next(folder.glob("uv-*.whl"))


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("installer", INSTALLERS)
def test_one_package_is_one_more_line_of_pip_list(lab: Lab, installer: str) -> None:
    spec = ImageSpec(name="one", packages=["attrs"], builder_options={"installer": installer})
    result = build(spec, force=True)
    new = packages(lab, result.image).items() - packages(lab, lab.base_image).items()
    assert [name for name, _ in new] == ["attrs"]
    assert not notes(result)


@pytest.fixture(scope="module")
def several(lab: Lab) -> Iterator[str]:
    """An image of all that needs nothing of its own around it."""
    wanted = [
        'tomli ; python_version < "3.0"',
        "requests[socks]>=2",
        "six ; sys_platform == 'linux'",
        "setuptools",
        "jeepney",
    ]
    spec = ImageSpec(name="several", packages=wanted, apt_packages=["hello=2.10-3"])
    result = build(spec, force=True)
    assert not notes(result)
    yield result.image
    lab.docker("rmi", "-f", result.image)


def test_markers_extras_and_urls(lab: Lab, several: str) -> None:
    found = packages(lab, several)
    assert "tomli" not in found
    assert {"requests", "PySocks", "six"} <= found.keys()


def test_bytecode_is_compiled_but_not_that_of_tests(lab: Lab, several: str) -> None:
    program = """
import importlib.util, os
for name in ("jeepney", "jeepney.auth", "jeepney.tests"):
    print(os.path.exists(importlib.util.find_spec(name).cached))
"""
    assert lab.run(several, "python", "-c", program).split() == ["True", "True", "False"]


def test_what_debian_installed_is_not_installed_again(lab: Lab, several: str) -> None:
    assert packages(lab, several)["setuptools"] == packages(lab, lab.base_image)["setuptools"]


def test_apt_packages_in_the_version_asked_for(lab: Lab, several: str) -> None:
    assert lab.run(several, "hello") == "Hello, world!\n"


def test_a_virtual_environment_of_the_base_is_used(lab: Lab) -> None:
    lines = ["RUN python3 -m venv /opt/venv", "ENV PATH=/opt/venv/bin:$PATH"]
    base = lab.derive("venv", lines)
    image = build(ImageSpec(name="venv", base_image=base, packages=["attrs"]), force=True).image
    where = lab.run(image, "python", "-c", "import attr; print(attr.__file__)")
    assert where.startswith("/opt/venv/")
    assert lab.run(image, "ls", "-A", "/opt/venv") == lab.run(base, "ls", "-A", "/opt/venv")


def test_where_uv_cannot_pip_does_and_it_is_said(lab: Lab) -> None:
    spec = ImageSpec(name="cannot", packages=["six"], pip_extra_args="--use-pep517")
    said = "pip installs, since pip_extra_args: uv has nothing like pip's --use-pep517"
    assert notes(build(spec, force=True)) == [said]
    # The second time the step comes from the cache.
    result = build(spec, force=True)
    assert [step.status for step in result.steps if step.field == "packages"][-1] == "cached"
    assert notes(result) == [said]
    assert "six" in packages(lab, result.image)


def test_what_a_step_told_is_told_again_when_it_comes_from_the_cache(lab: Lab) -> None:
    # A base of its own, so that the first build has nothing in the cache.
    unique = os.urandom(8).hex()
    lines = [f"RUN printf '[install]\\nprefer-binary = true\\n# {unique}\\n' > /etc/pip.conf"]
    base = lab.derive("prefers", lines)
    spec = ImageSpec(name="told", base_image=base, packages=["six"])
    said = ["pip installs, since uv has nothing like pip's --prefer-binary"]
    assert notes(build(spec, force=True)) == said
    assert notes(build(spec, force=True)) == said


def test_what_the_base_tells_uv_is_not_heeded_and_pips_settings_are(lab: Lab) -> None:
    # Each of these would keep uv from installing, or let it take another version.
    lines = [
        "ENV UV_OFFLINE=1 UV_INDEX_URL=http://127.0.0.1:9/ UV_TARGET=/elsewhere UV_NO_INDEX=1",
        "ENV UV_CONSTRAINT=/uv-constraints UV_EXCLUDE_NEWER=2021-01-01 UV_RESOLUTION=lowest",
        (
            "RUN echo 'six==1.14.0' > /uv-constraints && echo 'six==1.15.0' > /constraints && "
            "mkdir -p /etc/uv /root/.config/uv && printf '[pip]\\nno-index = true\\n' | "
            "tee /etc/uv/uv.toml > /root/.config/uv/uv.toml && "
            "printf '[global]\\nconstraint = /constraints\\n' > /pip.conf"
        ),
        "ENV PIP_CONFIG_FILE=/pip.conf",
    ]
    base = lab.derive("uv-settings", lines)
    result = build(ImageSpec(name="uvset", base_image=base, packages=["six"]), force=True)
    assert not notes(result)
    assert packages(lab, result.image)["six"] == "1.15.0"


def test_what_the_spec_tells_uv_is_heeded(lab: Lab) -> None:
    base = lab.derive("uv-constraint", ["RUN echo 'six==1.14.0' > /constraints"])
    spec = ImageSpec(
        name="uvenv", base_image=base, packages=["six"], env={"UV_CONSTRAINT": "/constraints"}
    )
    assert packages(lab, build(spec, force=True).image)["six"] == "1.14.0"


def test_what_is_named_is_upgraded_and_what_it_needs_is_not(lab: Lab) -> None:
    base = lab.derive("outdated", ["RUN pip install -q --no-cache-dir idna==3.3 requests==2.27.0"])
    spec = ImageSpec(
        name="upgrade", base_image=base, packages=["requests"], pip_extra_args="--upgrade"
    )
    result = build(spec, force=True)
    found = packages(lab, result.image)
    assert not notes(result)
    assert found["requests"] != "2.27.0"
    assert found["idna"] == "3.3"


def test_extra_arguments_reach_the_installer(lab: Lab) -> None:
    spec = ImageSpec(name="args", packages=["requests"], pip_extra_args="--no-deps")
    result = build(spec, force=True)
    assert "urllib3" not in packages(lab, result.image)
    assert not notes(result)


@pytest.mark.usefixtures("lab")
def test_a_package_that_is_not_there_fails_with_pips_words() -> None:
    with pytest.raises(BuildError, match="No matching distribution found for no-such-thing-at-all"):
        build(ImageSpec(name="absent", packages=["no-such-thing-at-all"]), force=True)


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.usefixtures("lab")
def test_indexes_are_chosen_among_as_pip_chooses(
    lab: Lab, gateway: str, in_folder: Path, uv_wheel: Path, installer: str
) -> None:
    for number, (version, says) in enumerate([("1.0", "old"), ("2.0", "a"), ("2.0", "b")]):
        wheel(in_folder / f"i{number}", "chosen", version, says)
    _offer(uv_wheel, in_folder / "i0")
    with (
        served(in_folder / "i0") as zero,
        served(in_folder / "i1") as one,
        served(in_folder / "i2") as two,
    ):
        lines = [
            (
                f"RUN printf '[global]\\nindex-url = http://{gateway}:{zero}/\\n"
                f"extra-index-url = http://{gateway}:{one}/\\ntrusted-host = {gateway}\\n' "
                "> /etc/pip.conf"
            )
        ]
        base = lab.derive(f"indexes-{installer}", lines)
        spec = ImageSpec(
            name="chosen",
            base_image=base,
            packages=["chosen"],
            pip_extra_index_url=[f"http://{gateway}:{two}/"],
            builder_options={"installer": installer},
        )
        result = build(spec, force=True)
    assert not notes(result)
    # pip's choice: the best version of all, and of equal ones the last index's.
    assert lab.run(result.image, "python", "-c", "import chosen; print(chosen.says)") == "b\n"


def _offer(path: Path, index: Path) -> None:
    folder = index / "uv"
    folder.mkdir(parents=True)
    shutil.copy(path, folder)
    (folder / "index.html").write_text(f'<a href="{path.name}">{path.name}</a>')


@pytest.mark.parametrize("installer", INSTALLERS)
def test_a_login_in_an_index_reaches_the_installer_and_nothing_else(
    lab: Lab, gateway: str, in_folder: Path, uv_wheel: Path, installer: str
) -> None:
    secret = f"zu7Kp-{os.urandom(6).hex()}"
    wheel(in_folder / "private", "hiddenone", "1.0")
    _offer(uv_wheel, in_folder / "private")
    seen: list[str] = []
    with served(in_folder / "private", f"me:{secret}") as port:
        spec = ImageSpec(
            name="login",
            packages=["hiddenone"],
            pip_index=f"http://me:{secret}@{gateway}:{port}/",
            pip_extra_args=f"--trusted-host {gateway}",
            builder_options={"installer": installer},
        )
        result = build(spec, force=True, listener=lambda event: seen.append(repr(event)))
    assert not notes(result)
    assert lab.run(result.image, "python", "-c", "import hiddenone; print(hiddenone.says)")
    assert result.log_file is not None
    assert secret not in result.log_file.read_text()
    assert secret not in "".join(seen) + repr(result)
    assert not found_in_image(lab, result.image, secret, in_folder)


def test_secret_mounts_reach_the_installer_and_nothing_else(
    lab: Lab, gateway: str, in_folder: Path
) -> None:
    secret = f"zu7Kp-{os.urandom(6).hex()}"
    wheel(in_folder / "private", "mountedone", "1.0")
    (in_folder / "netrc").write_text(f"machine {gateway} login me password {secret}\n")
    with served(in_folder / "private", f"me:{secret}") as port:
        spec = ImageSpec(
            name="mounts",
            packages=["mountedone"],
            pip_extra_index_url=[f"http://{gateway}:{port}/"],
            pip_extra_args=f"--trusted-host {gateway}",
            pip_secret_mounts=[("netrc", "/root/.netrc")],
        )
        result = build(spec, force=True)
    assert lab.run(result.image, "python", "-c", "import mountedone; print(mountedone.says)")
    assert "netrc" not in lab.run(result.image, "ls", "-a", "/root")
    assert lab.run(result.image, "ls", "-A", "/home") == ""
    assert result.log_file is not None
    assert secret not in result.log_file.read_text()
    assert not found_in_image(lab, result.image, secret, in_folder)


def found_in_image(lab: Lab, image: str, secret: str, folder: Path) -> bool:
    """Look for a text in an image's settings, history and every layer on its base."""
    below = lab.inspect(lab.base_image)["RootFS"]["Layers"]
    about = lab.inspect(image)
    assert about["RootFS"]["Layers"][: len(below)] == below
    archive = folder / "image.tar"
    lab.docker("save", "-o", str(archive), image)
    with tarfile.open(archive) as saved:
        [listed] = json.load(saved.extractfile("manifest.json"))  # type: ignore[arg-type]
        names = [*listed["Layers"][len(below) :], *_texts(saved)]
        files = [saved.extractfile(name) for name in names]
        contents = [file.read() for file in files if file is not None]
    assert len(contents) == len(names)
    texts = [lab.docker("history", "--no-trunc", image), json.dumps(about)]
    return any(secret.encode() in one for one in (*contents, *map(str.encode, texts)))


def _texts(saved: tarfile.TarFile) -> list[str]:
    return [name for name in saved.getnames() if name.endswith("json")]


def test_requirements_with_all_that_pip_reads(lab: Lab, in_folder: Path) -> None:
    folder = in_folder / "my reqs"
    (folder / "sub").mkdir(parents=True)
    (folder / "all.txt").write_text(
        "# a comment\n"
        "six>=1.10  # the rest of the line is a comment\n"
        "tomli ; python_version < '3.0'\n"
        "-r sub/more.txt\n"
        "-c limits.txt\n"
        "idna \\\n  >=3\n"
    )
    (folder / "sub" / "more.txt").write_text("toml\n")
    (folder / "limits.txt").write_text("six==1.15.0\n")
    spec = ImageSpec(name="reqs", requirements="my reqs/all.txt", packages=["attrs"])
    found = packages(lab, build(spec, force=True).image)
    assert found["six"] == "1.15.0"
    assert {"toml", "idna", "attrs"} <= found.keys()
    assert "tomli" not in found


def test_hashes_are_checked_and_do_not_spread(lab: Lab, in_folder: Path) -> None:
    good = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
    (in_folder / "r.txt").write_text(f"six==1.16.0 \\\n    --hash=sha256:{good}\n")
    spec = ImageSpec(name="hashes", requirements="r.txt", packages=["toml"])
    assert packages(lab, build(spec, force=True).image)["six"] == "1.16.0"
    (in_folder / "r.txt").write_text(f"six==1.16.0 --hash=sha256:{good[::-1]}\n")
    with pytest.raises(BuildError):
        build(spec, force=True)


@pytest.mark.parametrize("installer", INSTALLERS)
@pytest.mark.usefixtures("lab")
def test_where_one_line_has_hashes_all_have_to(in_folder: Path, installer: str) -> None:
    good = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
    (in_folder / "r.txt").write_text(f"six==1.16.0 --hash=sha256:{good}\ntoml==0.10.2\n")
    spec = ImageSpec(name="some", requirements="r.txt", builder_options={"installer": installer})
    with pytest.raises(BuildError, match="toml"):
        build(spec, force=True)


def test_an_edited_requirements_file_is_seen(lab: Lab, in_folder: Path) -> None:
    (in_folder / "r.txt").write_text("six==1.15.0\n-r inner.txt\n")
    (in_folder / "inner.txt").write_text("toml==0.10.1\n")
    spec = ImageSpec(name="edited", requirements="r.txt", env={"UNIQUE": os.urandom(8).hex()})
    first = build(spec)
    (in_folder / "r.txt").write_text("six==1.16.0\n-r inner.txt\n")
    second = build(spec)
    assert second.image != first.image
    assert packages(lab, second.image)["six"] == "1.16.0"
    (in_folder / "inner.txt").write_text("toml==0.10.2\n")
    third = build(spec)
    assert third.status == "built"
    assert packages(lab, third.image)["toml"] == "0.10.2"


def test_a_very_long_requirements_file(lab: Lab, in_folder: Path) -> None:
    lines = [f"six>=1.{number % 10} ; python_version < '3.{number % 3}'" for number in range(4000)]
    (in_folder / "r.txt").write_text("\n".join([*lines, "toml"]))
    image = build(ImageSpec(name="long", requirements="r.txt"), force=True).image
    assert "toml" in packages(lab, image)
    assert lab.run(image, "ls", "-A", "/var/tmp") == ""
