"""Are there known vulnerabilities in what is installed? ``make audit``.

pip-audit asks PyPI's service, then OSV's. It calls a package that the service does not know
"skipped", and of nothing but such packages says that no vulnerability is known: here that is
"not audited". A service that cannot be reached fails no build.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from typing import Any, NamedTuple

_SERVICES = ("pypi", "osv")
_PATIENCE = 300


class Audit(NamedTuple):
    """What a service says: packages that it knows, those that it does not, and findings."""

    known: int
    unknown: int
    found: list[str]


def ask(program: str, service: str) -> Audit | str:
    """Let pip-audit ask a service; give why there is no answer where there is none."""
    words = ["--path", sysconfig.get_path("purelib"), "--vulnerability-service", service]
    words += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return f"it took longer than {_PATIENCE} seconds"
    except (ValueError, KeyError):
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    known = [one for one in packages if "skip_reason" not in one]
    return Audit(len(known), len(packages) - len(known), [t for one in known for t in _found(one)])


def _found(package: dict[str, Any]) -> list[str]:
    return [
        f"{package['name']} {package['version']}: {one['id']}, mended in "
        f"{', '.join(one['fix_versions']) or 'no version yet'}"
        for one in package["vulns"]
    ]


def main(program: str) -> int:
    """Audit; 1 if something is found."""
    for service in _SERVICES:
        answer = ask(program, service)
        if isinstance(answer, str):
            print(f"{service}: not reached: {answer}")
        elif not answer.known:
            print(f"{service}: not audited: it knows none of {answer.unknown} packages")
        else:
            print(*answer.found, sep="\n", end="\n" * bool(answer.found))
            print(
                f"{service}: {answer.known} packages audited, {answer.unknown} not known to it, "
                f"vulnerabilities: {len(answer.found)}"
            )
            return 1 if answer.found else 0
    print("Nothing was audited; this is no failure, and no all-clear.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
