"""The texts of an image beside its files: variables, labels, history and other settings; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.recipe.marks import MARK, field_of
from envd_magic.verification.layers import GRAPH_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from envd_magic.verification.sought import Sought

# A container's settings that the engine keeps of what has made an image.
_CONFIGS = {"Config": "", "ContainerConfig": " of the container that it was made in"}
_OTHERS = ("Comment", "Author")


@dataclass(frozen=True)
class Place:
    """A text of an image.

    Parameters
    ----------
    name
        Where it stands, in words.
    text
        All of it.
    variable
        The variable whose value it is, "" if it is none's.
    of_step
        Is it what a step of the build was told, its variables among it?
    """

    name: str
    text: str
    variable: str = ""
    of_step: bool = False

    def may_hold(self, secret: Sought) -> bool:
        """Is the value of a variable to be expected here?"""
        if not secret.variable:
            return False
        return self.of_step or self.variable == secret.variable


def places(inspected: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> Iterator[Place]:
    """Give all texts of an image.

    Parameters
    ----------
    inspected
        As the engine inspects it.
    history
        As the engine has it, the newest first.
    """
    for name, whose in _CONFIGS.items():
        yield from _config(inspected.get(name) or {}, whose)
    for name in _OTHERS:
        if inspected.get(name):
            yield Place(f"the image's {name.lower()}", str(inspected[name]))
    count = len(history)
    for number, one in enumerate(reversed(history), 1):
        text = "\n".join(str(one.get(key) or "") for key in ("CreatedBy", "Comment"))
        field = field_of(text)
        told = f"the history, entry {number} of {count}" + (f" ({field})" if field else "")
        yield Place(told, text, of_step=MARK.search(text) is not None)


def _config(config: Mapping[str, Any], whose: str) -> Iterator[Place]:
    for item in config.get("Env") or ():
        name, _, _ = item.partition("=")
        yield Place(f"the variable {name}{whose}", item, variable=name)
    for name, value in (config.get("Labels") or {}).items():
        yield Place(f"the label {name}{whose}", f"{name}={value}", of_step=name == GRAPH_LABEL)
    for name, value in config.items():
        if value and name not in ("Env", "Labels"):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield Place(f"the setting {name}{whose}", text)
