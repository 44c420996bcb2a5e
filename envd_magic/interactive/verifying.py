"""``%envd verify``: what was asked for against what is there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.interactive.choose import all_specs, chosen_specs, configured
from envd_magic.interactive.options import SPEC, MagicParser, add_context

if TYPE_CHECKING:
    import argparse

    from flytekit import ImageSpec

    from envd_magic.magic import EnvdMagic
    from envd_magic.verification.result import Verification

_HINT = "the stop button (■) ends it"


def verify_parser() -> MagicParser:
    """Make the parser of ``%envd verify``."""
    parser = MagicParser(
        "%envd verify",
        "Compare what an ImageSpec asks for with what its image has; fail where they differ.\n\n"
        "Packages and imports, Debian packages, variables, entrypoint, platform and files are\n"
        "looked at, and the spec's secrets are looked for. What this notebook imports is imported.",
    )
    add = parser.add_argument
    add("spec", metavar="SPEC", help=f"{SPEC}; or the name of an image that was built here")
    add("image", nargs="?", metavar="IMAGE", help="look at this image in place of the spec's")
    add_context(parser)
    return parser


def verify(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Verify one image, or those of several specs, and show what came of each."""
    from envd_magic.pipeline.verifying import required

    specs, image = _meant(magic, options)
    modules = imported_here(magic.shell)
    context = options.context or magic.setting("context")
    found = [_shown(magic, spec, image, modules, context) for spec in specs]
    for verification in found:
        required(verification)


def _meant(magic: EnvdMagic, options: argparse.Namespace) -> tuple[list[ImageSpec], str | None]:
    """Give the specs that are meant, and the image if it is another than theirs."""
    text, image = options.spec, options.image
    if text not in magic.shell.user_ns and any(char in text for char in ":/@"):
        if image is not None:
            raise UsageError(f"%envd verify: {text} is an image; as in: %envd verify SPEC {image}")
        return [_spec_of(magic, text)], text
    specs = [
        spec for _, spec in configured(chosen_specs(text, magic.shell.user_ns), None, magic).items
    ]
    if image is not None and len(specs) > 1:
        raise UsageError(f"%envd verify: {text} holds {len(specs)} specs; take one, as {text}[0]")
    return specs, image


def _spec_of(magic: EnvdMagic, image: str) -> ImageSpec:
    """Give the spec of an image: a variable's, or that of a build that is remembered.

    Raises
    ------
    UsageError
        If nothing is known of it.
    """
    from envd_magic.errors import EnvdMagicError
    from envd_magic.records import history
    from envd_magic.records.restore import restored
    from envd_magic.spec.several import gather
    from envd_magic.spec.tag import image_name

    known = gather(all_specs(magic.shell.user_ns))
    for _, spec in configured(known, None, magic).items if known else ():
        # One whose files are gone has no name.
        with suppress(EnvdMagicError, OSError, ValueError):
            if image_name(spec) == image:
                return spec
    for entry in history.entries():
        if entry.result.get("image") == image:
            return restored(entry.spec)
    raise UsageError(
        f"%envd verify: what {image} was asked to be is not known here; name a spec before it: "
        f"%envd verify SPEC {image}"
    )


def imported_here(shell: Any) -> frozenset[str]:
    """Give the modules that a notebook has imported, with dots."""
    from envd_magic.freeze.imports import imported

    history = getattr(shell, "history_manager", None)
    return frozenset(imported(history.input_hist_raw)) if history is not None else frozenset()


def _shown(
    magic: EnvdMagic,
    spec: ImageSpec,
    image: str | None,
    modules: frozenset[str],
    context: str | None,
) -> Verification:
    """Verify, and show how it goes and what came of it."""
    from envd_magic.api import refreshed
    from envd_magic.pipeline.verifying import verify_spec
    from envd_magic.spec.secrets import spec_secrets
    from envd_magic.view.cards import Card, verification_card
    from envd_magic.view.display import choose_screen

    screen = choose_screen(magic.shell, _HINT)
    title = image or str(spec.name)
    screen.update(Card("verifying", title, status=screen.hint))
    try:
        found = verify_spec(refreshed(spec), image, modules, context=context)
    except BaseException as error:
        cause = spec_secrets(spec).mask(str(error)).partition("\n")[0]
        screen.finish(Card("unverified", title, cause=cause))
        raise
    screen.finish(verification_card(found))
    return found
