"""The commands of ``%envd``: one table, one function each."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.interactive import contexts, examining, fixing, frozen, kept, planned, verifying
from envd_magic.interactive import options as parsers
from envd_magic.interactive.choose import chosen_specs, configured, engine_of, is_name
from envd_magic.spec.tag import image_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from envd_magic.engine.catalog import BuiltImage
    from envd_magic.interactive.jobs import Job
    from envd_magic.interactive.options import MagicParser
    from envd_magic.magic import EnvdMagic
    from envd_magic.spec.several import Specs

# Lines of a log that are shown where nobody said how many.
_MANY = 2000


@dataclass(frozen=True)
class Command:
    """One command.

    Parameters
    ----------
    help
        What it does, in a line.
    parser
        Makes its parser.
    do
        Does it.
    """

    help: str
    parser: Callable[[], MagicParser]
    do: Callable[[EnvdMagic, argparse.Namespace], None]


def _chosen(magic: EnvdMagic, text: str) -> Specs:
    """Give the specs that are meant as they would be built, settings applied."""
    return configured(chosen_specs(text, magic.shell.user_ns), None, magic)


def _preview(magic: EnvdMagic, options: argparse.Namespace) -> None:
    magic.show(_chosen(magic, options.spec))


def _build(magic: EnvdMagic, options: argparse.Namespace) -> None:
    from envd_magic.interactive.jobs import Origin

    options.origin = Origin(options.line, expression=options.spec)
    magic.build(chosen_specs(options.spec, magic.shell.user_ns), options)


def _panel(magic: EnvdMagic, options: argparse.Namespace) -> None:
    from IPython.display import display

    from envd_magic.panel.panel import BuildPanel

    specs = chosen_specs(options.spec, magic.shell.user_ns) if options.spec else None
    if specs is not None and specs.keys is not None:
        raise UsageError(f"%envd panel: {options.spec} holds several specs; take one of them")
    variable = options.spec if options.spec and is_name(options.spec) else ""
    display(BuildPanel(specs.items[0][1] if specs else None, variable))


def _log(magic: EnvdMagic, options: argparse.Namespace) -> None:
    path = log_file(magic, options.build)
    if options.save is not None:
        if not options.save:
            raise UsageError("%envd log: --save needs the name of a file")
        target = Path(options.save).expanduser()
        try:
            shutil.copyfile(path, target)
        except OSError as error:
            raise UsageError(f"%envd log: {target} cannot be written: {error.strerror}") from error
        print(f"Saved {target}")
        return
    from envd_magic.view.logs import last_lines

    most = _MANY if options.lines is None else options.lines
    text, left_out = last_lines(path, most)
    if left_out:
        print(f"… {left_out} lines before these; --lines 0 shows them, --save FILE writes them")
    print(text, end="")


def log_file(magic: EnvdMagic, build: str | None, command: str = "log") -> Path:
    """Give the log of a build, of its last image if it has several: by number, a spec, or the last.

    Raises
    ------
    UsageError
        If there is none.
    """
    return list(log_files(magic, build, command).values())[-1]


def log_files(magic: EnvdMagic, build: str | None, command: str) -> dict[str, Path]:
    """Give the logs of a build's images, the newest of each, by the images' names.

    Raises
    ------
    UsageError
        If there is none.
    """
    if build is None or build.isdecimal():
        jobs = magic.jobs.all()
        if build is None and not jobs:
            raise UsageError(f"%envd {command}: nothing has been built in this session")
        job = magic.jobs.get(int(build)) if build is not None else jobs[-1]
        states = [viewer.state for viewer in job.viewers]
    else:
        names = {image_name(spec) for _, spec in _chosen(magic, build).items}
        every = [viewer.state for job in magic.jobs.all() for viewer in job.viewers]
        states = [state for state in every if state.image in names]
    found: dict[str, Path] = {}
    for state in states:
        # One that runs has a log as well, until now.
        if state.log_file is not None and state.log_file.is_file():
            found.pop(state.image, None)
            found[state.image] = state.log_file
    if not found:
        raise UsageError(f"%envd {command}: there is no log of {build or 'the last build'} (yet)")
    return found


def _images(magic: EnvdMagic, options: argparse.Namespace) -> None:
    from envd_magic.engine.catalog import built_images, outdated, remove
    from envd_magic.view.images import images_text

    with engine_of(magic, options.context) as engine:
        images = built_images(engine, options.name)
        chosen = _named(images, options.remove or [])
        if options.keep is not None or options.older_than is not None:
            chosen += outdated(images, options.keep, options.older_than)
        elif not options.remove:
            print(images_text(images, options.name))
            return
        gone: list[BuiltImage] = []
        try:
            for image in dict.fromkeys(chosen):
                if not options.dry_run:
                    remove(engine, image)
                gone.append(image)
        finally:
            # Told as well where one of them cannot be removed.
            print(f"{'Would remove' if options.dry_run else 'Removed'}: {len(gone)}")
            if gone:
                print(images_text(gone))


def _named(images: list[BuiltImage], names: list[str]) -> list[BuiltImage]:
    found = []
    for name in names:
        short = name.removeprefix("sha256:")
        match = [
            image
            for image in images
            if name in image.names
            or (len(short) >= 6 and image.id.removeprefix("sha256:").startswith(short))  # noqa: PLR2004
        ]
        if not match:
            raise UsageError(
                f"%envd images: no image that was built here is called {name!r}; "
                "%envd images lists them, with their tags"
            )
        found += match
    return found


def _run(magic: EnvdMagic, options: argparse.Namespace) -> None:
    from envd_magic.engine.containers import run_command
    from envd_magic.engine.images import inspect
    from envd_magic.errors import CommandError
    from envd_magic.view.plain import Batches

    if not options.command:
        raise UsageError("%envd run: no command; as in: %envd run SPEC python --version")
    image = _image(magic, options.spec)
    with engine_of(magic, options.context) as engine, Batches() as output:
        if inspect(engine, image) is None:
            how = f"docker pull {image}" if image == options.spec else f"%envd build {options.spec}"
            raise UsageError(f"%envd run: {image} is not in the engine; first: {how}")
        code = run_command(engine, image, options.command, output.add, dict(options.env or ()))
    if code:
        raise CommandError(f"{options.command[0]} ended with exit code {code}")


def _image(magic: EnvdMagic, text: str) -> str:
    """Give the image that is meant: a spec's, or one by its name."""
    from envd_magic.spec.checks import image as check

    if text not in magic.shell.user_ns and any(c in text for c in ":/@"):
        for problem in check("image", text):
            raise UsageError(f"%envd run: {problem.message}")
        return text
    specs = _chosen(magic, text)
    if len(specs.items) > 1:
        raise UsageError(
            f"%envd run: {text} holds {len(specs.items)} specs; take one, as {text}[0]"
        )
    return image_name(specs.items[0][1])


