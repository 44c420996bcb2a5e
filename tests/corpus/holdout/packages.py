"""Python packages that cannot be had: other packages, other ways."""

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
    return ImageSpec(name="scoring", **fields)


@case("package-missing", "packages", "scikit-lern")
def misspelt_package(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["scikit-lern", "tabulate>=0.8"])


@case("package-missing", "packages", "reqeusts[socks]~=2.31")
def misspelt_package_with_extra_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["reqeusts[socks]~=2.31"], builder_options=_PIP)


@case("package-missing", "requirements", "acme-nonesuch")
def package_missing_in_nested_file(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("more.txt", "acme-nonesuch\n")
    bench.write("deps.txt", "-r more.txt\nidna\n")
    yield _spec(requirements="deps.txt", packages=["attrs"])


@case("package-missing", "packages", "acme-report")
def package_of_a_package_missing(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-report", "2.0", requires=["acme-charts>=1"])
    bench.uv(index)
    yield _spec(packages=["acme-report"], pip_index=bench.index(index), pip_extra_args=bench.trust)


@case("version-missing", "packages", "idna==0.0.1")
def version_never_was(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["certifi", "idna==0.0.1"])


@case("version-missing", "packages", "tabulate>0.8,<0.8.1")
def version_between_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["tabulate>0.8,<0.8.1"], builder_options=_PIP)


@case("version-missing", "requirements", "acme-tools~=4.2")
def version_missing_in_file(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-tools", "3.9")
    bench.write("needs.txt", "acme-tools~=4.2\n")
    yield _spec(
        requirements="needs.txt",
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
    )


@case("conflict", "packages", "idna==2.4")
def conflict_of_pins(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["requests==2.32.3", "idna==2.4"])


@case("conflict", "requirements", "charset-normalizer==1.4.1")
def conflict_in_file_pip(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("reqs.txt", "charset-normalizer==1.4.1\nrequests==2.31.0\n")
    yield _spec(requirements="reqs.txt", builder_options=_PIP)


@case("conflict", "packages", "acme-left")
def conflict_below(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    for version in ("1.0", "2.0"):
        wheel(index, "acme-base", version)
    wheel(index, "acme-left", "1.0", requires=["acme-base==1.0"])
    wheel(index, "acme-right", "1.0", requires=["acme-base==2.0"])
    bench.uv(index)
    yield _spec(
        packages=["acme-left", "acme-right"],
        pip_index=bench.index(index),
        pip_extra_args=bench.trust,
    )


@case("python-unsupported", "packages", "ipython==9.8.0")
def too_new_for_python(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "ipython", "9.8.0", python=">=3.14")
    bench.uv(index)
    yield _spec(
        packages=["ipython==9.8.0"], pip_index=bench.index(index), pip_extra_args=bench.trust
    )


@case("python-unsupported", "requirements", "acme-future")
def too_new_for_python_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-future", "0.3", python=">=3.13,<4")
    bench.write("requirements.txt", "idna\nacme-future\n")
    yield _spec(
        requirements="requirements.txt",
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("python-unsupported", "packages", "acme-native>=1")
def wheels_of_an_old_python(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-native", "1.2", tag="cp38-cp38-manylinux2014_x86_64")
    yield _spec(
        packages=["acme-native>=1"],
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
    )


@case("platform-unsupported", "packages", "acme-arm")
def wheels_for_arm(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-arm", "1.0", tag="cp311-cp311-manylinux2014_aarch64")
    yield _spec(
        packages=["acme-arm"],
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
    )


@case("hash-mismatch", "requirements", "idna==3.4")
def hash_of_another_file(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("locked.txt", f"idna==3.4 \\\n    --hash=sha256:{'2' * 64}\n")
    yield _spec(requirements="locked.txt")


@case("hash-mismatch", "requirements", "tabulate==0.9.0")
def hash_of_another_file_pip(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("locked.txt", f"tabulate==0.9.0 --hash=sha256:{'a' * 64}\n")
    yield _spec(requirements="locked.txt", builder_options=_PIP)


@case("download-missing", "packages")
def archive_missing_pip(bench: Bench) -> Iterator[ImageSpec]:
    url = bench.index(bench.stack_folder("index"))
    bench.item = f"{url}old/acme_tools-0.1-py3-none-any.whl"
    yield _spec(packages=[bench.item], pip_extra_args=bench.trust, builder_options=_PIP)


@case("build-failed", "packages", "acme-legacy==0.9")
def setup_for_python_2(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    program = "from setuptools import setup\nprint 'hello'\nsetup(name='acme-legacy')\n"
    sdist(index, "acme-legacy", "0.9", {"setup.py": program})
    yield _spec(
        packages=["acme-legacy==0.9"],
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
    )


@case("build-failed", "requirements", "acme-legacy")
def setup_exits_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    program = "import sys\nsys.exit('this package is retired')\n"
    sdist(index, "acme-legacy", "1.1", {"setup.py": program})
    bench.write("requirements.txt", "acme-legacy\n")
    yield _spec(
        requirements="requirements.txt",
        pip_extra_index_url=[bench.index(index)],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("installer-option", "pip_extra_args", "--upgrad")
def misspelt_option_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(packages=["idna"], pip_extra_args="--upgrad", builder_options=_PIP)


@case("python-missing", "base_image")
def python_taken_away(bench: Bench) -> Iterator[ImageSpec]:
    line = "RUN for each in /usr/bin/python*; do mv $each /opt/; done"
    bench.write("requirements.txt", "idna\n")
    yield _spec(requirements="requirements.txt", base_image=bench.base("bare", line))


@case("pip-missing", "base_image")
def pip_renamed(bench: Bench) -> Iterator[ImageSpec]:
    line = "RUN mv /usr/lib/python3/dist-packages/pip /opt/pip"
    yield _spec(packages=["idna"], base_image=bench.base("pipless", line), builder_options=_PIP)


@case("index-unreachable", "pip_index")
def index_times_out(_: Bench) -> Iterator[ImageSpec]:
    # Nobody is at an address for documents (RFC 5737).
    yield _spec(
        packages=["idna"],
        pip_index="https://192.0.2.77/simple/",
        pip_extra_args="--retries 1 --timeout 2",
        builder_options=_PIP,
    )


@case("index-unreachable", "pip_extra_index_url", "https://wheels.team.invalid/simple")
def extra_index_unknown(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["idna"],
        pip_extra_index_url=["https://wheels.team.invalid/simple"],
        pip_extra_args="--retries 1",
    )


@case("index-unreachable", "env", "https_proxy")
def proxy_unknown_pip(_: Bench) -> Iterator[ImageSpec]:
    yield _spec(
        packages=["idna"],
        env={"https_proxy": "http://proxy.corp.invalid:3128"},
        pip_extra_args="--retries 1",
        builder_options=_PIP,
    )


@case("index-login", "pip_extra_index_url")
def private_index_without_login_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-hidden", "1.0")
    bench.item = bench.index(index, "team:s3same-open")
    yield _spec(
        packages=["acme-hidden"],
        pip_extra_index_url=[bench.item],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("index-tls", "pip_index")
def self_signed_index_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-hidden", "1.0")
    yield _spec(
        packages=["acme-hidden"],
        pip_index=bench.index(index, tls=True),
        pip_extra_args="--retries 1",
        builder_options=_PIP,
    )


@case("index-plain-http", "pip_index")
def plain_index_pip(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    wheel(index, "acme-plain", "1.0")
    yield _spec(packages=["acme-plain==1.0"], pip_index=bench.index(index), builder_options=_PIP)


def _torn(bench: Bench) -> str:
    index = bench.stack_folder("index")
    made = wheel(index, "modelkit", "3.1")
    made.write_bytes(made.read_bytes()[:100])
    page = f'<!DOCTYPE html><html><body><a href="{made.name}">{made.name}</a></body></html>'
    (made.parent / "index.html").write_text(page)
    return bench.index(index)


@case("download-broken", "packages", "modelkit>=3")
def wheel_cut_off(bench: Bench) -> Iterator[ImageSpec]:
    url = [_torn(bench)]
    yield ImageSpec(
        name="model",
        packages=["modelkit>=3"],
        pip_extra_index_url=url,
        pip_extra_args=bench.trust,
    )


@case("platform-unsupported", "packages")
def wheel_for_a_mac(bench: Bench) -> Iterator[ImageSpec]:
    index = bench.stack_folder("index")
    made = wheel(index, "modelkit", "3.1", tag="cp311-cp311-macosx_11_0_arm64")
    bench.item = f"modelkit@{bench.index(index)}modelkit/{made.name}"
    yield ImageSpec(name="model", packages=[bench.item], pip_extra_args=bench.trust)


@case("index-broken", "pip_extra_index_url")
def extra_index_breaks(bench: Bench) -> Iterator[ImageSpec]:
    bench.item = bench.broken_index()
    yield ImageSpec(
        name="model",
        packages=["toml"],
        pip_extra_index_url=[bench.item],
        pip_extra_args=bench.trust,
    )
