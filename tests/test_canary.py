"""Secrets of a notebook that builds for real: found in nothing that outlives the build."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic.engine.client import Engine
from envd_magic.pipeline.folders import BuildFolder
from envd_magic.recipe.compose import compose

from .indexes import served, wheel
from .own import OwnEngine, own_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

#: Where secrets stand in a spec.
NAMES = ("variable", "mount", "index", "extra", "argument", "url", "line", "key", "channel")
# Asked for as a variable of the image, and for commands to see.
ASKED = "variable"
CELL = """
import json
from flytekit import ImageSpec
S = json.load(open("../secrets.json"))
AT = S.pop("at")
def spec(*commands):
    return ImageSpec(
        name="canary-all",
        packages=["one", f"three @ http://me:{S['url']}@{AT}/three/three-1.0-py3-none-any.whl"],
        requirements="requirements.txt",
        env={"API_TOKEN": S["variable"]},
        pip_index=f"http://me:{S['index']}@{AT}/",
        pip_extra_index_url=[f"http://me:{S['extra']}@{AT}/"],
        pip_extra_args=f"--trusted-host {AT.partition(':')[0]} "
        f"--find-links http://me:{S['argument']}@{AT}/one/",
        pip_secret_mounts=[("../netrc", "/root/.netrc")],
        registry_config="../registries.json",
        commands=["echo built", *commands],
    )
conda = ImageSpec(
    name="canary-conda",
    conda_packages=["one"],
    conda_channels=[f"http://me:{S['channel']}@{AT}/one", f"http://{AT}/t/{S['channel']}/two"],
)
"""
AFTER = (
    "%envd preview good",
    "%envd plan good",
    "%envd history",
    "%envd log good",
    "%envd record good.jsonl.gz",
    "%envd report report.jsonl.gz",
    "%envd verify good",
)


@dataclass
class Session:
    """What came of a notebook: its folder, and what its processes showed while it ran."""

    folder: Path
    secrets: dict[str, str]
    base: str
    shown: dict[str, set[str]] = field(default_factory=dict)
    modes: set[tuple[str, int]] = field(default_factory=set)

    def look(self) -> None:
        """Look at all processes of this machine, and at the folders for what is temporary."""
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    text = (process / name).read_bytes().decode("latin-1")
                except OSError:
                    continue
                words = text.replace("\0", " ")[:300]
                for secret in self.found(text):
                    self.shown.setdefault(f"{name} {secret}", set()).add(words)
        for path in (self.folder / "tmp").glob("envd_magic-*"):
            with suppress(OSError):
                self.modes.add((path.name[:16], path.lstat().st_mode & 0o777))
                secrets = [inner.lstat() for inner in path.rglob("secrets/*")]
                self.modes |= {("secret", one.st_mode & 0o777) for one in secrets}

    def found(self, text: str) -> list[str]:
        """Name the secrets in a text."""
        return [name for name, value in self.secrets.items() if value in text]


@pytest.fixture(scope="module")
def engine(lab: Lab) -> Iterator[OwnEngine]:
    """An engine of which all is looked at, and nobody else's builds are in it."""
    with own_engine(lab.base_image) as running:
        yield running


