"""The flytekit builder named `envd`, loaded through the entry point ``flytekit.plugins``."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpecBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from flytekit import ImageSpec

_REFERENCE = "flytekitplugins-envd"
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
        from envd_magic.pipeline.build import build_spec
        from envd_magic.pipeline.last import own_result
        from envd_magic.pipeline.options import Options
        from envd_magic.view.failures import print_failure
        from envd_magic.view.plain import PlainView

        print(f"envd_magic builds {image_spec.image_name()}{_takes_a_place()}", flush=True)
        view = PlainView(whole=True)
        try:
            try:
                result = build_spec(image_spec, Options(force=True, listener=view))
            finally:
                view.flush()
        except Exception as error:
            print_failure(error, image_spec, own_result())
            raise
        return result.image


def _takes_a_place() -> str:
    """Say that the reference plug-in is installed too, and is not what builds."""
    try:
        found = version(_REFERENCE)
    except PackageNotFoundError:
        return ""
    return f" (in the place of {_REFERENCE} {found}, which is installed too)"


def _is_reference(builder: object) -> bool:
    return type(builder).__module__.partition(".envd")[0] == "flytekitplugins"


def register() -> None:
    """Be the builder named `envd`, in the reference plug-in's place where that is installed too.

    That one registers itself when it is imported, which is after us where it is what imports
    flytekit; so its registration does nothing from now on.
    """
    others: Callable[..., None] = ImageBuildEngine.register
    if getattr(others, "for_others", None) is None:

        def for_others(
            _: type, builder_type: str, image_spec_builder: ImageSpecBuilder, priority: int = 5
        ) -> None:
            if not _is_reference(image_spec_builder):
                others(builder_type, image_spec_builder, priority)

        for_others.for_others = True  # type: ignore[attr-defined]
        setattr(ImageBuildEngine, "register", classmethod(for_others))  # noqa: B010 - mypy
    ImageBuildEngine.register("envd", EnvdImageSpecBuilder(), _PRIORITY)


register()
