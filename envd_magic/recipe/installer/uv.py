"""Installing with uv, told to choose what pip would choose in this base image.

A part of the installer.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from envd_magic.recipe.installer.installed import compilers, hidden_packages, normal, records, tidy
from envd_magic.recipe.installer.options import (
    TRUE,
    Environment,
    NotForUvError,
    Settings,
    argument_settings,
    has_pip,
    indexes,
    uv_options,
)

# What pip needs to reach an index, for fetching uv too.
REACHING = {"trusted-host", "cert", "client-cert", "proxy", "find-links", "timeout"}
# uv's words where it cannot do what is asked, or does not trust an index that pip may trust.
UNABLE = re.compile(
    r"No solution found|unexpected argument|is not supported|Unsupported|certificate|UnknownIssuer"
)
# One lost lookup among thousands is no reason to end a build: seconds until each further try.
LOST, PAUSES = re.compile(r"Temporary failure in name resolution"), (1, 3, 5)


def find_uv(work: Path, environment: Environment, arguments: list[str]) -> str:
    """Get uv as pip would get it here, beside everything else."""
    if not has_pip():
        found = shutil.which("uv")
        if found:
            return found
        sys.exit("envd_magic: the base image has neither pip nor uv for " + sys.executable)
    run = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    run += ["--target", str(work / "uv"), "--no-cache-dir", "--only-binary", ":all:", "uv>=0.8"]
    run += ["--retries", "2"]
    for name, value in argument_settings(arguments):
        run += ["--" + name, value] if name in REACHING else []
    code, text = heard(run, environment, quiet=True)
    if code != 0:
        raise NotForUvError("uv is not to be had here: " + "".join(text.strip().splitlines()[-1:]))
    return str(work / "uv/bin/uv")


def with_uv(
    work: Path, asked: dict[str, Any], environment: Environment, settings: Settings
) -> None:
    """Install with uv, or raise NotForUvError before anything was changed."""
    if asked.get("pip_because"):
        raise NotForUvError(asked["pip_because"])
    options, variables = uv_options(settings)
    if has_pip():
        # What the base image tells uv is nothing that its pip would have heard of.
        kept = asked.get("uv_variables", [])
        foreign = [name for name in environment if name.startswith("UV_") and name not in kept]
        environment = {name: environment[name] for name in environment if name not in foreign}
        options.append("--no-config")
    environment = {**environment, **variables, "UV_CACHE_DIR": str(work / "cache")}
    bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
    if bundle:
        environment.setdefault("SSL_CERT_FILE", bundle)
    first, further = indexes(settings, asked)
    if asked.get("own_index") and (first or further):
        raise NotForUvError(asked["own_index"] + ", in place of the base image's indexes")
    uv = find_uv(work, environment, asked.get("arguments", []))
    if first:
        environment["UV_DEFAULT_INDEX"] = first
    if further:
        # Of equal versions pip takes the last index's, uv the first's.
        environment["UV_INDEX"] = " ".join(reversed(further))
    run = [uv, "pip", "install", "--python", sys.executable, "--break-system-packages"]
    run += ["--index-strategy", "unsafe-best-match", "--no-python-downloads"]
    run += ["--no-progress", *options]
    run += upgraded(settings, asked)
    installs = planned(run, work, asked, environment)
    before = records()
    for number, words in enumerate(installs):
        attempt([*run, *words], environment, last=number > 0)
    new = [record for record, _ in records() - before]
    compiling = compilers(new, work)
    # Meanwhile: it takes its time too.
    shutil.rmtree(environment["UV_CACHE_DIR"], ignore_errors=True)
    for record in new:
        tidy(record, asked.get("names", [None]))
    for process in compiling:
        process.wait()


def upgraded(settings: Settings, asked: dict[str, Any]) -> list[str]:
    """Give options that upgrade what is named, as pip would, and not all that it depends on."""
    if dict(settings).get("upgrade", "false").lower() not in TRUE:
        return []
    if None in asked.get("names", [None]):
        raise NotForUvError("uv upgrades by name, and a URL has none")
    return [word for name in asked["names"] for word in ("--upgrade-package", name)]


def planned(
    run: list[str], work: Path, asked: dict[str, Any], environment: Environment
) -> list[list[str]]:
    """Give the arguments of each install; none installs again what uv does not see, as with pip."""
    installs = [words.split() for words in asked["installs"]]
    hidden = hidden_packages(run[0], environment)
    if not hidden:
        return installs
    renewed = {normal(name) for name in asked.get("names", []) if name}
    if "--reinstall" in run and "--no-deps" not in run:
        renewed.update(map(normal, hidden))
    if ("--reinstall" in run or "--upgrade-package" in run) and renewed & {*map(normal, hidden)}:
        raise NotForUvError("uv does not see what the system's package manager installed")
    pins, names = work / "hidden.txt", work / "names.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in hidden.items()))
    names.write_text("".join(f"{name}\n" for name in hidden))
    # An option takes the place of the variable, which the user may have set.
    files = [str(pins), *environment.get("UV_CONSTRAINT", "").split()]
    constraints = [word for file in files for word in ("--constraint", file)]
    trials = [[*run, "--dry-run", *constraints, *words] for words in installs]
    told = [attempt(trial, environment, quiet=True) for trial in trials]
    chosen = None if "--reinstall" in run else found_already(told[0], asked, hidden)
    if chosen:
        # To choose takes seconds where an index lets nothing be kept: once is enough.
        (work / "chosen.txt").write_text(chosen)
        return [[*([] if "--no-deps" in run else ["--no-deps"]), "-r", "chosen.txt"]]
    return [[*constraints, "--excludes", str(names), *words] for words in installs]


def found_already(told: str, asked: dict[str, Any], hidden: dict[str, str]) -> str:
    """Give what a trial chose as requirements; "" where versions do not say all of it."""
    options = re.search(r"^\s*-|--hash", "\n".join(asked["files"].values()), re.MULTILINE)
    if options or len(asked["installs"]) > 1 or asked.get("uv_variables"):
        return ""
    lines = [line[3:] for line in told.splitlines() if re.match(r" [+~] ", line)]
    pairs = [line.partition("==")[::2] for line in lines]
    if not all(version and " " not in name + version for name, version in pairs):
        return ""
    seen = {*map(normal, hidden)}
    print(*(line for line in told.splitlines() if line.startswith("Resolved")), flush=True)
    return "".join(f"{name}=={version}\n" for name, version in pairs if normal(name) not in seen)


def attempt(
    run: list[str], environment: Environment, *, quiet: bool = False, last: bool = False
) -> str:
    """Run uv and give what it said; where it finds no way pip goes on, if nothing is done yet."""
    code, text = heard(run, environment, quiet=quiet)
    if code == 0:
        return text
    if UNABLE.search(text) and not last:
        raise NotForUvError("uv finds no way: " + " ".join(text.split())[:1000])
    if quiet:
        print(text, end="", flush=True)
    sys.exit(code)


def heard(run: list[str], environment: Environment, *, quiet: bool) -> tuple[int, str]:
    """Run a program, again if a name server was silent; give its exit code and what it said."""
    code, text = once(run, environment, quiet=quiet)
    for pause in PAUSES:
        if code == 0 or not LOST.search(text):
            break
        time.sleep(pause)
        code, text = once(run, environment, quiet=quiet)
    return code, text


def once(run: list[str], environment: Environment, *, quiet: bool) -> tuple[int, str]:
    """Run a program; give its exit code and what it said."""
    child = subprocess.Popen(
        run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    text = ""
    for line in child.stdout or ():
        text += line
        if not quiet:
            print(line, end="", flush=True)
    return child.wait(), text
