"""In the kernel of a notebook that is run to learn its images: cells hand them out, none builds."""

from __future__ import annotations

import base64
import pickle
from typing import TYPE_CHECKING, Any

from envd_magic.headless.execute import MIME

if TYPE_CHECKING:
    from envd_magic.interactive.settings import Settings

# Commands of `%envd` that only look, and those that build; gathering specs needs none of them.
_NOT_RUN = frozenset(
    {"build", "builds", "cancel", "doctor", "images", "log", "panel", "preview", "run", "wait"}
)


def begin() -> None:
    """Let ``%envd`` build and show nothing from here on."""
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    shell.run_line_magic("load_ext", "envd_magic")
    run = shell.magics_manager.magics["line"]["envd"]

    def quiet(line: str) -> Any:
        return None if (line.split() or [""])[0] in _NOT_RUN else run(line)

    shell.magics_manager.magics["line"]["envd"] = quiet


def gather(line: str, text: str) -> None:
    """Evaluate a cell of ``%%envd_build``, bind its variable and hand out its specs."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    from envd_magic.interactive.choose import configured
    from envd_magic.interactive.options import build_parser, expanded
    from envd_magic.interactive.settings import project_settings
    from envd_magic.magic import EnvdMagic
    from envd_magic.shell import import_flytekit
    from envd_magic.spec.cell import below_magic, specs_from_cell
    from envd_magic.spec.yaml_form import specs_from_yaml

    shell: Any = get_ipython()
    import_flytekit(shell)
    options = build_parser().parse_line(expanded(line, shell.user_ns))
    text = below_magic(text)
    specs = specs_from_yaml(text) if options.yaml else specs_from_cell(text, shell.user_ns)
    own: Settings | None = next(
        (one for one in shell.configurables if isinstance(one, EnvdMagic)), None
    )
    specs = configured(specs, options, own or project_settings())
    if options.variable and not options.dry_run:
        shell.user_ns[options.variable] = specs.value
    data = base64.b64encode(pickle.dumps((options, specs))).decode()
    display({MIME: {"pickle": data}, "text/plain": "ImageSpecs"}, raw=True)
