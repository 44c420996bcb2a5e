"""Output that is too much, has no lines, or is no text: in a kernel, and out of a real step."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envd_magic import BuildError
from envd_magic.envd.progress import LONGEST_LINE

from .gates import far, gates
from .kernels import Kernel, kernel
from .users import User, log_text
from .users import user as user  # noqa: PLC0414 - fixtures
from .users import users_home as users_home  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

_MB = 1 << 20
_LINES = 2_000_000
_LONG = 50 * _MB
_PROGRAM = f"""
import random
text = (pathlib.Path(words[words.index("--path") + 1]) / "build.envd").read_text()
out = sys.stdout.buffer
out.write(b"#1 run the commands\\n\\n")
if '"lines"' in text:
    for start in range(0, {_LINES}, 1000):
        out.write(b"".join(b"#1 0.1 line %d\\n" % n for n in range(start, start + 1000)))
if '"long"' in text:
    for _ in range({_LONG} >> 20):
        out.write(b"x" * (1 << 20))
    out.write(b"\\n")
if '"garbage"' in text:
    out.write(random.Random(9).randbytes(1 << 20) + b"\\n")
out.write(b"#1 0.2 the last line\\n")
if '"fail"' in text:
    out.write(b"#1 ERROR: exit code: 3\\n")
    sys.exit(1)
out.write(b"#1 DONE 0.2s\\n")
"""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory, envd_home: Path) -> Iterator[Kernel]:
    place = tmp_path_factory.mktemp("output")
    with gates(place, envd_home, _PROGRAM), kernel(place) as running:
        warm = running.run(f"%%envd_build\n{far('warm')}")
        assert warm.error is None, warm.error_text
        yield running


class Said:
    """What came of a build whose envd writes something odd, and then fails or does not."""

    def __init__(self, notebook: Kernel, what: str, end: str) -> None:
        before, began = _memory(notebook), time.monotonic()
        variables = {what: what, "END": end}
        self.cell = notebook.run(f"%%envd_build\n{far(what, f', env={variables!r}')}")
        self.seconds = time.monotonic() - began
        self.growth = _memory(notebook) - before
        code = "from envd_magic import last_result; print(last_result().log_file, end='')"
        self.log = Path(notebook.run(code).text).read_bytes()
        self.next = notebook.run(f"%%envd_build\n{far('after')}")

    def is_told(self, end: str) -> None:
        """See that the end is told, the page is spared and the next build works."""
        assert self.cell.error == ("BuildError" if end == "fail" else None), self.cell.error_text
        assert self.cell.messages <= 10 * self.seconds + 5
        assert self.growth < 20 * _MB
        assert self.log.count(b"#1 0.2 the last line\n") == 1
        if end == "fail":
            assert "run the commands" in self.cell.error_text
            assert "the last line" in self.cell.outputs[-1]
        for shown in self.cell.kernel.places.values():
            assert [text for text in shown.values() if _CONTROL.search(text)] == []
        assert self.next.error is None, self.next.error_text


def _memory(notebook: Kernel) -> int:
    code = "print(open('/proc/self/statm').read().split()[1], end='')"
    return int(notebook.run(code).text) * 4096


@pytest.mark.parametrize("end", ["good", "fail"])
def test_two_million_lines_are_in_the_log_in_order(notebook: Kernel, end: str) -> None:
    said = Said(notebook, "lines", end)
    said.is_told(end)
    found = re.findall(rb"^#1 0\.1 line (\d+)$", said.log, re.MULTILINE)
    assert len(found) == _LINES
    assert all(int(number) == place for place, number in enumerate(found))


@pytest.mark.parametrize("end", ["good", "fail"])
def test_line_of_50_megabytes_is_in_the_log_in_pieces(notebook: Kernel, end: str) -> None:
    said = Said(notebook, "long", end)
    said.is_told(end)
    pieces = re.findall(rb"^x+$", said.log, re.MULTILINE)
    assert sum(map(len, pieces)) == _LONG
    assert max(map(len, pieces)) <= 2 * LONGEST_LINE


@pytest.mark.parametrize("end", ["good", "fail"])
def test_garbage_is_in_the_log_and_no_control_character_is_shown(
    notebook: Kernel, end: str
) -> None:
    said = Said(notebook, "garbage", end)
    said.is_told(end)
    garbage = random.Random(9).randbytes(1 << 20)  # noqa: S311
    assert garbage.decode("utf-8", "backslashreplace").encode() in said.log


def test_step_that_writes_all_of_it_is_built_and_told(lab: Lab, user: User) -> None:
    assert lab
    odd = [
        "echo at $((6 * 7))",
        "head -c 1000000 /dev/urandom",
        "head -c 50000000 /dev/zero | tr '\\0' x",
        "seq 1 2000000",
    ]
    with pytest.raises(BuildError, match="failed with exit code 3") as caught:
        user.build(*odd, "exit 3")
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.field == "commands"
    # The engine itself leaves out what is more than a few megabytes.
    assert " at 42\n" in log_text()
    user.has_what_was()
    assert user.build(*odd).status == "built"
