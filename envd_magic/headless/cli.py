"""``envd-magic``: what notebooks and files define, looked at, checked and built."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from envd_magic import __version__
from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.headless import apart, contexts
from envd_magic.headless.say import lasting_output, say
from envd_magic.shell import interrupts_raise, is_interrupt, nothing_collected

if TYPE_CHECKING:
    from envd_magic.headless.find import Source

#: How a command ends.
OK, FOUND, USAGE, STOPPED = 0, 1, 2, 130

_EPILOG = """\b
Exit codes:
  0    all is well
  1    something was found, or a build failed
  2    the command cannot be understood, or a file cannot be read
  130  it was stopped (Ctrl-C); what a signal ends, ends by it, tidied up
"""
_paths = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…"
)
_execute = click.option(
    "--execute",
    is_flag=True,
    help="Run notebooks, in a kernel, up to the cells that cannot be evaluated without.",
)
_timeout = click.option(
    "--timeout", type=click.IntRange(min=1), default=600, show_default=True, metavar="SECONDS",
    help="With --execute: how long a cell may run.",
)  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


_context = click.option("--context", metavar="NAME", help="envd context to build in.")
_looked_at = click.option("--context", metavar="NAME", help="Use the engine of this envd context.")
_force = click.option("--force", is_flag=True, help="Build images that are there, too.")
_no_cache = click.option("--no-cache", is_flag=True, help="Run every step, cached or not.")
_incremental = click.option(
    "--incremental",
    is_flag=True,
    help="Add what is new to what each image's last build installed; not for a release.",
)


_shared_cache = click.option(
    "--shared-cache",
    metavar="REPOSITORY",
    help="Repository in which a team keeps what its images install, as localhost:5000/team/cache.",
)


class _Group(click.Group):
    """Commands whose mistakes are told in a line, never by a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        # A signal that ends the process does so after this, when all is tidied up.
        with interrupts_raise(), lasting_output(FOUND):
            try:
                _look_around()
                return super().invoke(ctx)
            except FileError as error:
                _fail(error, USAGE)
            except EnvdMagicError as error:
                _fail(error, FOUND)
            except (KeyboardInterrupt, SystemExit) as error:
                if isinstance(error, SystemExit) and not is_interrupt(error):
                    raise
                # A terminal that was closed takes nothing.
                with suppress(OSError):
                    say("Stopped", err=True)
                sys.exit(STOPPED)
            except BrokenPipeError:
                # Nobody reads on: `envd-magic preview … | head`.
                sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
                # Builds have ended before their end.
                sys.exit(STOPPED if ctx.invoked_subcommand == "build" else OK)


def _look_around() -> None:
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise FileError("the current folder is no more; change to one that is there") from error


def _fail(error: Exception, code: int) -> None:
    say(f"error: {error}", err=True)
    sys.exit(code)


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["--help", "-h"]})
@click.version_option(__version__, prog_name="envd-magic")
def main() -> None:
    """Look at, check and build the images that notebooks and files define.

    A PATH is a notebook (its %%envd_build cells count), a Python file (the ImageSpecs at its top
    level), YAML in flytekit's form, or a folder of notebooks and Python files. None of them is
    run: what has to be run to know an image is said, and --execute runs notebooks.
    """


def _sources(paths: tuple[Path, ...], *, execute: bool, timeout: int) -> list[Source]:
    from envd_magic.headless.find import files_of, find

    files = files_of(paths)
    _import_flytekit()
    sources = [find(path) for path in files]
    if execute:
        from envd_magic.headless.execute import execute_where_needed

        for source in sources:
            execute_where_needed(source, timeout, partial(say, err=True))
    return sources


def _import_flytekit() -> None:
    """Import what every spec needs, which stays, and is nowhere to be looked for garbage later."""
    with nothing_collected():
        import flytekit  # noqa: F401

        gc.freeze()


@main.command()
@_paths
@_execute
@_timeout
@_json
def preview(paths: tuple[Path, ...], execute: bool, timeout: int, as_json: bool) -> None:  # noqa: FBT001
    """Show what envd would be told for each image; nothing is built."""
    from envd_magic.headless.preview import previews

    bad = False
    for text in previews(_sources(paths, execute=execute, timeout=timeout), as_json=as_json):
        say(text.text, err=text.is_error and not as_json)
        bad = bad or text.is_error
    sys.exit(FOUND if bad else OK)


