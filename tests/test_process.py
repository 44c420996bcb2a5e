"""A command that runs: all of its output, and nothing of it left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from envd_magic.envd.process import Running

if TYPE_CHECKING:
    from pathlib import Path

# Detects a hang; everything here takes a second at most.
pytestmark = pytest.mark.timeout(60)

_STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
print(os.getpid(), flush=True)
for ready in sys.argv[1:]:
    os.write(int(ready), b"x")
time.sleep(600)
"""
# Starts a child, waits until it is ready, and does one thing more.
_PARENT = """
import os, subprocess, sys, time
here, ready = os.pipe()
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(ready)], pass_fds=[ready])
os.read(here, 1)
{then}
"""


def _python(script: str, folder: Path, *words: str) -> Running:
    return Running([sys.executable, "-c", script, *words], dict(os.environ), folder)


def _output(script: str, folder: Path) -> bytes:
    with _python(script, folder) as running:
        return b"".join(running.chunks())


def _first_line(running: Running) -> bytes:
    """Wait for a child to say that it is ready."""
    said = b""
    for chunk in running.chunks():
        said += chunk
        if b"\n" in said:
            break
    return said


def _is_running(pid: int) -> bool:
    """Is there such a process, one that has not ended and waits to be collected?"""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_all_output_arrives(tmp_path: Path) -> None:
    expected = "".join(f"line {number}\n" for number in range(50_000))
    script = "for number in range(50_000): print('line', number)"
    assert _output(script, tmp_path).decode() == expected


def test_last_line_without_an_end_arrives(tmp_path: Path) -> None:
    script = "import os; os.write(1, b'one\\n'); os.write(1, b'two')"
    assert _output(script, tmp_path) == b"one\ntwo"


def test_what_is_said_right_before_the_end_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The child says its last words while it is looked at whether it still runs.
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = "import sys; open(sys.argv[1]).read(); print('last words')"
    with _python(script, tmp_path, str(gate)) as running:
        process = running._process  # noqa: SLF001
        poll = process.poll

        def slow_poll() -> int | None:
            if poll() is None:
                gate.write_text("go")
                process.wait()
            return poll()

        monkeypatch.setattr(process, "poll", slow_poll)
        assert b"".join(running.chunks()) == b"last words\n"


def test_much_on_stderr_neither_hangs_nor_is_lost(tmp_path: Path) -> None:
    script = "import sys; sys.stderr.write('e' * 200_000); print('done')"
    assert _output(script, tmp_path) == b"e" * 200_000 + b"done\n"


def test_lines_of_stdout_and_stderr_stay_in_order(tmp_path: Path) -> None:
    script = "import os\nfor n in range(100): os.write(1 + n % 2, b'%d\\n' % n)"
    assert _output(script, tmp_path).split() == [b"%d" % number for number in range(100)]


def test_output_comes_while_the_command_runs(tmp_path: Path) -> None:
    with _python(_STUBBORN, tmp_path) as running:
        assert _is_running(int(_first_line(running)))


def test_bytes_arrive_as_they_are(tmp_path: Path) -> None:
    script = "import os; os.write(1, bytes(range(256)))"
    assert _output(script, tmp_path) == bytes(range(256))


def test_command_without_output_gives_none(tmp_path: Path) -> None:
    assert _output("", tmp_path) == b""


@pytest.mark.parametrize("code", [0, 1, 2, 137])
def test_exit_status_is_the_commands_own(tmp_path: Path, code: int) -> None:
    with _python(f"raise SystemExit({code})", tmp_path) as running:
        assert b"".join(running.chunks()) == b""
        assert running.wait() == code


def test_exit_status_tells_the_signal(tmp_path: Path) -> None:
    with _python("import os; os.kill(os.getpid(), 9)", tmp_path) as running:
        assert b"".join(running.chunks()) == b""
        assert running.wait() == -9


def test_command_gets_the_variables_that_are_given_and_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "x")
    script = "import os; print(os.environ.get('OURS'), os.environ.get('GIVEN'))"
    with Running([sys.executable, "-c", script], {"GIVEN": "a b\n'"}, tmp_path) as running:
        assert b"".join(running.chunks()) == b"None a b\n'\n"


