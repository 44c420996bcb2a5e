"""Failing builds whose first fix, made, builds; and a secret that is told by none of them."""

from __future__ import annotations

import gzip
import os
import pickle
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import EnvdMagicError, build
from envd_magic.diagnosis.edits import fixed

from .corpus.first.native import compiled
from .corpus.recorder import bench_of
from .indexes import wheel
from .shells import shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .corpus.bench import Bench
    from .lab import Lab

_PIP = {"installer": "pip"}
SECRET = "sesame-4711-open"  # noqa: S105


@pytest.fixture
def bench(lab: Lab, envd_home: Path) -> Iterator[Bench]:
    with bench_of(lab, envd_home) as made:
        yield made


def own_index(bench: Bench) -> dict[str, object]:
    """Fields of a spec that installs from an index with two packages."""
    index = bench.stack_folder("index")
    for version in ("1.0", "2.0"):
        wheel(index, "acme-core", version)
    wheel(index, "acme-plots", "1.0", requires=["acme-core<2"])
    return {
        "pip_index": bench.index(index),
        "pip_extra_args": bench.trust,
        "builder_options": _PIP,
    }


def misspelt(bench: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", packages=["acme-croe"], **own_index(bench))


def other_version(bench: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", packages=["acme-core==3.1"], **own_index(bench))


def conflict(bench: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", packages=["acme-plots", "acme-core==2.0"], **own_index(bench))


def untrusted(bench: Bench) -> ImageSpec:
    fields = own_index(bench) | {"pip_extra_args": None}
    return ImageSpec(name="fixed", packages=["acme-core"], **fields)


def self_signed(bench: Bench) -> ImageSpec:
    index = bench.stack_folder("index")
    wheel(index, "acme-core", "1.0")
    return ImageSpec(
        name="fixed",
        packages=["acme-core"],
        pip_index=bench.index(index, tls=True),
        pip_extra_args="--retries 0",
        builder_options=_PIP,
    )


def compiler(bench: Bench) -> ImageSpec:
    return ImageSpec(
        name="fixed",
        packages=["acmefast"],
        pip_index=compiled(bench, "acmefast", "zlib.h", '"z"'),
        pip_extra_args=f"{bench.trust} --no-build-isolation",
        apt_packages=["zlib1g-dev"],
        builder_options=_PIP,
    )


def debian_name(_: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", apt_packages=["zpi"])


def program(_: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", commands=["true", "zip -v"])


def folder_above(_: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", commands=["true", "true | tee /opt/tools/built.txt"])


def program_name(_: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", commands=["pyhton --version"])


def script(bench: Bench) -> ImageSpec:
    bench.write("prepare.sh", "echo prepared\n")
    return ImageSpec(name="fixed", copy=["prepare.sh"], commands=["/root/prepare.sh --all"])


def file_left_out(bench: Bench) -> ImageSpec:
    bench.write("train.py", "print('trains')\n")
    return ImageSpec(name="fixed", commands=["python /root/train.py"])


def path_misspelt(bench: Bench) -> ImageSpec:
    bench.write("data/training.csv", "1\n")
    return ImageSpec(name="fixed", copy=["data/trainin.csv"])


def base_name(bench: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", base_image=bench.lab.base_image.replace("python", "pyhton"))


def base_tag(bench: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", base_image=bench.lab.base_image + "1", commands=["true"])


def platform(bench: Bench) -> ImageSpec:
    return ImageSpec(
        name="fixed", base_image=bench.lab.base_image, platform="linux/arm64", commands=["true"]
    )


def below(bench: Bench) -> ImageSpec:
    return ImageSpec(name="fixed", base_image=program(bench))


_CASES: dict[Callable[[Bench], ImageSpec], str] = {
    misspelt: "packages",
    other_version: "packages",
    conflict: "packages",
    untrusted: "pip_index",
    self_signed: "pip_index",
    compiler: "packages",
    debian_name: "apt_packages",
    program: "commands",
    program_name: "commands",
    folder_above: "commands",
    script: "commands",
    file_left_out: "commands",
    path_misspelt: "copy",
    base_name: "base_image",
    base_tag: "base_image",
    platform: "platform",
    below: "base_image.commands",
}


@pytest.mark.parametrize(
    ("make", "field"), _CASES.items(), ids=lambda one: getattr(one, "__name__", "")
)
def test_what_helps_first_builds(
    bench: Bench, make: Callable[[Bench], ImageSpec], field: str
) -> None:
    spec = make(bench)
    with pytest.raises(EnvdMagicError) as caught:
        build(spec, force=True)
    found = caught.value.diagnosis
    assert found is not None
    assert found.field == field
    again = build(fixed(spec, found.fixes[0]), force=True)
    assert again.status == "built"


def everything_kept(home: Path) -> str:
    """All texts that a build leaves: logs, history, recordings."""
    texts = []
    for path in home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            packed = content.startswith(b"\x1f\x8b")
            texts.append((gzip.decompress(content) if packed else content).decode("latin-1"))
    return "".join(texts)


def test_no_failure_tells_a_secret(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.patch.setenv("ENVD_MAGIC_HOME", str(tmp_path))
    index = bench.stack_folder("index")
    wheel(index, "acme-core", "1.0")
    url = bench.index(index, "me:other").replace("://", f"://me:{SECRET}@")
    env = {"API_TOKEN": SECRET}
    specs = [
        ImageSpec(name="quiet", env=env, packages=["acme-core"], pip_index=url),
        ImageSpec(name="quiet", env=env, commands=["echo $API_TOKEN", "nosuch $API_TOKEN"]),
        ImageSpec(name="quiet", env=env, packages=[f"x @ {url}x-1-py3-none-any.whl"]),
        ImageSpec(name="quiet", env=env, commands=[f"python -c 'open(\"{url}\")'"]),
        ImageSpec(name="quiet", env=env, base_image="localhost:9/x:1"),
    ]
    told = ""
    for spec in specs:
        with pytest.raises(EnvdMagicError) as caught:
            build(spec, force=True)
        found = caught.value.diagnosis
        told += repr(found) + str(caught.value) + pickle.dumps(caught.value).decode("latin-1")
        assert found is not None
        assert found.kind != "unknown"
    told += capsys.readouterr().out + everything_kept(tmp_path)
    assert SECRET not in told


def test_the_cell_that_fix_prints_has_the_secret_as_the_user_wrote_it(bench: Bench) -> None:
    os.environ["THE_TOKEN"] = SECRET
    ip = shell()
    cell = "import os\nImageSpec(name='quiet', env={'TOKEN': os.environ['THE_TOKEN']}, "
    cell += "commands=['pyhton --version'])"
    try:
        with pytest.raises(EnvdMagicError):
            ip.do(f"%%envd_build spec --force\n{cell}")
        shown = ip.do("%envd fix")
        assert f"%%envd_build spec --force\n{cell.replace('pyhton', 'python')}" in shown
        built = ip.do(shown[shown.index("%%envd_build") :])
    finally:
        del os.environ["THE_TOKEN"]
    assert "Built: quiet:" in built
    assert SECRET not in shown + built
    assert bench


def test_a_saved_notebook_of_failures_has_no_secret(bench: Bench) -> None:
    import nbformat
    from nbclient import NotebookClient

    bench.patch.setenv("THE_TOKEN", SECRET)
    spec = "ImageSpec(name='quiet', env={'TOKEN': os.environ['THE_TOKEN']}, commands=[%r])"
    cells = ["%load_ext envd_magic\nimport os"]
    cells += [f"%%envd_build spec --force\n{spec % 'nosuchthing $TOKEN; echo $TOKEN'}"]
    cells += [f"%%envd_build spec --force\n{spec % 'echo $TOKEN; pyhton --version'}", "%envd fix"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=120, allow_errors=True, kernel_name="python3").execute()
    saved = nbformat.writes(book)
    assert "the image has no program 'pyhton'" in saved
    assert "%envd fix N puts number N into a new cell" in saved
    assert "python --version" in saved
    assert SECRET not in saved
