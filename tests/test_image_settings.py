"""What an image is like from outside: variables, entrypoint, what is kept of its base."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic import build, create_envd_config
from envd_magic.engine import loading
from envd_magic.engine.client import Engine

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

NASTY = [
    "'",
    '"',
    "$HOME",
    "`id`",
    "\\n",
    "a\nb",
    "EOF",
    "ASKED",
    "é☃𝄞",
    "$(id)",
    "# x",
    "!",
    "%s {} {{",
    "\t",
    " lead and trail ",
    '"""',
    "\\",
    "a\rb",
    "\x01\x1b[31m",
    "; rm -rf /",
]


@pytest.fixture(scope="module")
def rich_base(lab: Lab) -> str:
    return lab.derive(
        "rich",
        [
            "ENV FOO=base BAR=keep PATH=/opt/tool/bin:/usr/local/bin:/usr/bin:/bin",
            "ENV PYTHONPATH=/opt/lib",
            'LABEL org.example.note="two words"',
            "EXPOSE 8080",
            "VOLUME /data",
            "STOPSIGNAL SIGINT",
            "HEALTHCHECK --interval=30s --retries=2 CMD true",
            "WORKDIR /srv",
            "USER nobody",
            'ENTRYPOINT ["/usr/bin/env"]',
            'CMD ["printenv", "FOO"]',
        ],
    )


@pytest.fixture(params=["an archive", "a commit"])
def finished_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the engine finish images as one that keeps layers itself, or as containerd's."""
    monkeypatch.setattr(Engine, "keeps_layers", request.param == "an archive")
    return str(request.param)


def settings(lab: Lab, spec: ImageSpec) -> dict[str, Any]:
    found = lab.inspect(build(spec, force=True).image)["Config"]
    found["Env"] = dict(item.split("=", 1) for item in found["Env"])
    return dict(found)


@pytest.mark.usefixtures("finished_by")
def test_the_specs_variables_win_and_the_bases_others_stay(lab: Lab, rich_base: str) -> None:
    spec = ImageSpec(name="vars", base_image=rich_base, env={"FOO": "spec", "NEW": "1"})
    env = settings(lab, spec)["Env"]
    assert env["FOO"] == "spec"
    assert env["BAR"] == "keep"
    assert env["NEW"] == "1"
    assert env["PATH"] == "/opt/tool/bin:/usr/local/bin:/usr/bin:/bin"
    assert env["PYTHONPATH"].split(":")[0] == "/root"
    assert "/opt/lib" in env["PYTHONPATH"].split(":")
    assert env["_F_IMG_ID"] == spec.id


@pytest.mark.usefixtures("finished_by")
def test_what_envd_drops_of_the_base_is_kept(lab: Lab, rich_base: str) -> None:
    spec = ImageSpec(name="kept", base_image=rich_base, commands=["true"])
    found, base = settings(lab, spec), lab.inspect(rich_base)["Config"]
    for name in ("Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes"):
        assert found[name] == base[name], name
    assert found["Healthcheck"] == base["Healthcheck"]
    assert found["StopSignal"] == base["StopSignal"]
    assert found["Labels"]["org.example.note"] == "two words"


@pytest.mark.usefixtures("finished_by")
@pytest.mark.parametrize(
    ("entrypoint", "expected"),
    [
        (None, ["/usr/bin/env"]),
        ([], []),
        (["/bin/echo", "a b", "it's", '"$x"'], ["/bin/echo", "a b", "it's", '"$x"']),
    ],
)
def test_entrypoint(
    lab: Lab, rich_base: str, entrypoint: list[str] | None, expected: list[str]
) -> None:
    spec = ImageSpec(name="entry", base_image=rich_base, entrypoint=entrypoint)
    found = settings(lab, spec)
    assert (found["Entrypoint"] or []) == expected
    assert found["Cmd"] == ["printenv", "FOO"]


def test_the_steps_are_in_the_images_history(lab: Lab, finished_by: str) -> None:
    spec = ImageSpec(name="history", commands=[f"echo {finished_by} > /by"])
    image = build(spec, force=True).image
    told = lab.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert told.count(f"echo {finished_by} > /by") == 1
    layers = lab.inspect(image)["RootFS"]["Layers"]
    assert layers[:-1] == lab.inspect(lab.base_image)["RootFS"]["Layers"]


def test_an_image_one_of_whose_steps_left_no_layer_is_finished_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    import docker

    told = docker.APIClient.history

    def with_one_more(api: docker.APIClient, image: str) -> list[Any]:
        return [{"Created": 0, "CreatedBy": "", "Comment": "", "Size": 0}, *told(api, image)]

    monkeypatch.setattr(docker.APIClient, "history", with_one_more)
    image = build(ImageSpec(name="no-layer", env={"A": "1"}, commands=["true"]), force=True).image
    assert "A=1" in lab.inspect(image)["Config"]["Env"]
    assert lab.inspect(image)["Parent"], "it was not made by a commit"


