"""Commands of ``%envd`` for what is kept of builds: history, recordings."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from envd_magic.interactive.choose import is_name
from envd_magic.interactive.options import MagicParser, count

if TYPE_CHECKING:
    from envd_magic.magic import EnvdMagic
    from envd_magic.records.history import Entry

_SHOWN = 20


def history_parser() -> MagicParser:
    """Make the parser of ``%envd history``."""
    parser = MagicParser(
        "%envd history",
        "List past builds, show one of them, or bring its spec back.\n\n"
        "Builds of all notebooks and scripts are remembered, secrets masked; the last 500.\n"
        "Not if the setting history is off: %config EnvdMagic.history = False",
    )
    add = parser.add_argument
    add("number", nargs="?", type=count, metavar="NUMBER", help="show this one")
    add("variable", nargs="?", metavar="VARIABLE", help="bind its spec to a variable")
    add("--name", metavar="NAME", help="images of this name only")
    add(
        "--lines",
        type=count,
        default=_SHOWN,
        metavar="N",
        help=f"list the last N, 0 for all (default: {_SHOWN})",
    )
    add(
        "--remove",
        action="append",
        type=count,
        metavar="NUMBER",
        help="forget a build and its recording",
    )
    add("--clear", action="store_true", help="forget all builds and recordings")
    return parser


def show_history(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """List, show, restore or forget."""
    from envd_magic.pipeline.keep import forget
    from envd_magic.records import history

    if options.clear or options.remove:
        gone = forget(None if options.clear else options.remove)
        print(f"Forgotten: {gone}")
        return
    if options.number is None:
        print(_table(history.entries(options.name, options.lines or history.MOST)))
        if off := _off(magic, "history"):
            print(f"note: new builds are not remembered: {off}")
        return
    entry = history.entry(options.number)
    if entry is None:
        raise UsageError(
            f"%envd history: there is no build {options.number}; %envd history lists them"
        )
    if options.variable is None:
        _show(entry)
    else:
        _restore(magic, entry, options.variable)


def _off(magic: EnvdMagic, setting: str) -> str:
    """Say what switches a kind of keeping off, "" if nothing does."""
    value, source = magic.settings_in_force()[setting]
    return "" if value else f"the setting {setting} is off ({source})"


def _table(entries: list[Entry]) -> str:
    from envd_magic.view.cards import duration
    from envd_magic.view.images import table

    rows = [["number", "when", "state", "time", "image"]]
    for one in entries:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.ended))
        took = duration(float(one.result["seconds"]))
        rows.append([str(one.number), when, one.result["status"], took, one.result["image"]])
    return table(rows) if len(rows) > 1 else "No build is remembered."


def _show(entry: Entry) -> None:
    from envd_magic.errors import EnvdMagicError
    from envd_magic.pipeline.as_json import result_from_json
    from envd_magic.records.restore import restored
    from envd_magic.spec.secrets import Secrets
    from envd_magic.view.cards import result_card, stopped_card
    from envd_magic.view.failed import failure_card
    from envd_magic.view.text import card_text

    result = result_from_json(entry.result)
    if result.status == "failed":
        error = EnvdMagicError(result.error)
        print(card_text(failure_card(error, restored(entry.spec), Secrets(), result)))
        return
    stopped = result.status == "stopped"
    print(card_text(stopped_card(result, entry.name) if stopped else result_card(result)))
    print(entry.spec)


def _restore(magic: EnvdMagic, entry: Entry, variable: str) -> None:
    from envd_magic.records.restore import masked_fields, restored

    if not is_name(variable):
        raise UsageError(f"%envd history: {variable!r} is no name of a variable")
    spec = restored(entry.spec)
    magic.shell.user_ns[variable] = spec
    print(f"{variable} is the spec of build {entry.number}:\n{entry.spec}")
    if masked := masked_fields(spec):
        print(f"note: secrets are not kept; **** stands for them in: {', '.join(masked)}")


def record_parser() -> MagicParser:
    """Make the parser of ``%envd record``."""
    parser = MagicParser(
        "%envd record",
        "Save the recording of a build, to be shown elsewhere with %envd replay.\n\n"
        "It has what was told, when, and the spec, secrets masked. Packed if FILE ends in .gz.",
    )
    add = parser.add_argument
    add("build", nargs="?", metavar="BUILD", help="a build's number or a SPEC; none: the last")
    add("file", metavar="FILE", help="where it goes, as trainer.jsonl.gz; a folder for several")
    return parser


def record(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Save a recording."""
    from envd_magic.records.recording import copy_recording

    for source, place in _recordings(magic, options, "record"):
        copy_recording(source, place)
        print(f"Saved {place}")


