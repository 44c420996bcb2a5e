"""Notebooks and folders of somebody who means harm: what only looks at them runs nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic import watched
from envd_magic.envd.program import find_envd
from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.literal import BUILTINS, IMPORTED

from .notebooks import run, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RAN = "ran"
DO = f"__import__('os').system('touch {RAN}')"
SHELL = f"touch {RAN}"
NO_ENGINE = "/nowhere.sock"
VARIABLE = "ENVD_MAGIC_HOSTILE"
BUILD = "%%envd_build trainer\n"
BASE = "base_image='debian', name='a'"

#: Code in every place where something could take it for more than text.
CELLS = {
    "a statement": [f"{DO}", f"{BUILD}ImageSpec({BASE})"],
    "a statement of the cell": [f"{BUILD}{DO}\nImageSpec({BASE})"],
    "an argument": [f"{BUILD}ImageSpec({BASE}, packages=[{DO}])"],
    "an f-string": [
        f"{BUILD}ImageSpec({BASE}, commands=[f'{{{DO}}}'])".replace("'touch", '"touch')
    ],
    "the form of an f-string": [f'{BUILD}ImageSpec(name=f"{{1:{{{DO}}}}}")'],
    "a comprehension": [f"{BUILD}ImageSpec({BASE}, packages=[{DO} for x in range(3)])"],
    "the condition of a comprehension": [
        f"{BUILD}ImageSpec({BASE}, packages=['x' for x in 'ab' if {DO}])"
    ],
    "a decorator": [f"{BUILD}@(lambda f: {DO})\ndef f(): pass\nImageSpec({BASE})"],
    "a default": [f"{BUILD}def f(x={DO}): pass\nImageSpec({BASE})"],
    "an annotation": [f"{BUILD}packages: {DO} = []\nname = 'a'"],
    "the body of a class": [f"{BUILD}class A:\n    {DO}\nImageSpec({BASE})"],
    "a metaclass": [f"{BUILD}class A(metaclass=lambda *a: {DO}): pass\nImageSpec({BASE})"],
    "an assertion": [f"{BUILD}assert {DO} == 0\nImageSpec({BASE})"],
    "a walrus": [f"{BUILD}ImageSpec({BASE}, packages=[(x := {DO})])"],
    "a generator": [f"{BUILD}ImageSpec({BASE}, packages=list({DO} for _ in 'a'))"],
    "a way round": [
        f"{BUILD}[c for c in ().__class__.__base__.__subclasses__()][0]\nImageSpec({BASE})"
    ],
    "globals of a method": [
        f"{BUILD}ImageSpec.with_packages.__globals__['os'].system('{SHELL}')\nImageSpec({BASE})"
    ],
    "a form with attributes": [
        f"{BUILD}ImageSpec({BASE}, commands=['{{0.__class__}}'.format(ImageSpec)])"
    ],
    "eval under another name": [f"str = eval\nstr({DO!r})", f"{BUILD}ImageSpec(name=str({DO!r}))"],
    "ImageSpec under another name": [
        f"from os import system as ImageSpec\nImageSpec('{SHELL}')",
        f"{BUILD}ImageSpec('{SHELL}')",
    ],
    "eval as ImageSpec": ["ImageSpec = eval", f"{BUILD}ImageSpec({DO!r})"],
    "eval as ImageSpec in the cell": [f"{BUILD}ImageSpec = eval\nImageSpec({DO!r})"],
    "an import": [f"{BUILD}import evil\nImageSpec({BASE})"],
    "an import from flytekit": [f"{BUILD}from flytekit import evil\nImageSpec({BASE})"],
    "a string that is a template": [f"{BUILD}ImageSpec(tag_format='{{spec_hash.__class__}}')"],
    "a variable": [f"x = {DO}", f"{BUILD}ImageSpec(name=x)"],
    "a setting": [f"%config EnvdMagic.registry = {DO}", f"{BUILD}ImageSpec({BASE})"],
    "another setting": [
        f"%config EnvdMagic.log_folder = '$({SHELL})'",
        f"{BUILD}ImageSpec({BASE})",
    ],
    "an expression to build": [f"%envd build {DO.replace(' ', '%20')}"],
    "a quoted expression to build": [f'%envd build "{DO}"'],
    "braces": [f"%%envd_build --name {{{DO}}}\nImageSpec({BASE})"],
    "braces between odd quotes": [f"%%envd_build \"it's\" {{{DO}}} 'x'\nImageSpec({BASE})"],
    "braces after a lone quote": [f"%envd build it\\'s {{{DO}}} 'x'"],
    "braces before what is wrong": [f"%%envd_build {{{DO}}} }}\nImageSpec({BASE})"],
    "braces with a form": [f"%%envd_build --name {{a:{{{DO}}}}}\nImageSpec({BASE})"],
    "a slice in braces": [f"a = 'x'\n%envd build {{a[{DO}:]}}"],
    "a dollar": [f"%%envd_build --name $({SHELL}) --registry `{SHELL}`\nImageSpec({BASE})"],
    "a shell": [f"!{SHELL}\nx = !{SHELL}\n%system {SHELL}\n%%bash\n{SHELL}", f"{BUILD}ImageSpec()"],
    "a variable of the process": [
        f"%env {VARIABLE}=1\n%set_env {VARIABLE} 1",
        f"{BUILD}ImageSpec({BASE}, env=__import__('os').environ.setdefault('{VARIABLE}', '1'))",
    ],
    "a magic of another": [
        f"%run evil.py\n%load_ext evil\n%pip install ./{SHELL}",
        BUILD + "ImageSpec()",
    ],
    "a YAML object": [f"%%envd_build --yaml\nname: !!python/object/apply:os.system ['{SHELL}']"],
    "a YAML name": [f"%%envd_build --yaml\n? !!python/name:os.system\n: '{SHELL}'\nname: a"],
    "a YAML module": ["%%envd_build --yaml\nbuilder_options: !!python/module:evil {}"],
    "a YAML object anew": [
        f"%%envd_build --yaml\nbuilder_config: !!python/object/new:os.system ['{SHELL}']"
    ],
    "commands": [f"{BUILD}ImageSpec({BASE}, commands=[\"$({SHELL})\", '`{SHELL}`', ';{SHELL}'])"],
    "a package": [f"{BUILD}ImageSpec({BASE}, packages=['a; {SHELL}', '$({SHELL})', '-r x'])"],
    "an apt package": [f"{BUILD}ImageSpec({BASE}, apt_packages=['a; {SHELL}', '$({SHELL})'])"],
    "a base image": [f"{BUILD}ImageSpec(name='a', base_image='a\"); {DO}; base(\"')"],
    "a name": [f"{BUILD}ImageSpec(name='a;{SHELL}')"],
    "a context": [f"%%envd_build --context '; {SHELL}'\nImageSpec({BASE})"],
    "Starlark": [f'{BUILD}ImageSpec({BASE}, commands=[\'"]); io.copy("/", "/"); run(["{SHELL}\'])'],
    "an image of an unsafe file": [f"{BUILD}ImageSpec({BASE}, requirements='/etc/passwd')"],
    "a pipe as requirements": [f"{BUILD}ImageSpec({BASE}, requirements='pipe')"],
    "no end of requirements": [f"{BUILD}ImageSpec({BASE}, requirements='/dev/zero')"],
    "a pipe as a secret": [f"{BUILD}ImageSpec({BASE}, pip_secret_mounts=[('pipe', '/x')])"],
    "no end of a secret": [f"{BUILD}ImageSpec({BASE}, pip_secret_mounts=[('/dev/zero', '/x')])"],
    "a pipe as registries": [f"{BUILD}ImageSpec({BASE}, registry_config='pipe')"],
    "registries at a URL": [f"{BUILD}ImageSpec({BASE}, registry_config='http://127.0.0.1:9/x')"],
    "registries that are deep": [f"{BUILD}ImageSpec({BASE}, registry_config='deep.json')"],
    "all files": [f"{BUILD}ImageSpec({BASE}, copy=['/'])"],
    "files above": [f"{BUILD}ImageSpec({BASE}, copy=['../../..'])"],
    "a pipe to copy": [f"{BUILD}ImageSpec({BASE}, copy=['pipe'])"],
    "links without end": [f"{BUILD}ImageSpec({BASE}, copy=['loop', 'one'])"],
    "another's requirements": [f"{BUILD}ImageSpec({BASE}, requirements='many.txt')"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with whatever may lie beside a notebook."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "many.txt").write_text(
        f"-r many.txt\n-r pipe\n-c {'../' * 9}dev/zero\n$({SHELL})\n"
    )
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "inner").symlink_to("../loop")
    (tmp_path / "loop" / "self").symlink_to("self")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "two").symlink_to("/")
    (tmp_path / "evil.py").write_text(f"import os\nos.system('{SHELL}')\n")
    (tmp_path / "conftest.py").write_text(f"import os\nos.system('{SHELL}')\n")
    (tmp_path / "envd").write_text(f"#!/bin/sh\n{SHELL}\n")
    (tmp_path / "envd").chmod(0o755)
    (tmp_path / "build.envd").write_text('def build():\n    run(["false"])\n')
    (tmp_path / "config.envd").write_text('fail("it was read")\n')
    # An engine would be asked for nothing here.
    monkeypatch.setenv("DOCKER_HOST", f"unix://{NO_ENGINE}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What audit hooks tell of: a process that starts, a connection, a file that is opened to be
# written, and code that runs and comes from no file. https://docs.python.org/3/library/audit_events.html
_PROCESSES = ("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn")
_HEARD: list[str] | None = None
# What literal code reads that is evaluated: ImageSpec's names, and what measures it.
_EVALUATED = ("<envd_build cell>", "<literal>")
_NAMES = BUILTINS | IMPORTED | BY_NAME.keys() | {"<measured>", "<counted>", "<joined>", "I", "P"}


def _hear(event: str, values: tuple[Any, ...]) -> None:
    if _HEARD is None:
        return
    if event == "subprocess.Popen":
        _HEARD.append(f"process {values[0]} {values[1]}")
    elif event in _PROCESSES or event == "socket.connect":
        _HEARD.append(f"{event} {values}")
    elif event == "open" and isinstance(values[2], int) and values[2] & 3:
        # A number is a file that was opened before, by a name.
        if not isinstance(values[0], int):
            _HEARD.append(f"write {values[0]}")
    elif event == "exec" and values[0].co_filename[:1] == "<":
        code = values[0]
        if code.co_filename not in _EVALUATED or not _NAMES.issuperset(code.co_names):
            _HEARD.append(f"code {code.co_filename} {code.co_names}")


sys.addaudithook(_hear)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Note what this process does that reaches out of it."""
    global _HEARD  # noqa: PLW0603 - an audit hook stays for ever
    told: list[str] = []
    _HEARD = told
    try:
        yield told
    finally:
        _HEARD = None


