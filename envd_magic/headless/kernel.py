"""In the kernel of a notebook that is run to learn its images: it hands them out, none is built."""

from __future__ import annotations

import base64
import pickle
from typing import TYPE_CHECKING, Any

from envd_magic.headless.execute import MIME

if TYPE_CHECKING:
    import argparse

    from envd_magic.spec.several import Specs

# Commands of `%envd` that only look at what is built, here or in the engine.
_NOT_RUN = frozenset(
    {
        "builds",
        "cancel",
        "doctor",
        "images",
        "log",
        "panel",
        "preview",
        "record",
        "report",
        "run",
        "wait",
    }
)
_gathered: list[dict[str, str]] = []


def begin() -> None:
    """Let ``%envd`` build and show nothing from here on."""
    from IPython.core.getipython import get_ipython
    from IPython.core.magic import no_var_expand

    shell: Any = get_ipython()
    shell.run_line_magic("load_ext", "envd_magic")
    run = shell.magics_manager.magics["line"]["envd"]

    def quiet(line: str) -> Any:
        command = (line.split() or [""])[0]
        if command == "build":
            return _gather_line(shell, line)
        return None if command in _NOT_RUN else run(line)

    shell.magics_manager.magics["line"]["envd"] = no_var_expand(quiet)


def gather(line: str, text: str) -> None:
    """Evaluate a cell of ``%%envd_build``, bind its variable and keep its specs."""
    from IPython.core.getipython import get_ipython

    from envd_magic.interactive.options import HelpRequested, build_parser, expanded
    from envd_magic.shell import import_flytekit
    from envd_magic.spec.cell import below_magic, specs_from_cell
    from envd_magic.spec.yaml_form import specs_from_yaml

    shell: Any = get_ipython()
    try:
        options = build_parser().parse_line(expanded(line, shell.user_ns))
    except HelpRequested:
        return
    import_flytekit(shell)
    text = below_magic(text)
    specs = specs_from_yaml(text) if options.yaml else specs_from_cell(text, shell.user_ns)
    _keep(shell, line, options, specs)


def _gather_line(shell: Any, line: str) -> None:
    """Keep the specs that ``%envd build`` would build, and bind its variable."""
    from envd_magic.interactive.choose import chosen_specs
    from envd_magic.interactive.options import HelpRequested, expanded, spec_build_parser
    from envd_magic.shell import import_flytekit

    words = expanded(line, shell.user_ns).split(maxsplit=1)[1:]
    try:
        options = spec_build_parser().parse_line("".join(words))
    except HelpRequested:
        return
    import_flytekit(shell)
    _keep(shell, line, options, chosen_specs(options.spec, shell.user_ns))


def _keep(shell: Any, line: str, options: argparse.Namespace, specs: Specs) -> None:
    from envd_magic.interactive.choose import configured
    from envd_magic.interactive.settings import DEFAULTS
    from envd_magic.magic import EnvdMagic

    settings = next(one for one in shell.configurables if isinstance(one, EnvdMagic))
    specs = configured(specs, options, settings)
    if options.variable and not getattr(options, "dry_run", False):
        shell.user_ns[options.variable] = specs.value
    own = {name: value for name in DEFAULTS if (value := getattr(settings, name)) is not None}
    data = base64.b64encode(pickle.dumps((options, own, specs))).decode()
    _gathered.append({"line": line, "pickle": data})


def hand_out() -> None:
    """Hand out what was kept since the last time, from a cell that no magic captures."""
    from IPython.display import display

    display({MIME: list(_gathered), "text/plain": "ImageSpecs"}, raw=True)
    _gathered.clear()
