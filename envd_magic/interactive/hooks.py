"""What is hung into a shell beside the magics, and taken away again: completion and help.

It is imported when the extension is loaded, so what it hangs in imports the rest at its first use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_IDENTIFIER = "envd_magic"
_ORIGINAL = "_envd_magic_do_inspect"
_EMPTY_CELL = re.compile(r"%%envd_build(\s.*)?")
_COMMAND_HELP = re.compile(r"(\s*%envd\s+\w+)\b[^\n]*?\s*\?\??\s*")


def install(shell: Any) -> None:
    """Hang all of it into a shell."""
    from IPython.core.completer import context_matcher

    @context_matcher(identifier=_IDENTIFIER)
    def matcher(context: Any) -> Any:
        from envd_magic.interactive.completion import Completion

        return Completion(shell).match(context)

    shell.Completer.custom_matchers.append(matcher)
    # Before IPython's own look at the lines.
    shell.input_transformers_cleanup.insert(0, asked)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        _inspect_fields(kernel)


def remove(shell: Any) -> None:
    """Take all of it away."""
    shell.Completer.custom_matchers[:] = [
        matcher
        for matcher in shell.Completer.custom_matchers
        if getattr(matcher, "matcher_identifier", "") != _IDENTIFIER
    ]
    if asked in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(asked)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and hasattr(kernel, _ORIGINAL):
        del kernel.do_inspect
        delattr(kernel, _ORIGINAL)


def asked(lines: list[str]) -> list[str]:
    """Let questions reach the magics that IPython would answer itself.

    For ``%envd build?`` it would look for ``build``, and it refuses cell magics without a body:
    ``%%envd_build --help``.
    """
    if len(lines) != 1:
        return lines
    if match := _COMMAND_HELP.fullmatch(lines[0]):
        return [f"{match[1]} --help\n"]
    if _EMPTY_CELL.fullmatch(lines[0].rstrip("\n")):
        return [f"{lines[0].rstrip()}\n", "\n"]
    return lines


def _inspect_fields(kernel: Any) -> None:
    """Let the kernel answer for fields as well."""
    original: Callable[..., Any] = kernel.do_inspect

    def do_inspect(code: str, cursor_pos: int, *args: Any, **kwargs: Any) -> Any:
        from envd_magic.interactive.hover import help_at

        text = help_at(code, cursor_pos)
        if text is None:
            return original(code, cursor_pos, *args, **kwargs)
        return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}

    setattr(kernel, _ORIGINAL, original)
    kernel.do_inspect = do_inspect
