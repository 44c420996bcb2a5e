"""``%envd fix``: what helps a build that failed, as a cell that builds it so."""

from __future__ import annotations

import ast
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.interactive.choose import is_name
from envd_magic.interactive.options import MagicParser, count
from envd_magic.spec.reading import code_lines

if TYPE_CHECKING:
    import argparse

    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Diagnosis, Fix
    from envd_magic.interactive.jobs import Job, Origin
    from envd_magic.magic import EnvdMagic

_IMPORT = "from dataclasses import replace"


def fix_parser() -> MagicParser:
    """Make the parser of ``%envd fix``."""
    parser = MagicParser(
        "%envd fix",
        "Put what helps the last build that failed into a new cell; nothing is built.\n\n"
        "The card of the failure numbers what helps. Where there is no notebook, or nobody before\n"
        "it, the cell is printed.",
    )
    add = parser.add_argument
    add("number", nargs="?", type=count, default=1, metavar="NUMBER", help="which (default: 1)")
    add("--build", type=count, metavar="BUILD", help="of this build, as %%envd builds numbers them")
    return parser


def show_fix(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Insert a cell with a fix, or print it."""
    from envd_magic.view.display import is_watched

    job = _failed(magic, options.build)
    found: Diagnosis | None = getattr(job.error, "diagnosis", None)
    fixes = found.fixes if found is not None else ()
    if not fixes or found is None:
        why = f" ({found.cause})" if found is not None and found.cause else ""
        raise UsageError(f"%envd fix: nothing is known that helps build {job.number}{why}")
    if not 0 < options.number <= len(fixes):
        numbers = "1" if len(fixes) == 1 else f"1 to {len(fixes)}"
        raise UsageError(f"%envd fix: there is no {options.number}; there is: {numbers}")
    fix = fixes[options.number - 1]
    print(f"{found}\n{options.number}. {fix.text}")
    if fix.command:
        print(f"    {fix.command}")
    if not fix.changes and not fix.edits:
        return
    text = fixed_cell(job, fix) if fix.changes else edited_file(fix)
    if "****" in text:
        print("note: **** stands for a secret; put it back before you build")
    if is_watched(magic.shell):
        magic.shell.set_next_input(text, replace=False)
    else:
        print(f"\n{text}")


def _failed(magic: EnvdMagic, number: int | None) -> Job:
    if number is not None:
        job = magic.jobs.get(number)
        if job.state != "failed":
            raise UsageError(f"%envd fix: build {number} has not failed, it is: {job.state}")
        return job
    failed = [job for job in magic.jobs.all() if job.state == "failed"]
    if not failed:
        raise UsageError("%envd fix: no build of this session has failed")
    return failed[-1]


def fixed_cell(job: Job, fix: Fix) -> str:
    """Give a cell that builds the spec of a build with a fix made."""
    number = job.failed
    spec = job.specs.items[number][1]
    origin = job.origin
    fields = list(dict.fromkeys(change.field for change in fix.changes))
    head = f"%%envd_build {_line(origin, fields)}".rstrip()
    several = job.specs.keys is not None
    text = _in_cell(origin.cell, fix, number) if origin.cell else None
    if text is None and not several and (made := _around(origin, spec, fix, fields)):
        text = made
    if text is not None:
        return f"{head}\n{text}"
    from envd_magic.diagnosis.edits import fixed
    from envd_magic.panel.code import as_cell

    return as_cell(fixed(spec, fix), "" if several else job.variable or "")


def edited_file(fix: Fix) -> str:
    """Give a cell that changes the lines of a file, if they are still there."""
    parts = ["from pathlib import Path"]
    for one in fix.edits:
        first = one.number - 1
        place = f"lines[{first}:{first + len(one.old)}]"
        # As bytes: what ends the lines of the file stays.
        parts.append(
            f"path = Path({one.path!r})\n"
            'lines = path.read_bytes().decode("utf-8").splitlines(keepends=True)\n'
            f"old, new = {list(one.old)!r}, {list(one.new)!r}\n"
            f"assert ''.join({place}).splitlines() == old, 'the file has changed'\n"
            f"{place} = [lines[{first}].replace(old[0], line) for line in new]\n"
            "path.write_bytes(''.join(lines).encode('utf-8'))"
        )
    return "\n\n".join(parts)


def _in_cell(cell: str, fix: Fix, number: int) -> str | None:
    from envd_magic.diagnosis.rewrite import NotFoundError, rewritten

    try:
        return rewritten(cell.strip("\n"), fix.changes, number)
    except (NotFoundError, SyntaxError, ValueError):
        return None


def _around(origin: Origin, spec: ImageSpec, fix: Fix, fields: list[str]) -> str | None:
    """Wrap what made the spec, where its own text does not show what is to be changed."""
    from envd_magic.diagnosis.edits import fixed
    from envd_magic.diagnosis.rewrite import is_plain, replacing
    from envd_magic.spec.secrets import spec_secrets

    before, expression = "", origin.expression
    if origin.cell:
        before, expression = _last_expression(origin.cell)
    if not expression:
        return None
    new: Any = fixed(spec, fix)
    name = expression
    if not is_plain(expression):
        before, name = f"{before}spec = {expression}\n", "spec"
    text = f"{_IMPORT}\n\n{before}{replacing(name, spec, new, fields)}"
    return spec_secrets(spec).mask(text)


def _last_expression(cell: str) -> tuple[str, str]:
    """Give what stands before the last expression of a cell, and the expression."""
    try:
        tree = ast.parse(cell)
    except (SyntaxError, ValueError):
        return "", ""
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return "", ""
    lines = code_lines(cell)
    before = "".join(lines[: last.lineno - 1]).strip("\n")
    return (f"{before}\n" if before else ""), ast.get_source_segment(cell, last.value) or ""


def _line(origin: Origin, fields: list[str]) -> str:
    """Give the words behind ``%%envd_build``, without options that would beat the fix."""
    words, kept = shlex.split(origin.line), []
    gone = {f"--{field.replace('_', '-')}" for field in fields}
    while words:
        word = words.pop(0)
        if word.partition("=")[0] not in gone:
            kept.append(word)
        elif "=" not in word and words:
            words.pop(0)
    if origin.expression in kept:
        kept.remove(origin.expression)
        if is_name(origin.expression) and not any(map(is_name, kept)):
            # What is built is bound to the variable that held it.
            kept.insert(0, origin.expression)
    return shlex.join(kept)
