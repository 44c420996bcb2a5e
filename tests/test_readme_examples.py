"""The examples of the README do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .kernels import bare_kernel

if TYPE_CHECKING:
    from .lab import Lab

README = Path(__file__).parent.parent / "README.md"


def blocks(kind: str) -> list[str]:
    """Give the README's blocks of a language."""
    pieces = README.read_text(encoding="utf-8").split(f"```{kind}\n")[1:]
    return [piece.partition("```")[0] for piece in pieces]


def test_the_examples_in_python_run_as_they_are_written(lab: Lab, tmp_path: Path) -> None:
    load, build, python = (
        text.replace("localhost:5000", lab.registry) for text in blocks("python")
    )
    with bare_kernel(tmp_path) as kernel:
        for code in (load, build, "spec = trainer", python):
            cell = kernel.run(code, 300)
            assert cell.error is None, cell.error_text
        assert "differs" not in cell.text
        image = kernel.run("print(trainer.image_name())").text.strip()
    assert image.startswith(f"{lab.registry}/trainer:")
    # Whatever version: the command has asked pandas itself.
    assert int(lab.run(image, "cat", "/pandas.txt").partition(".")[0]) >= 2


def test_the_settings_of_a_project_are_written_as_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(*blocks("toml"))
    with bare_kernel(tmp_path) as kernel:
        kernel.run("%load_ext envd_magic")
        told = kernel.run("%envd config").text
        kernel.run('%config EnvdMagic.registry = "localhost:1"')
        assert "localhost:1" in kernel.run("%envd config").text
    assert "localhost:5000" in told
    assert "pyproject.toml" in told
