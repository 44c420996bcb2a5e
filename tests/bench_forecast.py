"""How often the plan of a build is right: a set of edits, each planned, built and compared.

``python -m tests.bench_forecast`` prints the rate, and each step that was told wrongly. A build in
the set is one that a plan was made of just before it.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from flytekit import ImageSpec

from envd_magic.forecast.plan import make_plan
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.options import Options

from . import lab
from .accuracy import compare

#: What is promised: right calls of all.
_PROMISED = 0.95


def _edits(base: str, other: str) -> list[tuple[str, dict[str, Any]]]:
    """Give edits, each of the fields as the one before has left them; None takes a field away."""
    one = f"tabulate!=0.{uuid.uuid4().int % 10**9}"
    return [
        ("nothing", {"base_image": base, "packages": ["six"], "commands": ["echo a > /a"]}),
        ("again", {}),
        ("a package", {"packages": ["six", one]}),
        ("a command", {"commands": ["echo b > /a"]}),
        ("a second command", {"commands": ["echo b > /a", "echo c > /c"]}),
        ("a variable", {"env": {"SEED": "1"}}),
        ("its value", {"env": {"SEED": "2"}}),
        ("a file", {"copy": ["data.txt"]}),
        ("the file changed", {"touch": "data.txt"}),
        ("a second file", {"copy": ["data.txt", "more.txt"]}),
        ("an apt package", {"apt_packages": ["tree"]}),
        ("back: no file", {"copy": None}),
        ("back: the file", {"copy": ["data.txt", "more.txt"]}),
        ("an installer's variable", {"env": {"SEED": "2", "PIP_RETRIES": "3"}}),
        ("pip arguments", {"pip_extra_args": "--no-deps"}),
        ("a requirements file", {"requirements": "requirements.txt", "packages": None}),
        ("a line in it", {"append": ("requirements.txt", "attrs\n")}),
        ("an entrypoint", {"entrypoint": ["true"]}),
        ("another base", {"base_image": other}),
        ("the base before", {"base_image": base}),
        ("the source", {"source_root": "src"}),
        ("the source changed", {"touch": "src/a.py"}),
        ("no commands", {"commands": None}),
        ("a mounted secret", {"pip_secret_mounts": [("token", "/run/token")]}),
        ("the secret changed", {"touch": "token"}),
        ("all as before", {}),
    ]


def _apply(fields: dict[str, Any], edit: dict[str, Any]) -> dict[str, Any]:
    changed = dict(fields)
    for name, value in edit.items():
        if name == "touch":
            Path(value).write_text(f"# {uuid.uuid4().hex}\n", encoding="utf-8")
        elif name == "append":
            path, text = value
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            changed[name] = value
    return changed


def main() -> None:
    """Measure and print."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as home,
        pytest.MonkeyPatch.context() as patch,
    ):
        running = lab.up()
        for name, value in {**running.env, "ENVD_MAGIC_HOME": home}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        Path("src").mkdir()
        for name in ("data.txt", "more.txt", "token", "src/a.py"):
            Path(name).write_text(f"# {uuid.uuid4().hex}\n", encoding="utf-8")
        Path("requirements.txt").write_text("six\n", encoding="utf-8")
        other = running.derive("forecast", [f"RUN echo {uuid.uuid4().hex} > /other"])
        right = total = 0
        seconds = []
        fields: dict[str, Any] = {"name": f"forecast-{os.getpid()}"}
        for what, edit in _edits(running.base_image, other):
            fields = _apply(fields, edit)
            spec = ImageSpec(**fields)
            began = time.perf_counter()
            plan = make_plan(spec, Options(force=True))
            seconds.append(time.perf_counter() - began)
            result = build_spec(spec, Options(force=True))
            found = compare(plan, result)
            right, total = right + found.right, total + found.total
            print(f"{what:26} {found.right:2} of {found.total:2} {'; '.join(found.wrong)}")
        if running.started:
            running.down()
    rate = right / total
    print(f"forecast: {right} of {total} steps right ({rate:.1%}), promised {_PROMISED:.0%}")
    print(f"plan: {sorted(seconds)[len(seconds) // 2]:.2f} s in the middle")


if __name__ == "__main__":
    main()
