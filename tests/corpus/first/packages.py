"""Python packages that cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case
from tests.indexes import sdist, wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench

_PIP = {"installer": "pip"}


def _spec(**fields: object) -> ImageSpec:
    return ImageSpec(name="trainer", **fields)


@case("package-missing", "packages", "pandsa>=2")
def package_missing(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs", "pandsa>=2", "tomli"])


@case("package-missing", "packages", "pandsa")
def package_missing_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs", "pandsa"], builder_options=_PIP)


@case("package-missing", "packages", "trainertools")
def package_missing_own_index(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "trainer-tools", "1.0")
    bench.uv(index)
    yield _spec(packages=["trainertools"], pip_index=bench.index(index), pip_extra_args=bench.trust)


@case("package-missing", "requirements", "pandsa==2.2.0")
def package_missing_requirements(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements.txt", "attrs\n# the data\npandsa==2.2.0\n")
    yield _spec(requirements="requirements.txt")


@case("version-missing", "packages", "humanize==99.0")
def version_missing(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["humanize==99.0"])


@case("version-missing", "packages", "humanize>=98")
def version_missing_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs", "humanize>=98"], builder_options=_PIP)


@case("version-missing", "requirements", "tabulate==7.7.7")
def version_missing_requirements(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements.txt", "attrs\ntabulate==7.7.7\n")
    yield _spec(requirements="requirements.txt")


@case("version-missing", "packages", "trainer-tools>=3")
def version_missing_own_index(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    for version in ("1.0", "1.5", "2.0"):
        wheel(index, "trainer-tools", version)
    bench.uv(index)
    yield _spec(
        packages=["trainer-tools>=3"], pip_index=bench.index(index), pip_extra_args=bench.trust
    )


def _conflicting(bench: Bench) -> str:
    index = bench.stack_folder("index")
    for version in ("1.0", "2.0"):
        wheel(index, "corelib", version)
    wheel(index, "plotter", "3.1", requires=["corelib<2"])
    bench.uv(index)
    return bench.index(index)


@case("conflict", "packages", "corelib==2.0")
def conflict(bench: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["corelib==2.0", "plotter"],
        pip_index=_conflicting(bench),
        pip_extra_args=bench.trust,
    )


@case("conflict", "packages", "corelib==2.0")
def conflict_pip(bench: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["plotter==3.1", "corelib==2.0"],
        pip_index=_conflicting(bench),
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("conflict", "packages", "attrs==22.1.0")
def conflict_with_itself(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs==22.1.0", "attrs>=23"])


@case("conflict", "packages", "urllib3==1.21")
def conflict_public(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["requests==2.31.0", "urllib3==1.21"])


@case("python-unsupported", "packages", "modern")
def python_too_old(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "modern", "1.0", python=">=3.12")
    wheel(index, "modern", "1.1", python=">=3.13")
    bench.uv(index)
    yield _spec(packages=["modern"], pip_index=bench.index(index), pip_extra_args=bench.trust)


@case("python-unsupported", "packages", "modern==1.0")
def python_too_old_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "modern", "1.0", python=">=3.12")
    yield _spec(
        packages=["modern==1.0"],
        pip_index=bench.index(index),
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("python-unsupported", "packages", "fastmath")
def no_wheel_for_python(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "fastmath", "0.9", tag="cp312-cp312-manylinux_2_17_x86_64")
    wheel(index, "fastmath", "0.9", tag="cp313-cp313-manylinux_2_17_x86_64")
    bench.uv(index)
    yield _spec(packages=["fastmath"], pip_index=bench.index(index), pip_extra_args=bench.trust)


@case("python-unsupported", "packages", "fastmath")
def no_wheel_for_python_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "fastmath", "0.9", tag="cp312-cp312-manylinux_2_17_x86_64")
    yield _spec(
        packages=["fastmath"],
        pip_index=bench.index(index),
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("platform-unsupported", "packages", "winonly")
def no_wheel_for_platform(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "winonly", "305", tag="cp311-cp311-win_amd64")
    wheel(index, "winonly", "305", tag="cp311-cp311-win32")
    bench.uv(index)
    yield _spec(packages=["winonly"], pip_index=bench.index(index), pip_extra_args=bench.trust)


@case("platform-unsupported", "packages", "pywin32")
def no_wheel_for_platform_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["pywin32"], builder_options=_PIP)


@case("hash-mismatch", "requirements", "humanize==4.9.0")
def hash_mismatch(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements.txt", f"humanize==4.9.0 --hash=sha256:{'0' * 64}\n")
    yield _spec(requirements="requirements.txt")


@case("hash-mismatch", "requirements", "humanize==4.9.0")
def hash_mismatch_pip(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements.txt", f"humanize==4.9.0 --hash=sha256:{'0' * 64}\n")
    yield _spec(requirements="requirements.txt", builder_options=_PIP)


@case("download-missing", "packages")
def url_missing(bench: Bench) -> Iterator[ImageSpec]:
    url = bench.index(bench.stack_folder("index"))
    bench.item = f"gone @ {url}gone-1.0-py3-none-any.whl"
    yield _spec(packages=["attrs", bench.item])


@case("build-failed", "packages", "acme-brittle==1.0")
def broken_setup(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    program = "from setuptools import setup\nraise RuntimeError('no weather today')\n"
    sdist(index, "acme-brittle", "1.0", {"setup.py": program})
    yield _spec(packages=["acme-brittle==1.0"], pip_extra_index_url=[bench.index(index)])


@case("build-failed", "packages", "acme-brittle")
def broken_setup_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    program = "import setuptools\nfrom acme_settings import VERSION\n"
    sdist(index, "acme-brittle", "1.0", {"setup.py": program})
    yield _spec(
        packages=["acme-brittle"],
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("installer-option", "pip_extra_args", "--no-such-option")
def unknown_option(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs"], pip_extra_args="--no-such-option")


@case("python-missing", "base_image")
def base_without_python(bench: Bench) -> Iterator[ImageSpec]:
    lines = ["RUN rm -f /usr/bin/python /usr/bin/python3 /usr/bin/python3.11"]
    yield _spec(packages=["attrs"], base_image=bench.base("no-python", *lines))


@case("pip-missing", "base_image")
def base_without_pip(bench: Bench) -> Iterator[ImageSpec]:
    lines = ["RUN rm -rf /usr/lib/python3/dist-packages/pip*"]
    yield _spec(packages=["attrs"], base_image=bench.base("no-pip", *lines))


@case("index-unreachable", "pip_index")
def index_unreachable(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["attrs"],
        pip_index="https://packages.corp.invalid/simple",
        pip_extra_args="--retries 1",
    )


@case("index-unreachable", "pip_index")
def index_refuses_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["attrs"],
        pip_index="http://127.0.0.1:9/simple",
        pip_extra_args="--retries 1",
        builder_options=_PIP,
    )


@case("index-unreachable", "pip_extra_index_url", "http://127.0.0.1:9/simple")
def extra_index_unreachable(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["attrs"],
        pip_extra_index_url=["http://127.0.0.1:9/simple"],
        pip_extra_args="--retries 1",
    )


@case("index-login", "pip_index")
def index_login(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    yield _spec(
        packages=["acme-secrets"],
        pip_index=bench.index(index, "me:open-sesame"),
        pip_extra_args=bench.trust,
    )


@case("index-login", "pip_index")
def index_login_wrong_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    url = bench.index(index, "me:open-sesame").replace("://", "://me:guessed-wrong@")
    yield _spec(
        packages=["acme-secrets"], pip_index=url, pip_extra_args=bench.trust, builder_options=_PIP
    )


@case("index-login", "pip_extra_index_url")
def extra_index_login(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    bench.item = bench.index(index, "me:open-sesame")
    yield _spec(
        packages=["acme-secrets"], pip_extra_index_url=[bench.item], pip_extra_args=bench.trust
    )


@case("index-tls", "pip_index")
def index_tls(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    bench.uv(index)
    yield _spec(packages=["acme-secrets"], pip_index=bench.index(index, tls=True))


@case("index-tls", "pip_extra_index_url")
def extra_index_tls(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    bench.item = bench.index(index, tls=True)
    yield _spec(packages=["acme-secrets"], pip_extra_index_url=[bench.item])


@case("index-unreachable", "env", "HTTPS_PROXY")
def proxy_unreachable(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["attrs"],
        env={"HTTPS_PROXY": "http://127.0.0.1:9", "SEED": "7"},
        pip_extra_args="--retries 1",
    )


@case("index-plain-http", "pip_index")
def index_plain_http(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    yield _spec(packages=["acme-secrets"], pip_index=bench.index(index))


@case("index-plain-http", "pip_extra_index_url")
def extra_index_plain_http_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-secrets", "1.0")
    bench.item = bench.index(index)
    yield _spec(packages=["acme-secrets"], pip_extra_index_url=[bench.item], builder_options=_PIP)


@case("package-renamed", "packages", "sklearn")
def package_renamed(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs", "sklearn"])


def _windows(bench: Bench) -> str:
    index = bench.stack_folder("index")
    made = wheel(index, "acme-win", "1.0", tag="cp311-cp311-win_amd64")
    bench.item = f"acme-win @ {bench.index(index)}acme-win/{made.name}"
    return bench.item


@case("platform-unsupported", "packages")
def wheel_of_another_platform(bench: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["attrs", _windows(bench)], pip_extra_args=bench.trust)


@case("platform-unsupported", "packages")
def wheel_of_another_platform_pip(bench: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=[_windows(bench)], pip_extra_args=bench.trust, builder_options=_PIP)


def _broken(bench: Bench) -> str:
    index = bench.stack_folder("index")
    made = wheel(index, "acme-torn", "1.0")
    made.write_bytes(b"PK no archive")
    # Without its hash, which would tell it before.
    page = f'<!DOCTYPE html><html><body><a href="{made.name}">{made.name}</a></body></html>'
    (made.parent / "index.html").write_text(page)
    return bench.index(index)


@case("download-broken", "packages", "acme-torn")
def wheel_broken(bench: Bench) -> Iterator[ImageSpec]:
    url = [_broken(bench)]
    yield _spec(packages=["acme-torn"], pip_extra_index_url=url, pip_extra_args=bench.trust)


@case("download-broken", "packages", "acme-torn")
def wheel_broken_pip(bench: Bench) -> Iterator[ImageSpec]:
    url = [_broken(bench)]
    yield _spec(
        packages=["acme-torn"],
        pip_extra_index_url=url,
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("index-broken", "pip_extra_index_url")
def extra_index_answers_an_error(bench: Bench) -> Iterator[ImageSpec]:
    bench.item = bench.broken_index()
    yield _spec(packages=["attrs"], pip_extra_index_url=[bench.item], pip_extra_args=bench.trust)


@case("index-broken", "pip_index")
def index_answers_an_error_pip(bench: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["attrs"],
        pip_index=bench.broken_index(),
        pip_extra_args=f"{bench.trust} --retries 0",
        builder_options=_PIP,
    )
