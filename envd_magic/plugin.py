"""The flytekit builder named `envd`, loaded through the entry point ``flytekit.plugins``."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpecBuilder

if TYPE_CHECKING:
    from flytekit import ImageSpec

# Of the builders that ship with flytekit the default one has 1; the reference plug-in has 5.
_PRIORITY = 5


class EnvdImageSpecBuilder(ImageSpecBuilder):
    """Builds ImageSpecs with envd, printing envd's lines as they come."""

    def build_image(self, image_spec: ImageSpec) -> str:
        """Build, whether the image is there or not.

        Parameters
        ----------
        image_spec
            Its ``id`` and tag are taken as they are: flytekit has computed them from the spec
            before it put the name of a base image in a base spec's place.

        Returns
        -------
        str
            Full name of the image.

        Raises
        ------
        EnvdMagicError
            If it cannot be built; the spec has then been printed, secrets masked.
        """
        from envd_magic.pipeline.build import Options, build_spec, last_result
        from envd_magic.view.failures import print_failure
        from envd_magic.view.plain import PlainView

        print(f"envd_magic builds {image_spec.image_name()}", flush=True)
        view = PlainView(whole=True)
        try:
            try:
                result = build_spec(image_spec, Options(force=True, listener=view))
            finally:
                view.flush()
        except Exception as error:
            print_failure(error, image_spec, last_result())
            raise
        return result.image


def register() -> None:
    """Be the builder named `envd`, in the reference plug-in's place where that is installed too."""
    # It registers itself when it is imported: first it, then we, whichever flytekit loads first.
    with suppress(ImportError):
        import_module("flytekitplugins.envd")
    ImageBuildEngine.register("envd", EnvdImageSpecBuilder(), _PRIORITY)


register()
