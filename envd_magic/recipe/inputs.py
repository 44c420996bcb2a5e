"""The files that a spec names, read once: what becomes of them later is not in its recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.recipe.files import copied, sources
from envd_magic.spec.reading import read_file
from envd_magic.spec.requirements import Requirements, read_requirements
from envd_magic.spec.tag import image_name
from envd_magic.spec.validate import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit import ImageSpec

    from envd_magic.recipe.model import FileEntry


@dataclass(frozen=True)
class Inputs:
    """What a spec's files say.

    Parameters
    ----------
    image
        Full name of the image; its tag is made of the files too.
    files
        The fields `copy` and `source_root`, as entries of the build folder.
    requirements
        The requirements file and those that it names.
    mounted
        What the files of `pip_secret_mounts` hold, in their order.
    registry_config
        The file of that field, None if there is none.
    registries
        What it holds; files that it names count from `folder`.
    folder
        The current folder.
    warnings
        What the user should know, as sentences.
    """

    image: str
    files: Mapping[str, FileEntry]
    requirements: Requirements = field(default_factory=Requirements)
    mounted: tuple[bytes, ...] = field(default=(), repr=False)
    registry_config: Path | None = None
    registries: bytes = field(default=b"", repr=False)
    folder: Path | None = None
    warnings: tuple[str, ...] = ()


def read_inputs(spec: ImageSpec) -> Inputs:
    """Check a spec and read its files; paths count from the current folder, now.

    Raises
    ------
    SpecError
        If anything in the spec cannot be honoured.
    """
    warnings = [str(problem) for problem in validate(spec)]
    image = image_name(spec)
    found: list[str] = []
    files = {**sources(spec, found), **copied(spec, found)}
    registry_config = Path(spec.registry_config).resolve() if spec.registry_config else None
    return Inputs(
        image=image,
        files=files,
        requirements=read_requirements(spec.requirements) if spec.requirements else Requirements(),
        mounted=tuple(read_file(source) for source, _ in spec.pip_secret_mounts or ()),
        registry_config=registry_config,
        registries=read_file(registry_config) if registry_config else b"",
        folder=Path.cwd() if registry_config else None,
        warnings=(*warnings, *found),
    )
