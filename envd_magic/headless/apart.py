"""Commands of ``envd-magic`` that look at no image: a recording shown, imports frozen."""

from __future__ import annotations

from pathlib import Path

import click

from envd_magic.errors import FileError
from envd_magic.headless.say import say

_WITH_IMPORTS = (".ipynb", ".py")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, max=1e6),
    default=1.0,
    show_default=True,
    metavar="N",
    help="N times as fast as it was; 0 shows the end at once.",
)
def replay(file: Path, speed: float) -> None:
    """Show the recording of a build, as it was."""
    from envd_magic.headless.progress import one_screen
    from envd_magic.records.recording import read_recording
    from envd_magic.view.replay import replay as show

    show(read_recording(file), one_screen(), speed)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--no-python", is_flag=True, help="Leave python_version to the base image.")
def freeze(paths: tuple[Path, ...], no_python: bool) -> None:  # noqa: FBT001
    """Print an ImageSpec of what files import.

    They are notebooks or Python files, and are not run. Versions are those that are installed
    beside envd-magic.
    """
    from envd_magic.freeze.frozen import freeze_sources, with_flytekit
    from envd_magic.headless.find import files_of, inside, sources_of
    from envd_magic.spec.source import format_spec

    files = files_of(paths)
    for path in files:
        if path.suffix not in _WITH_IMPORTS:
            raise FileError(f"{path}: imports nothing; freeze takes notebooks and Python files")
    texts = [text for path in files for text in sources_of(path)]
    # Modules beside the first file are the user's own.
    with inside(files[0].resolve().parent if files else Path.cwd()):
        frozen = with_flytekit(freeze_sources(texts))
    say(format_spec(frozen.spec(python=not no_python)))
    for note in frozen.notes:
        say(f"# note: {note}", err=True)
