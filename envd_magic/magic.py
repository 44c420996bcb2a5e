"""The magics: a thin door to the pipeline. Nothing heavy is imported until one is used."""

from __future__ import annotations

import atexit
from dataclasses import replace
from typing import TYPE_CHECKING

from IPython.core.error import UsageError
from IPython.core.magic import cell_magic, line_magic, magics_class, no_var_expand
from traitlets import TraitError

from envd_magic.interactive import hooks
from envd_magic.interactive.settings import Settings

if TYPE_CHECKING:
    import argparse

    from IPython.core.interactiveshell import InteractiveShell

    from envd_magic.interactive.jobs import Jobs
    from envd_magic.spec.several import Specs

# Commands that look at no ImageSpec.
_LIGHT = ("images", "context", "builds", "wait", "cancel", "config", "fix")


@magics_class
class EnvdMagic(Settings):
    """``%%envd_build`` and ``%envd``, and their settings."""

    _jobs: Jobs | None = None

    @no_var_expand
    @cell_magic
    def envd_build(self, line: str, cell: str) -> None:
        """Build the image of the ImageSpec in this cell."""
        from envd_magic.interactive.choose import configured, is_name
        from envd_magic.interactive.options import HelpRequested, build_parser, expanded
        from envd_magic.shell import import_flytekit, interrupts_raise

        try:
            options = build_parser().parse_line(expanded(line, self.shell.user_ns))
        except HelpRequested as asked:
            print(asked)
            return
        if options.variable is not None and not is_name(options.variable):
            raise UsageError(f"%%envd_build: {options.variable!r} is no name of a variable")
        import_flytekit(self.shell)
        from envd_magic.interactive.jobs import Origin
        from envd_magic.interactive.tracebacks import short_tracebacks
        from envd_magic.spec.cell import below_magic, specs_from_cell
        from envd_magic.spec.yaml_form import specs_from_yaml

        with short_tracebacks(self.shell, whole=options.traceback), interrupts_raise():
            text = below_magic(cell)
            specs = (
                specs_from_yaml(text) if options.yaml else specs_from_cell(text, self.shell.user_ns)
            )
            options.origin = Origin(line, "" if options.yaml else cell)
            if options.dry_run:
                self.show(configured(specs, options, self))
            else:
                self.build(specs, options)

    @no_var_expand
    @line_magic
    def envd(self, line: str) -> None:
        """Look at, build, run and tidy up images of ImageSpecs."""
        from envd_magic.interactive.commands import COMMANDS, overview
        from envd_magic.interactive.options import HelpRequested, expanded
        from envd_magic.shell import import_flytekit, interrupts_raise
        from envd_magic.spec.names import unknown

        name, *more = expanded(line, self.shell.user_ns).split(maxsplit=1) or [""]
        if name in ("", "--help", "-h", "help", "?"):
            print(overview())
            return
        command = COMMANDS.get(name)
        if command is None:
            raise UsageError(f"%envd: {unknown('command', name, COMMANDS)}")
        try:
            options = command.parser().parse_line("".join(more))
        except HelpRequested as asked:
            print(asked)
            return
        options.line = "".join(more)
        if name not in _LIGHT:
            import_flytekit(self.shell)
        from envd_magic.interactive.tracebacks import short_tracebacks

        whole = getattr(options, "traceback", False)
        # flytekit, if the user has imported it, answers an interrupt with an exit.
        with short_tracebacks(self.shell, whole=whole), interrupts_raise():
            command.do(self, options)

    @property
    def jobs(self) -> Jobs:
        """The builds of this session."""
        if self._jobs is None:
            from envd_magic.interactive.jobs import Jobs

            self._jobs = Jobs(self.shell)
            atexit.register(self._jobs.end)
        return self._jobs

    def build(self, specs: Specs, options: argparse.Namespace) -> None:
        """Build specs as options and settings say, here or in the background."""
        from envd_magic.interactive.choose import build_options, configured
        from envd_magic.pipeline.stop import Stop

        if options.background and not self.jobs.can_start():
            raise UsageError("--background needs a notebook, in which the build can show itself")
        stop = Stop()
        how = build_options(options, self, stop)
        if how.verify:
            from envd_magic.interactive.verifying import imported_here

            how = replace(how, modules=imported_here(self.shell))
        job = self.jobs.make(
            configured(specs, options, self),
            how,
            stop,
            options.variable,
            options.jobs or self.setting("at_once"),
        )
        job.origin = getattr(options, "origin", job.origin)
        build = self.jobs.start if options.background else self.jobs.run
        build(job, quiet=options.quiet, tail=self.setting("tail"))
        # What goes wrong in the background later is raised for whoever waits.
        if job.thread is None and job.error is not None:
            raise job.error

    def show(self, specs: Specs) -> None:
        """Show the recipes of specs."""
        from IPython.display import display

        from envd_magic.api import preview
        from envd_magic.spec.secrets import spec_secrets
        from envd_magic.view.display import is_kernel
        from envd_magic.view.text import fenced, recipe_text

        for _, spec in specs.items:
            text = spec_secrets(spec).mask(recipe_text(preview(spec)))
            if is_kernel(self.shell):
                display({"text/plain": text, "text/markdown": fenced(text)}, raw=True)
            else:
                print(text)

    def close(self) -> None:
        """Stop what runs in the background."""
        if self._jobs is not None:
            atexit.unregister(self._jobs.end)
            self._jobs.end()


def _build_help() -> str:
    from envd_magic.interactive.options import build_parser

    return build_parser().format_help()


def _overview() -> str:
    from envd_magic.interactive.commands import overview

    return overview()


# One text for ``--help`` and for ``?``; IPython asks an object for it before it reads a docstring.
EnvdMagic.envd_build.getdoc = _build_help
EnvdMagic.envd.getdoc = _overview


def load(shell: InteractiveShell) -> None:
    """Add the magics; a second time changes nothing."""
    if EnvdMagic.__name__ in shell.magics_manager.registry:
        return
    try:
        shell.register_magics(EnvdMagic)
    except (TraitError, UsageError) as error:
        _withdraw(shell)
        raise UsageError(f"IPython's configuration: {error}") from None
    hooks.install(shell)


def unload(shell: InteractiveShell) -> None:
    """Take everything away: magics, settings, completion, help, and what runs in the background."""
    hooks.remove(shell)
    for magics in _withdraw(shell):
        magics.close()


def _withdraw(shell: InteractiveShell) -> list[EnvdMagic]:
    """Take the magics and their settings out of a shell, and give them back."""
    shell.magics_manager.registry.pop(EnvdMagic.__name__, None)
    shell.magics_manager.magics["cell"].pop("envd_build", None)
    shell.magics_manager.magics["line"].pop("envd", None)
    found = [one for one in shell.configurables if isinstance(one, EnvdMagic)]
    shell.configurables[:] = [one for one in shell.configurables if one not in found]
    return found


__all__ = ["EnvdMagic", "load", "unload"]
