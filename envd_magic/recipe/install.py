"""The install step of a recipe: what the installer in the build is asked for."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.errors import SpecError
from envd_magic.recipe.installer import installer_source
from envd_magic.recipe.installer.options import NotForUvError, argument_settings, uv_options
from envd_magic.recipe.model import MOUNTED_AT, SECRETS, FileEntry, Rule
from envd_magic.recipe.quoting import exports, heredoc, heredoc_word, run_script
from envd_magic.spec.problems import Problem
from envd_magic.spec.requirement import requirement_name
from envd_magic.spec.secrets import has_login, urls_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flytekit import ImageSpec

    from envd_magic.recipe.inputs import Inputs
    from envd_magic.spec.requirements import Requirements

# Variables of a spec that steer an installer; the others stay out of its step, so that a changed
# value does not install everything again.
_INSTALLER_VARIABLES = ("PIP_", "UV_", "SSL_CERT_", "CFLAGS", "CXXFLAGS", "LDFLAGS", "CMAKE_")
_INSTALLER_NAMES = {"CC", "CXX", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "MAKEFLAGS"} | {
    name
    for proxy in ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
    for name in (proxy, proxy.upper())
}
# Linux takes no argument over 128 KiB (MAX_ARG_STRLEN); what is longer travels as a file.
_LONGEST_SCRIPT = 100_000
_COPIED = "copy the installer, for the next step only"
_STAGED = "install"
_STAGED_AT = "/var/tmp/envd_magic"  # noqa: S108 - in the image, until the step has run


@dataclass
class Install:
    """The install step as a value.

    Parameters
    ----------
    rules
        None, or the copy of the installer and the run that uses it and takes it away.
    files
        What goes into the build folder for it.
    credentials
        URLs with credentials, from wherever they stood.
    warnings
        What is known of the step before it runs: it may come from the cache, and say nothing.
    """

    rules: list[Rule] = field(default_factory=list)
    files: dict[str, FileEntry] = field(default_factory=dict)
    credentials: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def install_step(spec: ImageSpec, before: str, inputs: Inputs) -> Install:
    """Make the step that installs a spec's packages and requirements.

    Parameters
    ----------
    spec
        A spec that passed validation.
    before
        Bash that goes before it: the base image's variables.
    inputs
        The spec's files.

    Raises
    ------
    SpecError
        If the requirements file has a line that cannot be honoured.
    """
    step = Install()
    packages = [item.strip() for item in spec.packages or []]
    requirements = inputs.requirements
    if not packages and not requirements.files:
        return step
    step.credentials = requirements.credentials + [
        url
        for item in (*packages, spec.pip_index or "", *(spec.pip_extra_index_url or []))
        for url in urls_in(item)
        if has_login(url)
    ]
    step.credentials += [url for url in urls_in(spec.pip_extra_args or "") if has_login(url)]
    asked = _question(spec, packages, requirements)
    if (because := asked.get("pip_because")) and _installer(spec) != "pip":
        step.warnings.append(f"pip installs, since {because}")
    fields = tuple(name for name in ("packages", "requirements") if getattr(spec, name) is not None)
    step.files[f"{_STAGED}/installer.py"] = FileEntry(data=installer_source().encode())
    copy = f'io.copy(source="{_STAGED}", target="{_STAGED_AT}")'
    step.rules.append(Rule(fields, copy, _COPIED, installs=True, reads=_STAGED))
    before += exports(_steering(spec))
    if step.credentials or spec.pip_secret_mounts:
        _mounted(step, asked, spec, inputs.mounted)
        text = _script(fields, before, f"{MOUNTED_AT}/{SECRETS}/asked.json", "")
        rule, reads = f"run(commands=[{run_script(text)}], mount_host=True)", "."
    else:
        question = json.dumps(asked, indent=1, ensure_ascii=False)
        text = _script(fields, before, "/dev/fd/3", question)
        if len(text.encode()) > _LONGEST_SCRIPT:
            step.files[f"{_STAGED}/asked.json"] = FileEntry(data=question.encode())
            text = _script(fields, before, f"{_STAGED_AT}/asked.json", "")
        rule, reads = f"run(commands=[{run_script(text)}])", ""
    count = len(packages)
    detail = [f"{count} package{'' if count == 1 else 's'}"] if count else []
    detail += [Path(spec.requirements).name] if spec.requirements else []
    words = f"install {' and '.join(detail)}"
    step.rules.append(Rule(fields, rule, words, installs=True, reads=reads))
    if f"{SECRETS}/asked.json" in step.files:
        # Where something is mounted cannot be taken away until the next run.
        secret = ("pip_secret_mounts" if spec.pip_secret_mounts else "pip_index",)
        rule = f"run(commands=[{run_script(step_header(secret))}])"
        step.rules.append(Rule(secret, rule, "take the mount point away", installs=True))
    return step


def _question(spec: ImageSpec, packages: list[str], requirements: Requirements) -> dict[str, Any]:
    """What the installer reads."""
    files = dict(requirements.files)
    if packages:
        files["packages.txt"] = "".join(f"{item}\n" for item in packages)
    words = [["-r", name] for name in (requirements.files and [requirements.main]) or []]
    words += [["-r", "packages.txt"]] if packages else []
    # With hashes in one of them, pip would ask for hashes of all that is in the same call.
    if requirements.hashed:
        # pip asks for all hashes where one is given, uv where it is told to.
        installs = [[*words[0], "--require-hashes"], *words[1:]]
    else:
        installs = [[word for pair in words for word in pair]]
    names = [requirement_name(item) for item in packages] + requirements.names
    asked = {
        "files": files,
        "installs": [" ".join(words) for words in installs],
        "index": spec.pip_index,
        "extra_index": spec.pip_extra_index_url,
        "names": names,
        "arguments": _arguments(spec),
        "pip_because": _pip_because(spec, requirements),
        "own_index": requirements.own_index,
        "uv_variables": [name for name in _steering(spec) if name.startswith("UV_")],
    }
    return {name: value for name, value in asked.items() if value}


def _installer(spec: ImageSpec) -> str:
    return str((spec.builder_options or {}).get("installer", "uv"))


def _arguments(spec: ImageSpec) -> list[str]:
    """Give the further arguments.

    Raises
    ------
    SpecError
        If one of them is a requirement: that is known only where options and values are.
    """
    words = shlex.split(spec.pip_extra_args or "")
    for name, value in argument_settings(words):
        if not name:
            message = "is no option; packages go into `packages`"
            raise SpecError(Problem("pip_extra_args", message, value))
    return words


def _pip_because(spec: ImageSpec, requirements: Requirements) -> str | None:
    """Say why pip has to install, as far as the spec itself tells, with the field."""
    if _installer(spec) == "pip":
        return "installer=pip"
    if requirements.own_index and (spec.pip_index or spec.pip_extra_index_url):
        return f"requirements: {requirements.own_index}, in place of the spec's indexes"
    if requirements.pip_only:
        return f"requirements: {requirements.pip_only}"
    variables = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in _steering(spec).items()
        if name.startswith("PIP_")
    }
    settings = {
        "env": list(variables.items()),
        "pip_extra_args": argument_settings(_arguments(spec)),
    }
    source = ""
    try:
        for source, found in settings.items():  # noqa: B007 - the one that fails is told
            uv_options(found)
    except NotForUvError as reason:
        return f"{source}: {reason}"
    return None


def _mounted(
    step: Install, asked: dict[str, Any], spec: ImageSpec, contents: Sequence[bytes]
) -> None:
    """Put what is secret into files that are mounted for the step and in no layer."""
    asked["secrets"] = []
    targets = [target for _, target in spec.pip_secret_mounts or ()]
    for number, (content, target) in enumerate(zip(contents, targets, strict=True)):
        step.files[f"{SECRETS}/{number}"] = FileEntry(data=content, mode=0o600)
        asked["secrets"].append([f"{MOUNTED_AT}/{SECRETS}/{number}", target])
    step.files[f"{SECRETS}/asked.json"] = FileEntry(data=json.dumps(asked).encode(), mode=0o600)


def is_steering(name: str) -> bool:
    """Does a variable of this name steer an installer?"""
    return name.startswith(_INSTALLER_VARIABLES) or name in _INSTALLER_NAMES


def _steering(spec: ImageSpec) -> dict[str, str]:
    return {name: value for name, value in (spec.env or {}).items() if is_steering(name)}


def _script(fields: tuple[str, ...], before: str, path: str, question: str) -> str:
    word = heredoc_word(question, "ASKED")
    opened = f" 3<<'{word}'" if question else ""
    return (
        step_header(fields)
        + before
        + f'trap "rm -rf {_STAGED_AT}" EXIT\n'
        + "python=$(command -v python || command -v python3) ||\n"
        + '  { echo "envd_magic: the base image has no Python; set python_version" >&2; exit 1; }\n'
        + f'"$python" {_STAGED_AT}/installer.py {path}{opened}\n'
        + (heredoc(question, word) if question else "")
    )


def step_header(fields: Iterable[str]) -> str:
    """First lines of every run: a mark that tells the step's fields, and away from envd's folder.

    envd makes a folder for each run to stand in, and leaves it in the image; it goes here.
    """
    return (
        f"# envd_magic: {', '.join(fields)}\n"
        f"cd /root 2>/dev/null || cd /\nrmdir {MOUNTED_AT} /home/envd 2>/dev/null || true\n"
    )
