"""From what a user wrote to the specs that are meant, with options and settings applied."""

from __future__ import annotations

import ast
import keyword
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.interactive.options import SPEC_OPTIONS
from envd_magic.pipeline.options import CACHES
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.names import close

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.engine.client import Engine
    from envd_magic.interactive.settings import Settings
    from envd_magic.pipeline.options import Options
    from envd_magic.pipeline.stop import Stop
    from envd_magic.spec.bounds import Literal
    from envd_magic.spec.several import Specs


def is_name(text: str) -> bool:
    """Can a variable have this name?"""
    return text.isidentifier() and not keyword.iskeyword(text)


def spec_variables(namespace: Mapping[str, Any]) -> list[str]:
    """Names of the variables that hold ImageSpecs; flytekit is not imported for it."""
    return sorted(name for name, value in namespace.items() if _is_shown(name, value))


def all_specs(namespace: Mapping[str, Any]) -> list[Any]:
    """Give the ImageSpecs that variables hold."""
    return [
        spec
        for name, value in namespace.items()
        if _is_shown(name, value)
        for spec in _members(value)
        if _is_spec(spec)
    ]


def _is_shown(name: str, value: Any) -> bool:
    return not name.startswith("_") and any(_is_spec(one) for one in _members(value)[:1])


def _members(value: Any) -> list[Any]:
    if type(value) is list:
        return value
    return list(value.values()) if type(value) is dict else [value]


def _is_spec(value: Any) -> bool:
    kind = type(value)
    return kind.__name__ == "ImageSpec" and kind.__module__.startswith("flytekit.")


def chosen_specs(text: str, namespace: Mapping[str, Any], literal: Literal | None = None) -> Specs:
    """Give the specs that a variable or an expression stands for.

    Parameters
    ----------
    text
        What stands there.
    namespace
        What it can read.
    literal
        How it is evaluated where it is not trusted; None runs it.

    Raises
    ------
    UsageError
        If it stands for none.
    """
    from flytekit import ImageSpec

    from envd_magic.spec.several import gather, what_it_is

    if is_name(text) and text not in namespace:
        names = spec_variables(namespace)
        meant = close(text, names)
        hint = f"; did you mean {meant}?" if meant else "."
        there = f" ImageSpecs here: {', '.join(names)}" if names else ""
        raise UsageError(f"%envd: there is no variable {text!r}{hint}{there}")
    try:
        value = _evaluated(text, {"ImageSpec": ImageSpec, **namespace}, literal)
    except NotLiteralError:
        raise
    except Exception as error:
        hint = ""
        if isinstance(error, (NameError, SyntaxError)):
            hint = "\nAn expression with quotes or spaces goes into single quotes."
        raise UsageError(f"%envd: {text}: {type(error).__name__}: {error}{hint}") from error
    specs = gather(value)
    if specs is None:
        raise UsageError(f"%envd: {text} is {what_it_is(value)}")
    return specs


def _evaluated(text: str, namespace: dict[str, Any], literal: Literal | None) -> Any:
    if literal is None:
        return eval(text, namespace)  # noqa: S307 - the user's own text
    tree = literal.ready(ast.parse(text.strip(), mode="eval"), namespace)
    return eval(compile(tree, "<literal>", "eval"), namespace)  # noqa: S307 - checked


def configured(specs: Specs, options: argparse.Namespace | None, settings: Settings) -> Specs:
    """Apply options and settings to specs: options first, then the spec, then settings.

    Raises
    ------
    UsageError
        If one name is given to several images.
    """
    from envd_magic.spec.cell import with_options

    if getattr(options, "name", None) is not None and len(specs.items) > 1:
        raise UsageError(
            f"--name gives one name to {len(specs.items)} images; name them in the cell"
        )
    given = {name: getattr(options, name, None) for name in SPEC_OPTIONS}
    asked = getattr(options, "installer", None)
    installer, registry = settings.setting("installer"), settings.setting("registry")

    def change(spec: ImageSpec) -> ImageSpec:
        changes = dict(given)
        if changes["registry"] is None and spec.registry is None:
            changes["registry"] = registry or None
        own = spec.builder_options if isinstance(spec.builder_options, dict) else {}
        chosen = asked or ("installer" not in own and installer)
        if chosen:
            changes["builder_options"] = {**own, "installer": chosen}
        return with_options(spec, changes)

    return specs.mapped(change)


def _first(option: str | None, settings: Settings, name: str) -> Any:
    return settings.setting(name) if option is None else option


def build_options(options: argparse.Namespace, settings: Settings, stop: Stop) -> Options:
    """Give how to build, from a magic's options and the settings."""
    from pathlib import Path

    from envd_magic.pipeline.options import Options

    folder = settings.setting("log_folder")
    logs = Path(folder).expanduser() if folder else None
    if logs is not None:
        try:
            logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"log_folder: {logs} cannot be made: {error}") from error
    return Options(
        context=options.context or settings.setting("context"),
        push=settings.setting("push") if options.push is None else options.push,
        force=options.force,
        no_cache=options.no_cache,
        incremental=settings.setting("incremental")
        if options.incremental is None
        else options.incremental,
        verify=options.verify,
        **{name: _first(getattr(options, name, None), settings, name) for name in CACHES},
        stop=stop,
        log_folder=logs,
        telemetry=settings.setting("telemetry"),
        history=settings.setting("history"),
        recordings=settings.setting("recordings"),
        pickled=True,
    )


@contextmanager
def engine_of(settings: Settings, context: str | None) -> Iterator[Engine]:
    """Give the engine that builds land in.

    Parameters
    ----------
    settings
        Those that count where nothing is asked for.
    context
        Name of the envd context that is asked for.

    Raises
    ------
    EnvdMagicError
        If there is no such context.
    """
    from envd_magic.engine.client import Engine
    from envd_magic.envd.home import named_engine

    engine = Engine(named_engine(context or settings.setting("context")))
    try:
        yield engine
    finally:
        engine.close()
