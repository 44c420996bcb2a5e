"""The rules, by where a build failed; the first that fits counts.

To add one: let the failure happen as a case of ``tests/corpus/first``, record it, write the rule,
and put another failure of the kind into ``tests/corpus/holdout``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.diagnosis.rules import (
    commands,
    debian,
    images,
    machine,
    native,
    packages,
    refused,
    sources,
)

if TYPE_CHECKING:
    from envd_magic.diagnosis.model import Failure
    from envd_magic.diagnosis.rule import Rule

_OF_ERROR: dict[str, tuple[Rule, ...]] = {
    "SpecError": refused.RULES,
    "VerifyError": refused.DIFFERS,
    "BaseImageError": (*images.BASE, *machine.RULES),
    "PushError": (*images.PUSH, *machine.RULES),
    "BootstrapError": (*machine.BOOTSTRAP, *machine.RULES),
}
_OF_FIELD: dict[str, tuple[Rule, ...]] = {
    "packages": (*sources.RULES, *packages.BEFORE, *native.RULES, *packages.RULES),
    "requirements": (*sources.RULES, *packages.BEFORE, *native.RULES, *packages.RULES),
    "apt_packages": debian.RULES,
    "commands": commands.RULES,
    "base_image": images.STEP,
    "conda_packages": images.STEP,
    "python_version": images.STEP,
}


def rules_for(failure: Failure) -> tuple[Rule, ...]:
    """Give the rules for a failure, in the order in which they are tried."""
    for error in failure.error:
        if error in _OF_ERROR:
            return _OF_ERROR[error]
    if not failure.step:
        return machine.RULES
    own = _OF_FIELD.get(failure.field, ())
    return (*commands.BEGINNING, *own, *commands.ANY_STEP, *machine.RULES)