@main.command()
@_paths
@_execute
@_timeout
@_json
@_context
@_force
@_no_cache
@_incremental
def plan(paths: tuple[Path, ...], execute: bool, timeout: int, **given: Any) -> None:  # noqa: FBT001
    """Tell what building each image will do, and why.

    A step runs or is cached. Nothing is built, pulled or pushed.
    """
    from envd_magic.headless.preview import planned, previews
    from envd_magic.pipeline.options import Options

    as_json, bad = given.pop("as_json"), False
    sources = _sources(paths, execute=execute, timeout=timeout)
    for text in previews(sources, as_json=as_json, show=planned(Options(**given))):
        say(text.text, err=text.is_error and not as_json)
        bad = bad or text.is_error
    sys.exit(FOUND if bad else OK)


@main.command()
@_paths
@_execute
@_timeout
@_json
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit's XML.")
@click.option("--strict", is_flag=True, help="Let warnings count as errors.")
def check(  # noqa: PLR0913
    paths: tuple[Path, ...],
    execute: bool,  # noqa: FBT001
    timeout: int,
    as_json: bool,  # noqa: FBT001
    junit: Path | None,
    strict: bool,  # noqa: FBT001
) -> None:
    """Tell what is wrong with each image, a line each.

    Nothing is built. A line has the file, the cell and the line in it, the field and what is
    wrong. Where a notebook holds the record of a build, it tells whether the cell has changed
    since.
    """
    from envd_magic.headless import report
    from envd_magic.headless.check import check as look

    sources = _sources(paths, execute=execute, timeout=timeout)
    findings = [finding for source in sources for finding in look(source)]
    if junit is not None:
        try:
            report.write_junit(junit, sources, findings)
        except OSError as error:
            raise FileError(f"{junit}: cannot be written: {error.strerror or error}") from error
    for finding in findings:
        say(report.as_json([finding]) if as_json else str(finding))
    if not as_json:
        say(_summary(sources, len(findings)), err=True)
    bad = any(finding.fatal or strict for finding in findings)
    if any(source.error is not None for source in sources):
        sys.exit(USAGE)
    sys.exit(FOUND if bad else OK)


def _summary(sources: list[Source], findings: int) -> str:
    images = sum(len(one.images()) for source in sources for one in source.definitions)
    return (
        f"{findings or 'no'} finding{'' if findings == 1 else 's'}: "
        f"{images} image{'' if images == 1 else 's'} in {len(sources)} file"
        f"{'' if len(sources) == 1 else 's'}"
    )


@main.command()
@_paths
@_execute
@_timeout
@_json
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N",
    help="Build N at once.",
)  # fmt: skip
@click.option("--registry", metavar="REGISTRY", help="Registry of all images.")
@_context
@click.option("--push/--no-push", default=None, help="Push the images, or do not.")
@_force
@_no_cache
@_incremental
@_shared_cache
@click.option("--cache-from", metavar="IMAGE", help="Take the builder's layer cache from IMAGE.")
@click.option("--cache-to", metavar="IMAGE", help="Put the builder's layer cache into IMAGE.")
@click.option("--verify", is_flag=True, help="Compare what was built with what was asked for.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Save a recording; of several images, one each in the folder FILE.",
)
@click.option("--no-record", is_flag=True, help="Write no record of the builds into notebooks.")
def build(paths: tuple[Path, ...], execute: bool, timeout: int, **given: Any) -> None:  # noqa: FBT001
    """Build all images that files define.

    Nothing is built or written where a file cannot be read or an image cannot be known. After a
    build the notebook's cell holds a record of it in its metadata, for `envd-magic check`.
    """
    from envd_magic.headless.check import before_building
    from envd_magic.headless.find import with_registry

    sources = _sources(paths, execute=execute, timeout=timeout)
    for source in sources:
        if source.error is not None:
            raise source.error
        with_registry(source, given["registry"])
    bad = [one for source in sources for one in before_building(source)]
    for finding in bad:
        say(str(finding), err=True)
    if bad:
        say("Nothing was built", err=True)
        sys.exit(FOUND)
    sys.exit(_build(sources, given))


