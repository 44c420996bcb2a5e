"""A build that was asked for and has not begun: the spec and its files as they were then."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from envd_magic.pipeline.folders import BuildFolder
from envd_magic.recipe.compose import compose
from envd_magic.recipe.inputs import read_inputs
from envd_magic.recipe.install import install_step
from envd_magic.spec.secrets import spec_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.recipe.compose import Base
    from envd_magic.recipe.model import Recipe


class Prepared:
    """A spec that can be honoured, with what its files said, and its base specs likewise.

    The build looks at nothing of the user's again: a changed folder, file or list in the
    meantime is for the next build.

    Parameters
    ----------
    spec
        Not changed.

    Raises
    ------
    SpecError
        If it cannot be honoured.
    """

    def __init__(self, spec: ImageSpec) -> None:
        self.inputs = read_inputs(spec)
        self.spec: ImageSpec = deepcopy(spec)
        self.recipe = compose(self.spec, inputs=self.inputs)
        credentials = install_step(self.spec, "", self.inputs).credentials
        self.secrets = spec_secrets(self.spec, credentials)
        base = spec.base_image
        self.base = None if base is None or isinstance(base, str) else Prepared(base)
        self._folder = BuildFolder()
        self._kept = False

    def keep_files(self) -> None:
        """Copy the files that go into the image, so that they can be changed from now on.

        Raises
        ------
        SpecError
            If one cannot be read.
        """
        if self.base is not None:
            self.base.keep_files()
        if not self._kept:
            self._kept = True
            self.inputs = replace(self.inputs, files=self._folder.keep(self.inputs.files))
            self.recipe = self.compose()

    def compose(self, base: Base | None = None, *, finished: bool = True) -> Recipe:
        """Make the recipe again, for a base image that was looked at."""
        return compose(self.spec, base, finished=finished, inputs=self.inputs)

    def write(self, recipe: Recipe) -> Path:
        """Write the build folder and give it."""
        return self._folder.write(recipe)

    def registries(self) -> Path:
        """Write what the file of `registry_config` said, and give the path."""
        path = self._folder.parent / "registries.json"
        path.touch(mode=0o600)
        path.write_bytes(self.inputs.registries)
        return path

    def close(self) -> None:
        """Delete the files that were kept."""
        self._folder.close()
        if self.base is not None:
            self.base.close()
