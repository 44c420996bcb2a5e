"""Run inside the build by the base image's Python: install what is asked, leave nothing else.

This file is not imported by the package: a recipe copies it into the build for its install step.
It has to run on any Python 3.7 or later, with nothing but pip beside it.

uv installs, told to choose what pip would choose in this base image: with pip's configuration,
for the Python that comes first on PATH, the best version of all indexes. Where uv cannot do
that, pip does, and a line that starts with "envd_magic: " says why.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SHORT = {"-U": "--upgrade", "-i": "--index-url", "-f": "--find-links", "-c": "--constraint"}
# Settings of pip that change nothing about what is installed.
NEUTRAL = set(
    "disable-pip-version-check no-input progress-bar quiet verbose no-color cache-dir log compile"
    " no-warn-script-location root-user-action no-cache-dir exists-action no-warn-conflicts"
    " no-python-version-warning break-system-packages default-timeout".split()
)
# Settings that uv has under a name of its own, or the same.
FLAGS = {"pre": ["--prerelease", "allow"], "no-index": ["--no-index"], "no-deps": ["--no-deps"]}
FLAGS.update(
    {name: ["--" + name] for name in ("upgrade", "no-build-isolation", "require-hashes")}
)
FLAGS["force-reinstall"] = ["--reinstall"]
VALUES = {"find-links": "--find-links", "trusted-host": "--allow-insecure-host"}
VALUES.update(
    {"no-binary": "--no-binary", "only-binary": "--only-binary", "constraint": "--constraint"}
)
ENVIRON = {"cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT", "timeout": "UV_HTTP_TIMEOUT"}
ENVIRON["retries"] = "UV_HTTP_RETRIES"
UNABLE = re.compile(r"No solution found|unexpected argument|is not supported|Unsupported")


class NotForUv(Exception):
    """uv would do something else than pip."""


def say(text):
    print("envd_magic: " + text, flush=True)


def pip_settings():
    """pip's own settings in this base image: a list of (option, value)."""
    run = [sys.executable, "-m", "pip", "config", "list"]
    output = subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout.decode()
    found = {}
    for section in ("global", "install", ":env:"):
        for line in output.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section + "."):
                found[name[len(section) + 1 :]] = ast.literal_eval(value)
    return [(name.replace("_", "-"), value) for name, value in found.items()]


def argument_settings(words):
    """Arguments of pip install, in the same form."""
    words, found = list(words), []
    while words:
        word, equals, value = words.pop(0).partition("=")
        name = SHORT.get(word, word)[2:]
        if name in FLAGS or (name in NEUTRAL and name not in ("cache-dir", "progress-bar", "log")):
            found.append((name, "true"))
        else:
            found.append((name or word, value if equals else words.pop(0) if words else ""))
    return found


def uv_options(settings):
    """Say what pip's settings are for uv: (arguments, variables)."""
    arguments, environ = [], {}
    for name, value in settings:
        if name in ("index-url", "extra-index-url") or name in NEUTRAL:
            continue
        if name in FLAGS:
            if value.lower() in ("1", "true", "yes", "on"):
                arguments += FLAGS[name]
        elif name in VALUES:
            for item in value.replace(",", " ").split() if "binary" in name else value.split():
                arguments += [VALUES[name], item]
        elif name in ENVIRON:
            environ[ENVIRON[name]] = value
        elif name == "proxy":
            environ.update({"HTTP_PROXY": value, "HTTPS_PROXY": value})
        else:
            raise NotForUv("uv has nothing like pip's " + name)
    return arguments, environ


def indexes(settings, asked):
    """Index and further indexes, as pip would put them together."""
    first, further = None, []
    for name, value in settings + [("index-url", asked.get("index"))]:
        first = value if name == "index-url" and value else first
    for name, value in settings:
        further += value.split() if name == "extra-index-url" else []
    return first, further + asked.get("extra_index", [])


def hidden_packages(uv, environ):
    """Packages that Python sees and uv does not (Debian's own), as {name: version}."""
    try:
        from importlib.metadata import distributions
    except ImportError:
        return {}
    normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()  # noqa: E731
    run = [uv, "pip", "list", "--python", sys.executable, "--format", "json", "--no-config", "-q"]
    listed = json.loads(subprocess.run(run, env=environ, stdout=subprocess.PIPE, check=True).stdout)
    seen = {normal(item["name"]) for item in listed}
    found = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return {n: v for n, v in found.items() if normal(n) not in seen and "/" not in n}


def find_uv(work, environ, settings):
    """Get uv through pip's own settings and what was asked of it, beside everything else."""
    if subprocess.call([sys.executable, "-c", "import pip"], stderr=subprocess.DEVNULL) != 0:
        if shutil.which("uv"):
            return shutil.which("uv")
        sys.exit("envd_magic: the base image has neither pip nor uv for " + sys.executable)
    run = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    run += ["--target", work + "/uv", "--no-cache-dir", "--only-binary", ":all:", "uv>=0.8"]
    run += ["--retries", "1"]
    for name, value in settings:
        if name in ("trusted-host", "cert", "client-cert", "proxy", "find-links", "timeout"):
            run += ["--" + name, value]
    if subprocess.call(run, env=environ, stderr=subprocess.DEVNULL) != 0:
        raise NotForUv("uv is not to be had from these indexes")
    return work + "/uv/bin/uv"


