"""The magics: a thin door to the pipeline. Nothing heavy is imported until one is used."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from envd_magic.errors import EnvdMagicError
from envd_magic.options import (
    SPEC_OPTIONS,
    HelpRequested,
    build_parser,
    doctor_parser,
    preview_parser,
)
from envd_magic.shell import import_flytekit

if TYPE_CHECKING:
    import argparse

    from flytekit import ImageSpec
    from IPython.core.interactiveshell import InteractiveShell

_COMMANDS = ("preview", "doctor")
_ENVD_HELP = """usage: %envd preview SPEC
       %envd doctor [SPEC] [--context NAME]

preview  show what envd would be told for an ImageSpec
doctor   tell whether what a build needs is there

Each command has --help. To build, see: %%envd_build --help"""


@magics_class
class EnvdMagics(Magics):
    """``%%envd_build`` and ``%envd``."""

    @cell_magic
    def envd_build(self, line: str, cell: str) -> None:
        """Build the image of the ImageSpec in this cell; ``%%envd_build --help`` tells more."""
        try:
            options = build_parser().parse_line(line)
        except HelpRequested as asked:
            print(asked)
            return
        if options.variable is not None and not _is_name(options.variable):
            raise UsageError(f"%%envd_build: {options.variable!r} is no name of a variable")
        import_flytekit(self.shell)
        from envd_magic.spec.cell import spec_from_cell, with_options

        spec = spec_from_cell(cell, self.shell.user_ns)
        spec = with_options(spec, {name: getattr(options, name) for name in SPEC_OPTIONS})
        if options.dry_run:
            self._show(spec)
            return
        self._build(spec, options)
        if options.variable is not None:
            self.shell.user_ns[options.variable] = spec

    @line_magic
    def envd(self, line: str) -> None:
        """Preview a spec, or ask whether all is there; ``%envd --help`` tells more."""
        command, _, rest = line.strip().partition(" ")
        if command in _COMMANDS:
            import_flytekit(self.shell)
        try:
            if command == "preview":
                self._show(self._spec(preview_parser().parse_line(rest).spec))
            elif command == "doctor":
                self._doctor(doctor_parser().parse_line(rest))
            elif command in ("", "--help", "-h", "help"):
                print(_ENVD_HELP)
            else:
                from envd_magic.spec.checks import unknown

                raise UsageError(f"%envd: {unknown('command', command, _COMMANDS)}")
        except HelpRequested as asked:
            print(asked)

    def _build(self, spec: ImageSpec, options: argparse.Namespace) -> None:
        from envd_magic.api import build, last_result
        from envd_magic.spec.secrets import spec_secrets
        from envd_magic.view.plain import PlainView, failure_text, result_text

        view = PlainView()
        before = last_result()
        try:
            result = build(
                spec,
                context=options.context,
                push=options.push,
                force=options.force or None,
                listener=view,
            )
        except BaseException as error:
            view.flush()
            # No result of this build: it was refused before anything ran.
            mine = last_result() if last_result() is not before else None
            if isinstance(error, Exception):
                print(failure_text(spec, spec_secrets(spec), mine))
            elif mine is not None:
                print(f"Stopped. log: {mine.log_file}")
            raise
        view.flush()
        print(result_text(result, options.variable))

    def _show(self, spec: ImageSpec) -> None:
        from envd_magic.api import preview
        from envd_magic.spec.secrets import spec_secrets
        from envd_magic.view.plain import recipe_text

        print(spec_secrets(spec).mask(recipe_text(preview(spec))))

    def _doctor(self, options: argparse.Namespace) -> None:
        from envd_magic.pipeline.doctor import examine

        spec = None if options.spec is None else self._spec(options.spec)
        for finding in examine(spec, options.context):
            print(finding)

    def _spec(self, text: str) -> ImageSpec:
        """Give the ImageSpec that a variable or an expression stands for."""
        from flytekit import ImageSpec

        if _is_name(text) and text not in self.shell.user_ns:
            raise UsageError(f"%envd: there is no variable {text!r}")
        value: Any = self.shell.ev(text)
        if not isinstance(value, ImageSpec):
            raise UsageError(f"%envd: {text} is {type(value).__name__}, not an ImageSpec")
        return value


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def load(shell: InteractiveShell) -> None:
    """Add the magics; a second time changes nothing."""
    if "EnvdMagics" not in shell.magics_manager.registry:
        shell.register_magics(EnvdMagics)


def unload(shell: InteractiveShell) -> None:
    """Take the magics away."""
    shell.magics_manager.registry.pop("EnvdMagics", None)
    shell.magics_manager.magics["cell"].pop("envd_build", None)
    shell.magics_manager.magics["line"].pop("envd", None)


__all__ = ["EnvdMagicError", "EnvdMagics", "load", "unload"]