def test_command_runs_in_the_folder_that_is_given(tmp_path: Path) -> None:
    assert _output("import os; print(os.getcwd())", tmp_path).decode().strip() == str(tmp_path)


def test_command_that_reads_finds_nothing_to_read(tmp_path: Path) -> None:
    assert _output("import sys; print(repr(sys.stdin.read()))", tmp_path) == b"''\n"


def test_words_of_a_command_are_not_split(tmp_path: Path) -> None:
    with _python("import sys; print(sys.argv[1:])", tmp_path, "a b", "$c", "") as running:
        assert b"".join(running.chunks()) == b"['a b', '$c', '']\n"


def test_program_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Running([str(tmp_path / "missing")], {}, tmp_path)


def test_ended_command_is_gone(tmp_path: Path) -> None:
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with _python(script, tmp_path) as running:
        pid = int(_first_line(running))
    assert not _is_running(pid)


def test_command_that_tidies_up_when_interrupted_may_do_so(tmp_path: Path) -> None:
    script = """
import time
print("ready", flush=True)
try:
    time.sleep(600)
except KeyboardInterrupt:
    open("tidied", "w").close()
"""
    with _python(script, tmp_path) as running:
        _first_line(running)
    assert (tmp_path / "tidied").exists()


def test_command_that_ignores_signals_is_gone(tmp_path: Path) -> None:
    with _python(_STUBBORN, tmp_path) as running:
        pid = int(_first_line(running))
    assert not _is_running(pid)
    assert running.wait() == -9


def test_children_of_a_command_are_gone_too(tmp_path: Path) -> None:
    with _python(_PARENT.format(then="time.sleep(600)"), tmp_path, _STUBBORN) as running:
        pid = int(_first_line(running))
    running.wait()
    _wait_until_gone(pid)


def _wait_until_gone(pid: int) -> None:
    """Return when a killed process is: whoever collects it may take a moment."""
    while _is_running(pid):
        os.sched_yield()


def test_child_that_holds_the_pipe_does_not_hold_the_reader(tmp_path: Path) -> None:
    with _python(_PARENT.format(then=""), tmp_path, _STUBBORN) as running:
        said = b"".join(running.chunks())
        assert running.wait() == 0
        assert _is_running(int(said))


def test_child_that_outlives_its_command_is_gone_at_the_end(tmp_path: Path) -> None:
    with _python(_PARENT.format(then=""), tmp_path, _STUBBORN) as running:
        pid = int(_first_line(running))
        assert running.wait() == 0
    _wait_until_gone(pid)


def test_end_may_come_twice(tmp_path: Path) -> None:
    with _python("", tmp_path) as running:
        running.end()
        running.end()
        assert running.wait() is not None


def test_second_end_closes_nothing_of_others(tmp_path: Path) -> None:
    with _python("", tmp_path) as running:
        running.end()
        # They get the numbers of the files that have just been closed.
        others = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]
    for other in others:
        os.fstat(other)
        os.close(other)


def test_error_while_reading_leaves_no_command_behind(tmp_path: Path) -> None:
    pid = 0

    def read() -> None:
        nonlocal pid
        with _python(_STUBBORN, tmp_path) as running:
            pid = int(_first_line(running))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read()
    assert pid
    assert not _is_running(pid)


def test_a_short_command_ends_with_the_process_that_runs_it(tmp_path: Path) -> None:
    script = f"""
import sys
from envd_magic.watched import run
run([sys.executable, "-c", {_STUBBORN!r}, sys.argv[1]], timeout=600, pass_fds=[int(sys.argv[1])])
"""
    here, ready = os.pipe()
    words = [sys.executable, "-c", script, str(ready)]
    with subprocess.Popen(words, cwd=tmp_path, pass_fds=[ready]) as runs:
        os.close(ready)
        os.read(here, 1)
        pid = int(subprocess.check_output(["pgrep", "-P", str(runs.pid)]))
        runs.kill()
    os.close(here)
    _wait_until_gone(pid)