def with_uv(work, asked, environ, settings):
    """Install with uv, or raise NotForUv before anything was changed."""
    if asked.get("pip_because"):
        raise NotForUv(asked.get("pip_because"))
    options, variables = uv_options(settings)
    environ = dict(environ, **variables)
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    if bundle:
        environ.setdefault("SSL_CERT_FILE", bundle)
    uv = find_uv(work, environ, argument_settings(asked.get("arguments", [])))
    first, further = indexes(settings, asked)
    if first:
        environ["UV_DEFAULT_INDEX"] = first
    # Of equal versions pip takes the last index's, uv the first's.
    if further:
        environ["UV_INDEX"] = " ".join(reversed(further))
    environ["UV_CACHE_DIR"] = work + "/cache"
    run = [uv, "pip", "install", "--python", sys.executable, "--break-system-packages"]
    run += ["--index-strategy", "unsafe-best-match", "--no-config", "--no-python-downloads"]
    run += ["--no-progress"] + options
    hidden = hidden_packages(uv, environ)
    if hidden:
        if "--upgrade" in run or "--reinstall" in run:
            raise NotForUv("uv does not see what the system's package manager installed")
        pins, names = work + "/hidden.txt", work + "/names.txt"
        with open(pins, "w") as file:
            file.writelines("%s==%s\n" % item for item in hidden.items())
        with open(names, "w") as file:
            file.writelines("%s\n" % name for name in hidden)
        for words in asked["installs"]:
            trial = run + ["--quiet", "--dry-run", "--constraint", pins]
            attempt(trial + words.split(), environ)
        run += ["--constraint", pins, "--excludes", names]
    for number, words in enumerate(asked["installs"]):
        attempt(run + ["--compile-bytecode"] + words.split(), environ, final=number > 0)


def attempt(run, environ, final=False):
    """Run uv; what it is unable to do is left to pip."""
    child = subprocess.Popen(run, env=environ, stderr=subprocess.STDOUT, stdout=subprocess.PIPE)
    lines = []
    for raw in child.stdout:
        lines.append(raw.decode("utf-8", "replace"))
        if "--dry-run" not in run:
            print(lines[-1], end="", flush=True)
    if child.wait() == 0:
        return
    text = "".join(lines)
    if UNABLE.search(text) and not final:
        raise NotForUv("uv found no solution: " + " ".join(text.split())[:300])
    print(text if "--dry-run" in run else "", end="", flush=True)
    sys.exit(child.returncode)


def with_pip(asked, environ):
    run = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-input"]
    for words in asked["installs"]:
        code = subprocess.call(run + asked.get("arguments", []) + words.split(), env=environ)
        if code:
            sys.exit(code)


def lend(source, target, work):
    """Put a secret file in its place; give what takes it away again, without a trace."""
    folder, made = os.path.dirname(target), []
    while not os.path.isdir(folder):
        made.append(folder)
        folder = os.path.dirname(folder)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    kept = tempfile.mktemp(dir=work) if os.path.lexists(target) else None
    if kept:
        shutil.move(target, kept)
    shutil.copyfile(source, target)
    os.chmod(target, 0o600)

    def take_back():
        os.remove(target)
        if kept:
            shutil.move(kept, target)
        for path in made:
            if not os.listdir(path):
                os.rmdir(path)

    return take_back


def main(asked, work):
    undo = []
    try:
        for source, target in asked.get("secrets", []):
            undo.append(lend(source, target, work))
        install(asked, work)
    finally:
        for take_back in reversed(undo):
            take_back()


def install(asked, work):
    for name, text in asked["files"].items():
        with open(os.path.join(work, name), "w", encoding="utf-8") as file:
            file.write(text)
    os.chdir(work)
    environ = dict(os.environ, TMPDIR=work, PIP_ROOT_USER_ACTION="ignore")
    environ.update(PIP_BREAK_SYSTEM_PACKAGES="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    os.environ["PYTHONDONTWRITEBYTECODE"] = environ["PYTHONDONTWRITEBYTECODE"] = "1"
    settings = []
    if subprocess.call([sys.executable, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0:
        settings = pip_settings()
    settings += argument_settings(asked.get("arguments", []))
    first, further = indexes(settings, asked)
    # By the environment, since arguments can be read in the list of processes.
    if asked.get("index"):
        environ["PIP_INDEX_URL"] = first
    if asked.get("extra_index", []):
        environ["PIP_EXTRA_INDEX_URL"] = " ".join(further)
    try:
        with_uv(work, asked, environ, settings)
    except NotForUv as reason:
        if asked.get("pip_because") != "installer=pip":
            say("pip installs, since " + str(reason))
        with_pip(asked, environ)


if __name__ == "__main__":
    folder = tempfile.mkdtemp()
    try:
        with open(sys.argv[1], encoding="utf-8") as source:
            main(json.load(source), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