def is_of_a_plan(told: str) -> bool:
    """Is it what a plan needs: envd's own program, a folder for it, a question to the engine?"""
    # What watches over it starts it.
    watcher = ["/bin/sh", "-c", watched._SCRIPT % "</dev/null", "envd_magic"]  # noqa: SLF001
    started = f"process /bin/sh {[*watcher, str(find_envd().path)]}"[:-1]
    return told.startswith(
        (
            f"{started}, 'debug', 'llb',",
            f"{started}, 'context', ",
            f"write {os.environ['ENVD_MAGIC_HOME']}/",
            f"write {tempfile.gettempdir()}/envd_magic-",
            f"write {os.devnull}",
            "code <string> ('__create_fn__',)",  # a dataclass
        )
    ) or told.endswith(f"'{NO_ENGINE}')")


@pytest.fixture
def notebooks(folder: Path) -> Path:
    """A notebook for each of the cells."""
    harmless = write(folder / "harmless.ipynb", f"{BUILD}ImageSpec({BASE})")
    # Whatever is imported only when it is needed.
    for words in LOOKS:
        run(*words, harmless)
    harmless.unlink()
    for number, cells in enumerate(CELLS.values()):
        write(
            folder / f"n{number}.ipynb", *(cell.replace(RAN, f"{RAN}-{number}") for cell in cells)
        )
    return folder


