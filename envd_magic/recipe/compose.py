"""From an ImageSpec to a recipe: pure, once the files that the spec names were read."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from envd_magic.errors import SpecError
from envd_magic.recipe.files import FIELD_OF
from envd_magic.recipe.inputs import read_inputs
from envd_magic.recipe.install import install_step, step_header
from envd_magic.recipe.model import DEFAULT_PATH, FileEntry, Finish, Recipe, Rule
from envd_magic.recipe.quoting import exports, run_script, starlark, starlark_list
from envd_magic.spec.checks import split_platforms
from envd_magic.spec.problems import Problem
from envd_magic.spec.tag import image_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flytekit import ImageSpec

    from envd_magic.recipe.inputs import Inputs

# Where `install.python` puts its environment; a base image's own Python would come before it.
_CONDA_PATH = ("/opt/conda/envs/envd/bin", "/opt/conda/bin")
_LONGEST_COMMANDS = 125_000
#: What the step of several commands prints at its end if one failed: its number, its exit status.
COMMAND_FAILED = re.compile(r"^\(command (\d+) of \d+ ended with exit code (\d+)\)$")


@dataclass(frozen=True)
class Base:
    """What is known of the base image.

    Parameters
    ----------
    name
        The name to start from.
    env
        The base image's variables.
    python
        The version of its Python, as "3.11.2"; None if that is not known.
    """

    name: str
    env: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None


def compose(
    spec: ImageSpec,
    base: Base | None = None,
    *,
    finished: bool = True,
    inputs: Inputs | None = None,
) -> Recipe:
    """Make the recipe of a spec.

    Parameters
    ----------
    spec
        Not changed.
    base
        The base image where it was looked at; else its name is taken from the spec, and the
        steps are written without the variables that it brings.
    finished
        False where no engine will finish the image: envd is then told to set what it can.
    inputs
        The spec's files, where they were read; then nothing is read now.

    Raises
    ------
    SpecError
        If anything in the spec cannot be honoured.
    """
    inputs = inputs or read_inputs(spec)
    base = base or Base(base_name(spec))
    own = needs_python(spec, base.python)
    first = _CONDA_PATH if own else ()
    inherited = _with_path_first(base.env, first)
    install = install_step(spec, exports(inherited), inputs)
    files = {**inputs.files, **install.files}
    rules = [*_system(spec, own=own), *install.rules, *_copies(files), *_commands(spec, inherited)]
    env = image_env(spec, base.env)
    if not finished:
        rules += [*_entrypoint(spec), _environ(env)]
    entrypoint = None if spec.entrypoint is None else tuple(spec.entrypoint)
    finish = Finish(env, entrypoint, path_first=first)
    if not rules:
        # envd has nothing to solve for a bare base image.
        rules.append(Rule(("name",), "pass"))
    return Recipe(
        image=inputs.image,
        base=base.name,
        platforms=tuple(split_platforms(spec.platform)),
        rules=tuple(rules),
        files=files,
        finish=finish,
        registry_config=inputs.registry_config,
        warnings=(*inputs.warnings, *install.warnings),
    )


def base_name(spec: ImageSpec) -> str:
    """Give the name of the image to start from.

    Raises
    ------
    SpecError
        If the spec names none and flytekit has no default image for this Python.
    """
    if spec.cuda:
        # What envd puts its own CUDA image in place of.
        return "ubuntu:20.04"
    if isinstance(spec.base_image, str):
        return spec.base_image
    if spec.base_image is not None:
        return image_name(spec.base_image)
    from flytekit.configuration.default_images import DefaultImages

    try:
        return str(DefaultImages.default_image())
    except (ValueError, KeyError) as error:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SpecError(
            Problem("base_image", f"flytekit has no default image for Python {version}; name one")
        ) from error


def image_env(spec: ImageSpec, base_env: Mapping[str, str]) -> dict[str, str]:
    """Give the variables that the image gets beside its base's: flytekit's, then the spec's."""
    inherited = base_env.get("PYTHONPATH")
    if inherited is None:
        pythonpath = "/root:"
    elif "/root" in inherited.split(":"):
        pythonpath = inherited
    else:
        pythonpath = f"/root:{inherited}"
    return {"PYTHONPATH": pythonpath, **(spec.env or {}), "_F_IMG_ID": spec.id}


def _with_path_first(env: Mapping[str, str], first: tuple[str, ...]) -> dict[str, str]:
    """Give the base image's variables as steps see them.

    The id of a spec is none of them: it changes with every edit, and would run every step again.
    """
    env = {name: value for name, value in env.items() if name != "_F_IMG_ID"}
    if not first:
        return env
    path = env.get("PATH") or DEFAULT_PATH
    return {**env, "PATH": ":".join((*first, path))}