@pytest.mark.parametrize("refused", ["no archive", "an archive of a layer that is not there"])
def test_an_engine_that_takes_no_archive_finishes_images_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    packed = loading.packed

    def other(files: dict[str, bytes]) -> bytes:
        unknown = {
            name: re.sub(rb'"sha256:\w{4}', b'"sha256:0000', text) for name, text in files.items()
        }
        return b"no archive" if refused == "no archive" else packed(unknown)

    monkeypatch.setattr(loading, "packed", other)
    image = build(ImageSpec(name="refused", env={"A": refused}), force=True).image
    assert f"A={refused}" in lab.inspect(image)["Config"]["Env"]
    assert lab.inspect(image)["Parent"], "it was not made by a commit"


@pytest.mark.usefixtures("finished_by")
def test_steps_that_write_no_byte_or_no_layer_do_not_hinder(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    for number, command in enumerate(("true", "touch /nothing", "echo 1 > /one")):
        spec = ImageSpec(name=f"nothing-{number}", commands=[command], copy=["empty"])
        image = build(spec, force=True).image
        assert lab.run(image, "stat", "-c", "%s", "/root/empty") == "0\n"
        assert lab.docker("history", "-q", image)
        pushed = f"{lab.registry}/nothing:{number}"
        lab.docker("tag", image, pushed)
        lab.docker("push", pushed)
        lab.docker("rmi", "-f", pushed, image)
        assert lab.run(pushed, "stat", "-c", "%s", "/root/empty") == "0\n"


def test_any_text_arrives_in_variables_and_commands(lab: Lab) -> None:
    commands = [
        f"cat > /c{number} <<'NEVER_IN_IT'\n{text}\nNEVER_IN_IT"
        for number, text in enumerate(NASTY)
    ]
    commands.append("python - <<'PY'\nimport os\nopen('/seen', 'w').write(os.environ['V0'])\nPY")
    env = {f"V{number}": text for number, text in enumerate(NASTY)}
    image = build(ImageSpec(name="text", env=env, commands=commands), force=True).image
    program = (
        "import json, os; n = %d; print(json.dumps([[os.environ[f'V{i}'], "
        "open(f'/c{i}', newline='').read()[:-1]] for i in range(n)]))" % len(NASTY)
    )
    import json

    seen = json.loads(lab.run(image, "python", "-c", program))
    assert seen == [[text, text] for text in NASTY]
    assert lab.run(image, "cat", "/seen") == NASTY[0]


def test_commands_stop_at_the_first_failure_and_share_a_shell(lab: Lab) -> None:
    spec = ImageSpec(
        name="shell",
        env={"SEED": "7"},
        packages=["six"],
        commands=["cd /usr", "pwd > /where", "echo $SEED > /seed", "python -c 'import six'"],
    )
    image = build(spec, force=True).image
    assert lab.run(image, "cat", "/where", "/seed") == "/usr\n7\n"


def test_an_image_based_on_another_spec_is_its_own(lab: Lab) -> None:
    base = ImageSpec(name="below", packages=["six"], env={"A": "1", "B": "1"})
    spec = ImageSpec(name="above", base_image=base, packages=["toml"], env={"B": "2"})
    image = build(spec, force=True).image
    env = dict(item.split("=", 1) for item in lab.inspect(image)["Config"]["Env"])
    assert (env["A"], env["B"], env["_F_IMG_ID"]) == ("1", "2", spec.id)
    lab.run(image, "python", "-c", "import six, toml")


def test_nothing_of_the_build_is_left_in_the_image(lab: Lab) -> None:
    spec = ImageSpec(name="clean", packages=["six"], apt_packages=["hello"], commands=["true"])
    image = build(spec, force=True).image
    listing = ["find", "/", "-xdev", "-not", "-path", "/proc/*", "-not", "-path", "/sys/*"]
    new = set(lab.run(image, *listing).splitlines()) - set(
        lab.run(lab.base_image, *listing).splitlines()
    )
    ours = (
        "six",
        "hello",
        "/dist-packages/__pycache__",
        "/var/lib/dpkg/",
        "/var/log/",
        "/var/cache/",
        "/usr/share/",
        "/var/lib/apt",
    )
    assert not [path for path in new if not any(part in path for part in ours)]


def test_envd_alone_can_build_the_folder_that_is_written(lab: Lab, tmp_path: object) -> None:
    spec = ImageSpec(name="folder", env={"A": "it's"}, commands=["echo hi > /hi"])
    path = create_envd_config(spec)
    assert path.endswith("build.envd")
    from pathlib import Path

    from envd_magic.envd.home import open_home
    from envd_magic.envd.program import find_envd

    home = open_home(find_envd())
    home.trust(lab.registry)
    done = subprocess.run(
        ["envd", "build", "--path", str(Path(path).parent), "--tag", "folder:raw"],
        env=home.environment({"DOCKER_HOST": lab.docker_host}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.run("folder:raw", "sh", "-c", "cat /hi; printenv A") == "hi\nit's\n"


def test_python_that_the_base_has_is_not_installed_again(lab: Lab) -> None:
    spec = ImageSpec(name="same", base_image=lab.base_image, python_version="3.11")
    spec = spec.with_packages("six")
    image = build(spec, force=True).image
    assert lab.run(image, "python", "-c", "import six, sys; print(sys.executable)").startswith(
        "/usr/bin/"
    )
    assert lab.inspect(image)["Config"]["Env"][0] == lab.inspect(lab.base_image)["Config"]["Env"][0]
