"""The corpus by hand: ``python -m tests.corpus list|record [--holdout] [NAME…]``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests import lab

from .case import Case, cases
from .recorder import record_all

# What root may do with files of others is not among it.
_CONFINED = "-dac_override,-dac_read_search"
_INSIDE = "ENVD_MAGIC_CORPUS_CONFINED"


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("action", choices=("list", "record"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="these alone")
    parser.add_argument("--holdout", action="store_true", help="the set that nobody reads")
    parser.add_argument("--new", action="store_true", help="those that have no recording yet")
    options = parser.parse_args()
    found = cases("holdout" if options.holdout else "first")
    wrong = set(options.names) - {one.name for one in found}
    if wrong:
        parser.error(f"no such case: {', '.join(sorted(wrong))}")
    chosen = [one for one in found if not options.names or one.name in options.names]
    if options.new:
        chosen = [one for one in chosen if not one.path.exists()]
    if options.action == "list":
        for one in chosen:
            print(f"{one.name:36} {one.kind:24} {one.field} {one.item or ''}".rstrip())
        return 0
    return 1 if _record(chosen, holdout=options.holdout) else 0


def _record(chosen: list[Case], *, holdout: bool) -> int:
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    running = lab.up()
    try:
        inside = _INSIDE in os.environ
        missed = record_all([one for one in chosen if one.confined == inside], running, _tell)
        for one in chosen:
            if one.confined and not inside:
                words = ["setpriv", "--bounding-set", _CONFINED, "--inh-caps", _CONFINED]
                words += [sys.executable, "-m", "tests.corpus", "record", one.name]
                words += ["--holdout"] if holdout else []
                missed += subprocess.run(words, env={**os.environ, _INSIDE: "1"}).returncode
        return missed
    finally:
        if running.started:
            running.down()


def _tell(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