def needs_python(spec: ImageSpec, has: str | None) -> bool:
    """Does the image need an environment with a Python of its own?

    Parameters
    ----------
    spec
        A spec that passed validation.
    has
        The version of the base image's Python; None if that is not known.
    """
    if spec.conda_packages or spec.cuda:
        return True
    # The base image's own, with all that is installed for it, is the one that is asked for.
    return bool(spec.python_version) and not f"{has}.".startswith(f"{spec.python_version}.")


def apt_rule(packages: Sequence[str]) -> Rule:
    """Give the rule that installs packages of the system."""
    text = f"install.apt_packages(name={starlark_list(packages)})"
    return Rule(("apt_packages",), text, f"apt-get install {' '.join(packages)}", installs=True)


def _system(spec: ImageSpec, *, own: bool) -> list[Rule]:
    """What envd itself installs."""
    rules = []
    if spec.apt_packages:
        rules.append(apt_rule(spec.apt_packages))
    if spec.conda_packages:
        text = "install.conda(use_mamba=True)"
        rules.append(Rule(("conda_packages",), text, "install micromamba", installs=True))
    if own:
        # envd makes the environment for conda packages in `install.python`, and only there.
        version = spec.python_version or f"{sys.version_info.major}.{sys.version_info.minor}"
        source = "python_version" if spec.python_version else "conda_packages"
        text = f"install.python(version={starlark(version)})"
        rules.append(Rule((source,), text, f"create envd python {version}", installs=True))
    if spec.conda_packages:
        # envd splits the line into words without a shell: single quotes hold an item together.
        names = starlark_list(_word(item) for item in spec.conda_packages)
        channels = spec.conda_channels or []
        channel = f", channel={starlark_list(channels)}" if channels else ""
        text = f"install.conda_packages(name={names}{channel})"
        detail = f"conda install {' '.join(spec.conda_packages)}"
        rules.append(Rule(("conda_packages", "conda_channels"), text, detail, installs=True))
    if spec.cuda:
        cudnn = f", cudnn={starlark(spec.cudnn)}" if spec.cudnn else ""
        text = f"install.cuda(version={starlark(spec.cuda)}{cudnn})"
        rules.append(Rule(("cuda", "cudnn"), text, f"install CUDA {spec.cuda}", installs=True))
    return rules


def _word(item: str) -> str:
    return f"'{item}'" if any(char in item for char in " <>!|*~") else item


def _copies(files: Mapping[str, FileEntry]) -> list[Rule]:
    rules = []
    for folder, name in FIELD_OF.items():
        inside = sum(
            entry.source is not None
            for path, entry in files.items()
            if path.startswith(f"{folder}/")
        )
        if f"{folder}/root" in files:
            text = f'io.copy(source="{folder}/root", target="/")'
            detail = f"copy {inside} file{'' if inside == 1 else 's'}"
            rules.append(Rule((name,), text, detail, reads=folder))
    return rules


def _commands(spec: ImageSpec, inherited: Mapping[str, str]) -> list[Rule]:
    if not spec.commands:
        return []
    variables = {**inherited, **image_env(spec, inherited)}
    del variables["_F_IMG_ID"]
    script = step_header(("commands",)) + exports(variables)
    script += _numbered(spec.commands)
    if len(script.encode()) > _LONGEST_COMMANDS:
        raise SpecError(
            Problem("commands", "are longer than Linux takes (128 KiB); copy a script and run that")
        )
    count = len(spec.commands)
    detail = f"run {count} command{'' if count == 1 else 's'}"
    return [Rule(("commands",), f"run(commands=[{run_script(script)}])", detail)]


def _entrypoint(spec: ImageSpec) -> list[Rule]:
    if not spec.entrypoint:
        return []
    return [Rule(("entrypoint",), f"config.entrypoint(args={starlark_list(spec.entrypoint)})")]


def _numbered(commands: Sequence[str]) -> str:
    """Give lines of bash that run commands, and say which one failed where they are several.

    :data:`COMMAND_FAILED` reads what they say.
    """
    if len(commands) == 1:
        return f"{commands[0]}\n"
    said = f"(command $__command of {len(commands)} ended with exit code $__code)"
    trap = f"trap '__code=$?; [ $__code = 0 ] || echo \"{said}\" >&2' EXIT\n"
    lines = [f"__command={number}\n{command}\n" for number, command in enumerate(commands, 1)]
    return "".join([trap, *lines])


def _environ(env: Mapping[str, str]) -> Rule:
    pairs = ", ".join(f"{starlark(name)}: {starlark(value)}" for name, value in env.items())
    return Rule(("env",), f"runtime.environ(env={{{pairs}}})")
