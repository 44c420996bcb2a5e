"""``make bench``, how well failures are told: two sets of recordings, the second one unread."""

from __future__ import annotations

import sys
import time

from .corpus.case import SETS
from .corpus.measure import summary

_WHAT = {
    "first": "failures that the rules were written from",
    "holdout": "failures of a second set",
}


def main() -> int:
    """Measure, and print a line each."""
    for which in SETS:
        began = time.perf_counter()
        found = summary(which)
        each = (time.perf_counter() - began) / max(1, found.count)
        what = f"{_WHAT[which]} ({found.count}, {found.kinds} kinds)"
        lines = [
            ("right field", f"{found.share('right'):.0%}", "at least 90 %"),
            ("right kind, field and item", f"{found.share('exact'):.0%}", ""),
            ("said to be certain", f"{found.certain:.0%}", ""),
            ("certain and wrong", f"{found.share('deceived'):.0%}", "none"),
            ("time of one, read and told", f"{each * 1000:.0f} ms", ""),
        ]
        print(what)
        for name, value, promised in lines:
            print(f"  {name:43} {value:>28}   {promised}".rstrip(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
