"""The lab by hand: ``python -m tests.lab up|down|status|env|reset``."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys

from . import LabError, down, environment, reset, status, up

_ACTIONS = {
    "up": "bring up what is missing",
    "down": "end what was started; the base image's tar stays",
    "status": "say what runs",
    "env": 'print the variables for a shell: eval "$(python -m tests.lab env)"',
    "reset": "down, and delete everything",
}


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in _ACTIONS.items():
        actions.add_parser(name, help=text)
    action = parser.parse_args().action
    logging.basicConfig(level=logging.INFO, format="lab: %(message)s")
    try:
        sys.stdout.write(_act(action))
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    return 0


def _act(action: str) -> str:
    if action == "up":
        up()
        return str(status())
    if action == "down":
        return "" if down() else "nothing was up\n"
    if action == "status":
        return str(status())
    if action == "env":
        return _exports()
    reset()
    return ""


def _exports() -> str:
    env = environment()
    if env is None:
        raise LabError("not up")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())


if __name__ == "__main__":
    sys.exit(main())