def _build(sources: list[Source], given: dict[str, Any]) -> int:
    from argparse import Namespace

    from envd_magic.headless.building import ENDED_WELL, build_all, tasks_of
    from envd_magic.headless.progress import choose_progress, summary
    from envd_magic.headless.recorder import Recorder, recordings_saver
    from envd_magic.pipeline.options import CACHES

    names = ("context", "push", "force", "no_cache", "incremental", "verify", *CACHES)
    asked = {name: given[name] for name in names}
    record = given["record"] is not None
    tasks = tasks_of(sources, Namespace(**asked, record=record))
    recorder = Recorder(() if given["no_record"] else tasks, partial(say, err=True))
    save = recordings_saver(given["record"], tasks)
    progress = choose_progress(tasks, as_json=given["as_json"])
    # Each is done whatever becomes of the others: a terminal may be closed.
    with ExitStack() as stack:
        for task in tasks:
            stack.callback(save, task)
        stack.callback(lambda: say(summary(tasks), err=True))
        stack.callback(recorder.close)
        stack.callback(progress.close)
        build_all(tasks, given["jobs"], progress, recorder.ended)
    good = all(task.card is not None and task.card.state in ENDED_WELL for task in tasks)
    return OK if good and not recorder.failed else FOUND


@main.command()
@_paths
@_execute
@_timeout
@_json
@_looked_at
@click.option("--image", metavar="IMAGE", help="Look at this image in place of the file's one.")
def verify(  # noqa: PLR0913
    paths: tuple[Path, ...],
    execute: bool,  # noqa: FBT001
    timeout: int,
    as_json: bool,  # noqa: FBT001
    context: str | None,
    image: str | None,
) -> None:
    """Compare what each image was asked to be with what is there.

    What the file imports is imported in the image, too. The exit code is 1 where something
    differs.
    """
    from envd_magic.headless.verifying import verifications

    bad = False
    sources = _sources(paths, execute=execute, timeout=timeout)
    for text in verifications(sources, image, context, as_json=as_json):
        say(text.text, err=text.is_error and not as_json)
        bad = bad or text.is_bad or text.is_error
    sys.exit(FOUND if bad else OK)


@main.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH…]")
@_execute
@_timeout
@_json
@_context
def doctor(
    paths: tuple[Path, ...],
    execute: bool,  # noqa: FBT001
    timeout: int,
    as_json: bool,  # noqa: FBT001
    context: str | None,
) -> None:
    """Tell whether all is there that builds need.

    What to do is said where it is not. Without a PATH, flytekit's default image counts. The
    exit code is 1 where something fails.
    """
    import json

    from envd_magic.doctor.finding import has_failed
    from envd_magic.headless.examining import examined
    from envd_magic.view.findings import findings_card
    from envd_magic.view.text import card_text

    found, mistakes = examined(_sources(paths, execute=execute, timeout=timeout), context)
    for mistake in mistakes:
        say(str(mistake), err=True)
    if as_json:
        for one in found:
            say(json.dumps(one.to_json()))
    else:
        say(card_text(findings_card(found)))
    sys.exit(FOUND if mistakes or has_failed(found) else OK)


@main.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--build",
    "number",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Of this build, as %envd history numbers them; the default is the last.",
)
@_context
def report(file: Path, number: int | None, context: str | None) -> None:
    """Save what tells others why a build went as it did, for replay.

    FILE gets the recording of the build, its diagnosis and what the doctor finds now; secrets are
    masked, homes and the names of this user and machine are taken out. Packed if it ends in .gz.
    """
    from envd_magic.doctor.finding import counted
    from envd_magic.doctor.report import save_report
    from envd_magic.pipeline.keep import recording_of

    found = save_report(recording_of(number), file, context)
    say(f"Saved {file}; the doctor: {counted(found)}", err=True)


for _command in (contexts.context, apart.freeze, apart.replay):
    main.add_command(_command)
