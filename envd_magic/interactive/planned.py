"""``%envd plan`` and ``%envd diff``: what a build will do, and what an edit changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.interactive.choose import build_options, chosen_specs, configured
from envd_magic.interactive.options import SPEC, MagicParser, add_build_choices

if TYPE_CHECKING:
    import argparse

    from flytekit import ImageSpec

    from envd_magic.magic import EnvdMagic


def plan_parser() -> MagicParser:
    """Make the parser of ``%envd plan``."""
    parser = MagicParser(
        "%envd plan",
        "Tell what building an ImageSpec will do: what runs, what is cached, and why.\n\n"
        "Nothing is built, pulled or pushed.",
    )
    parser.add_argument("spec", metavar="SPEC", help=SPEC)
    add_build_choices(parser)
    parser.set_defaults(verify=False)
    return parser


def plan(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Show the plan of each spec."""
    from envd_magic.forecast.plan import make_plan
    from envd_magic.pipeline.stop import Stop
    from envd_magic.view.plans import plan_html, plan_text

    specs = configured(chosen_specs(options.spec, magic.shell.user_ns), None, magic)
    asked = build_options(options, magic, Stop())
    for _, spec in specs.items:
        made = make_plan(spec, asked)
        _show(magic, plan_text(made), str(plan_html(made)))


def diff_parser() -> MagicParser:
    """Make the parser of ``%envd diff``."""
    parser = MagicParser(
        "%envd diff",
        "Show what is between two ImageSpecs, or one and its last build: fields, recipe, steps.",
    )
    parser.add_argument("spec", metavar="SPEC", help=SPEC)
    parser.add_argument(
        "other", nargs="?", metavar="OTHER", help="what SPEC became; none takes SPEC's last build"
    )
    return parser


def diff(magic: EnvdMagic, options: argparse.Namespace) -> None:
    """Show the difference."""
    from envd_magic.forecast.diff import diff_specs
    from envd_magic.view.plans import diff_html, diff_text

    first = _one(magic, options.spec)
    if options.other is not None:
        found = diff_specs(first, _one(magic, options.other))
    else:
        found = diff_specs(_last_build(first), first)
    _show(magic, diff_text(found), str(diff_html(found)))


def _one(magic: EnvdMagic, text: str) -> ImageSpec:
    specs = configured(chosen_specs(text, magic.shell.user_ns), None, magic)
    if specs.keys is not None:
        raise UsageError(f"%envd diff: {text} holds several specs; take one, as {text}[0]")
    return specs.items[0][1]


def _last_build(spec: Any) -> ImageSpec:
    """Give a spec as it was when an image of its name was built last."""
    from envd_magic.records.history import entries
    from envd_magic.records.restore import masked_fields, restored

    past = [
        one for one in entries(str(spec.name)) if one.result.get("status") in ("built", "exists")
    ]
    if not past:
        raise UsageError(f"%envd diff: no build of {spec.name} is remembered; name another spec")
    before = restored(past[0].spec)
    for name in masked_fields(before):
        # Secrets are not kept: whether they changed cannot be told, so they are as they are now.
        setattr(before, name, getattr(spec, name))
    return before


def _show(magic: EnvdMagic, text: str, html: str) -> None:
    from IPython.display import display

    from envd_magic.view.display import is_kernel

    if is_kernel(magic.shell):
        display({"text/plain": text, "text/html": html}, raw=True)
    else:
        print(text)