def _config(magic: EnvdMagic, _options: argparse.Namespace) -> None:
    traits = magic.traits()
    settings = magic.settings_in_force()
    width = max(map(len, settings))
    for name, (value, source) in settings.items():
        print(f"{name:{width}} = {value!r:24} {source}")
        print(f"{'':{width}}   {traits[name].help}")
    print("\nSet one: %config EnvdMagic.registry = 'localhost:5000', or in [tool.envd_magic] of")
    print("pyproject.toml, or as c.EnvdMagic.registry in IPython's configuration file.")


def _builds(magic: EnvdMagic, _options: argparse.Namespace) -> None:
    from envd_magic.view.cards import duration
    from envd_magic.view.images import table
    from envd_magic.view.lines import plain

    rows = [["build", "state", "time", "variable", "image"]]
    for job in magic.jobs.all():
        more = len(job.specs.items) - 1
        image = f"{job.image} and {more} more" if more else job.image
        took = duration(_seconds(job))
        rows.append([str(job.number), job.state, took, job.variable or "-", plain(image)])
    print(table(rows) if len(rows) > 1 else "Nothing has been built in this session.")


def _seconds(job: Job) -> float:
    import time

    return time.monotonic() - job.began if job.seconds is None else job.seconds


def _wait(magic: EnvdMagic, options: argparse.Namespace) -> None:
    jobs = magic.jobs.running() if options.build is None else [magic.jobs.get(options.build)]
    magic.jobs.wait(jobs)
    if not jobs:
        print("No build is running.")
    for job in jobs:
        if job.error is not None:
            raise job.error


def _cancel(magic: EnvdMagic, options: argparse.Namespace) -> None:
    jobs = magic.jobs.running() if options.build is None else [magic.jobs.get(options.build)]
    if options.build is None and len(jobs) > 1:
        numbers = ", ".join(str(job.number) for job in jobs)
        raise UsageError(f"%envd cancel: several builds run ({numbers}); name one of them")
    if not jobs or jobs[0].state != "running":
        print("No build is running." if not jobs else f"Build {jobs[0].number} has ended.")
        return
    magic.jobs.cancel(jobs[0])
    print(f"Build {jobs[0].number}: {jobs[0].state}")


def _command(parser: Callable[[], MagicParser], do: Any) -> Command:
    return Command((parser().description or "").splitlines()[0], parser, do)


#: The commands of ``%envd``, in the order in which its help has them.
COMMANDS: dict[str, Command] = {
    "preview": _command(parsers.preview_parser, _preview),
    "plan": _command(planned.plan_parser, planned.plan),
    "diff": _command(planned.diff_parser, planned.diff),
    "build": _command(parsers.spec_build_parser, _build),
    "panel": _command(parsers.panel_parser, _panel),
    "fix": _command(fixing.fix_parser, fixing.show_fix),
    "doctor": _command(examining.doctor_parser, examining.doctor),
    "verify": _command(verifying.verify_parser, verifying.verify),
    "context": _command(contexts.context_parser, contexts.context),
    "run": _command(parsers.run_parser, _run),
    "log": _command(parsers.log_parser, _log),
    "images": _command(parsers.images_parser, _images),
    "freeze": _command(frozen.freeze_parser, frozen.freeze),
    "pin": _command(frozen.pin_parser, frozen.pin),
    "history": _command(kept.history_parser, kept.show_history),
    "record": _command(kept.record_parser, kept.record),
    "report": _command(kept.report_parser, kept.report),
    "replay": _command(kept.replay_parser, kept.show_recording),
    "builds": _command(
        partial(parsers.plain_parser, "builds", "List the builds of this session."), _builds
    ),
    "wait": _command(
        partial(parsers.job_parser, "wait", "Show builds until they end.", "all that run"), _wait
    ),
    "cancel": _command(
        partial(
            parsers.job_parser,
            "cancel",
            "Stop a build in the background.",
            "the only one that runs",
        ),
        _cancel,
    ),
    "config": _command(
        partial(parsers.plain_parser, "config", "Show the settings, and where each comes from."),
        _config,
    ),
}


def overview() -> str:
    """Give the text of ``%envd --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: %envd COMMAND …",
            "",
            "Look at, build, run and tidy up images of ImageSpecs.",
            "",
            *lines,
            "",
            "Each command has --help. To build a cell: %%envd_build --help",
        ]
    )