@pytest.fixture(scope="module")
def session(engine: OwnEngine, gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A notebook of two builds, one of which fails, and of all that is kept of them."""
    import nbformat
    from nbclient import NotebookClient

    top = tmp_path_factory.mktemp("canary")
    secrets = {name: f"cnry{name}{os.urandom(8).hex()}" for name in NAMES}
    for name in ("work", "home", "tmp", "index"):
        (top / name).mkdir()
    for name in ("one", "two", "three"):
        wheel(top / "index", name, "1.0")
    with served(top / "index") as port:
        at = f"{gateway}:{port}"
        (top / "secrets.json").write_text(json.dumps({**secrets, "at": at}))
        (top / "netrc").write_text(f"machine elsewhere login me password {secrets['mount']}\n")
        (top / "client.key").write_text(secrets["key"])
        registries = [{"name": "far.example", "key": str(top / "client.key")}]
        (top / "registries.json").write_text(json.dumps({"registries": registries}))
        (top / "work" / "requirements.txt").write_text(
            f"--extra-index-url http://me:{secrets['line']}@{at}/\ntwo\n"
        )
        cells = ["%load_ext envd_magic", CELL, "%%envd_build good --force\nspec()", *AFTER]
        cells += ["%%envd_build bad --force\nspec('nosuchprogram $API_TOKEN; exit 3')"]
        cells += ["%envd fix", "%envd report failed.jsonl.gz", "%envd log"]
        cells += ["%envd build conda --force"]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
        made = Session(top, secrets, os.environ["FLYTE_INTERNAL_IMAGE"])
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.05):
                made.look()

        watching = threading.Thread(target=watch)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ENVD_MAGIC_HOME", str(top / "home"))
            patch.setenv("DOCKER_HOST", engine.host)
            patch.setenv("TMPDIR", str(top / "tmp"))
            patch.chdir(top / "work")
            watching.start()
            try:
                client = NotebookClient(book, timeout=300, allow_errors=True, kernel_name="python3")
                client.execute(cwd=str(top / "work"))
            finally:
                ended.set()
                watching.join()
        nbformat.write(book, top / "work" / "saved.ipynb")
    return made


def outputs(session: Session) -> list[str]:
    """Give the text that each cell's outputs have."""
    book = json.loads((session.folder / "work" / "saved.ipynb").read_text())
    return [json.dumps(cell["outputs"]) for cell in book["cells"]]


def test_the_builds_were_real(session: Session) -> None:
    told = outputs(session)[:-1]
    assert "Built: canary-all:" in told[2]
    assert "Failed to build: canary-all:" in told[-4]
    assert "nosuchprogram" in told[-4]


def test_a_saved_notebook_has_no_secret(session: Session) -> None:
    assert session.found((session.folder / "work" / "saved.ipynb").read_text()) == []


def test_nothing_that_is_kept_has_a_secret(session: Session) -> None:
    kept: dict[str, list[str]] = {}
    for name in ("home", "tmp", "work"):
        for path in (session.folder / name).rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name != "requirements.txt":
                content = path.read_bytes()
                packed = content.startswith(b"\x1f\x8b")
                text = (gzip.decompress(content) if packed else content).decode("latin-1")
                if found := session.found(text):
                    kept[str(path.relative_to(session.folder))] = found
    assert kept == {}
    names = {path.name for path in (session.folder / "work").iterdir()}
    assert {"good.jsonl.gz", "report.jsonl.gz", "failed.jsonl.gz"} <= names


def test_no_temporary_folder_stays_and_none_was_open_to_others(session: Session) -> None:
    assert list((session.folder / "tmp").glob("envd_magic-build-*")) == []
    assert session.modes
    assert {mode for name, mode in session.modes if name != "secret"} == {0o700}
    assert {mode for name, mode in session.modes if name == "secret"} == {0o600}


def test_no_process_shows_a_secret_in_its_words(session: Session) -> None:
    words = {name: shown for name, shown in session.shown.items() if name.startswith("cmdline")}
    # Commands have the variables that the spec asks for, as `export` lines.
    words.pop(f"cmdline {ASKED}", None)
    assert words == {}


def test_images_have_no_secret_but_the_variable_that_was_asked_for(
    engine: OwnEngine, session: Session, tmp_path: Path
) -> None:
    images = sorted(set(engine.docker("images", "-q", "-f", "since=" + session.base).split()))
    assert len(images) > 1
    texts = {}
    for image in images:
        texts[f"{image} history"] = engine.docker("history", "--no-trunc", image)
        texts[f"{image} settings"] = engine.docker("image", "inspect", image)
        engine.docker("save", "-o", str(tmp_path / "image.tar"), image)
        subprocess.run(["tar", "xf", "image.tar"], cwd=tmp_path, check=True)
        for layer in tmp_path.glob("*/layer.tar"):
            unpacked = subprocess.run(["tar", "xOf", str(layer)], capture_output=True, check=True)
            texts[layer.parent.name] = unpacked.stdout.decode("latin-1")
    found = {name: names for name, text in texts.items() if (names := session.found(text))}
    # It is one of the image's variables, and in the words of the steps that see it.
    assert {name.partition(" ")[2] for name in found} <= {"history", "settings"}
    assert [names for names in found.values() if names != [ASKED]] == []


def test_the_engine_keeps_no_secret_of_a_build_folder(engine: OwnEngine, session: Session) -> None:
    looked = [value for name, value in session.secrets.items() if name != ASKED]
    (session.folder / "looked").write_text("\n".join(looked))
    words = ["grep", "-rlaFf", str(session.folder / "looked"), str(engine.state)]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.stdout.split() == []


def test_folders_of_builds_are_private_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("netrc").write_text("machine a login b password planted")
    spec = ImageSpec(
        name="a",
        base_image="debian",
        packages=["attrs"],
        pip_index="https://me:planted@index.example/",
        pip_secret_mounts=[("netrc", "/root/.netrc")],
    )
    folder, before = BuildFolder(), os.umask(0)
    try:
        written = folder.write(compose(spec))
        modes = {path: path.stat().st_mode & 0o777 for path in folder.parent.rglob("*")}
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
        folder.close()
    secret = [path for path in modes if path.parent == written / "secrets"]
    assert {path.name for path in secret} == {"0", "asked.json"}
    assert {modes[path] for path in secret} == {0o600}
    assert not folder.parent.exists() or list(folder.parent.rglob("*")) == []


@pytest.mark.parametrize(
    ("took", "counts"),
    [("2000000", True), ("0", False), ("23546", False), ("5000000", False), (None, True)],
)
def test_what_a_plan_knows_is_forgotten_only_where_steps_were_pruned(
    took: str | None, counts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Api:
        def events(self, **_: object) -> list[dict[str, Any]]:
            told = {} if took is None else {"reclaimed": took}
            actor = {"Attributes": told}
            return [{"Type": "builder", "Action": "prune", "Actor": actor, "time": 7}]

    engine = Engine()
    monkeypatch.setattr(engine, "_client", Api())
    monkeypatch.setattr(engine, "_ahead", lambda: 0.0)
    # One that took so many bytes was ours.
    assert engine.last_prune(["5000000"]) == (7 if counts else None)
