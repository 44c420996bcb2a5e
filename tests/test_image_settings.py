"""What an image is like from outside: variables, entrypoint, what is kept of its base."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic import build, create_envd_config

if TYPE_CHECKING:
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


def settings(lab: Lab, spec: ImageSpec) -> dict[str, Any]:
    found = lab.inspect(build(spec, force=True).image)["Config"]
    found["Env"] = dict(item.split("=", 1) for item in found["Env"])
    return dict(found)


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


def test_what_envd_drops_of_the_base_is_kept(lab: Lab, rich_base: str) -> None:
    spec = ImageSpec(name="kept", base_image=rich_base, commands=["true"])
    found, base = settings(lab, spec), lab.inspect(rich_base)["Config"]
    for name in ("Cmd", "Entrypoint", "User", "WorkingDir", "ExposedPorts", "Volumes"):
        assert found[name] == base[name], name
    assert found["Healthcheck"] == base["Healthcheck"]
    assert found["StopSignal"] == base["StopSignal"]
    assert found["Labels"]["org.example.note"] == "two words"


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