LOOKS = (["check"], ["check", "--json"], ["preview"], ["freeze"], ["plan"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_nothing_of_hostile_notebooks_runs_where_they_are_looked_at(
    notebooks: Path, words: list[str]
) -> None:
    files = sorted(notebooks.glob("*.ipynb"))
    with heard() as told:
        result = run(*words, *files)
    assert isinstance(result.exception, (SystemExit, type(None))), result.exception
    ran = [list(CELLS)[int(path.name.partition("-")[2])] for path in notebooks.rglob(f"{RAN}-*")]
    assert ran == []
    assert VARIABLE not in os.environ
    assert set(sys.modules).isdisjoint({"evil", "conftest"})
    is_plan = words == ["plan"]
    assert [one for one in told if not (is_plan and is_of_a_plan(one))] == []


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda: subprocess.run(["true"]), "process true"),
        (lambda: exec("os.getcwd()"), "code <string>"),  # noqa: S102
        (lambda: open(os.devnull, "w").close(), "write /dev/null"),  # noqa: PTH123
        (lambda: socket.socket().connect_ex(("127.0.0.1", 1)), "socket.connect"),
    ],
)
def test_what_reaches_out_is_heard(act: Callable[[], object], expected: str) -> None:
    with heard() as told:
        act()
    assert [one for one in told if one.startswith(expected)]