def _recordings(
    magic: EnvdMagic, options: argparse.Namespace, command: str
) -> list[tuple[Path, Path]]:
    """Give the recordings that are meant, each with the file that it is saved in.

    Raises
    ------
    UsageError
        If there is none, or there are several and no folder.
    """
    from envd_magic.interactive.commands import log_files
    from envd_magic.pipeline.keep import kept_recording
    from envd_magic.records.recording import file_names

    logs = log_files(magic, options.build, command)
    names = file_names(image.rpartition("/")[2].partition(":")[0] for image in logs)
    found = [
        (name, source)
        for name, log in zip(names, logs.values(), strict=True)
        if (source := kept_recording(log)) is not None and source.is_file()
    ]
    if not found:
        off = _off(magic, "recordings")
        why = f"{off}, so a new build has none either" if off else "the last 30 builds have one"
        raise UsageError(f"%envd {command}: there is no recording of this build; {why}")
    target = Path(options.file).expanduser()
    if len(found) > 1 and not target.is_dir():
        raise UsageError(
            f"%envd {command}: the build made {len(found)} images, and a recording is of one; name "
            "a folder that is there, or one of the specs"
        )
    return [(source, target / name if target.is_dir() else target) for name, source in found]


def report_parser() -> MagicParser:
    """Make the parser of ``%envd report``."""
    parser = MagicParser(
        "%envd report",
        "Save what tells others why a build went as it did, for %envd replay.\n\n"
        "One file has the recording, the diagnosis and what the doctor finds now. Secrets are\n"
        "masked, homes and the names of this user and machine are taken out; look at it before\n"
        "it goes to others. Packed if FILE ends in .gz.",
    )
    add = parser.add_argument
    add("build", nargs="?", metavar="BUILD", help="a build's number or a SPEC; none: the last")
    add("file", metavar="FILE", help="where it goes, as trainer.jsonl.gz; a folder for several")
    add("--context", metavar="NAME", help="envd context that the doctor looks at")
    return parser


def report(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Save a report."""
    from envd_magic.doctor.finding import counted
    from envd_magic.doctor.report import save_report
    from envd_magic.spec.secrets import Secrets, spec_secrets

    secrets = Secrets()
    for job in magic.jobs.all():
        for _, spec in job.specs.items:
            secrets |= spec_secrets(spec)
    context = options.context or magic.setting("context")
    for source, place in _recordings(magic, options, "report"):
        found = save_report(source, place, context, secrets)
        print(f"Saved {place}; the doctor: {counted(found)}")


def replay_parser() -> MagicParser:
    """Make the parser of ``%envd replay``."""
    parser = MagicParser("%envd replay", "Show the recording of a build, as it was.")
    add = parser.add_argument
    add(
        "file",
        metavar="FILE",
        help="as %%envd record, %%envd report or envd-magic build --record wrote it",
    )
    add(
        "--speed",
        type=speed,
        default=1.0,
        metavar="N",
        help="N times as fast as it was; 0 shows the end at once (default: 1)",
    )
    return parser


def speed(text: str) -> float:
    """Read how fast a replay is to be."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return value


def show_recording(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Show a recording."""
    from envd_magic.records.recording import read_recording
    from envd_magic.view.display import choose_screen
    from envd_magic.view.replay import replay

    recording = read_recording(Path(options.file).expanduser())
    replay(recording, choose_screen(magic.shell, ""), options.speed)
