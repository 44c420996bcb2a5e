"""Which troubles with a registry may pass by themselves: connections, and answers of 5xx."""

from __future__ import annotations

import re

#: What is said of the engine itself, which another try finds gone as well.
ENGINE_GONE = "the Docker engine does not answer"
#: What is said where the engine has tried by itself, for most of a minute.
TRIED = "the engine has tried again and again"
#: What is said where nothing came for minutes: nobody waits as long again.
SILENT = "has been silent for too long"
# As Go's net/http and the engine say it, and registries after
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes.
_PASSING = re.compile(
    r"connection (?:refused|reset|timed out|aborted)|broken pipe|\bEOF\b|i/o timeout|"
    r"timed out|TLS handshake timeout|Client\.Timeout|deadline exceeded|no route to host|"
    r"network is unreachable|server misbehaving|temporary failure|too ?many ?requests|"
    # A registry's own word for a trouble of its own, where the answer has JSON.
    r": unknown: |"
    r"\b(?:status(?: code)?|HTTP(?: status)?):? (?:429|5\d\d)\b|"
    r": (?:429|5\d\d)\b|"
    r"\b5\d\d (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)",
    re.IGNORECASE,
)


def is_passing(text: str) -> bool:
    """Is what was said a trouble with a registry that another try may not meet?"""
    if any(one in text for one in (ENGINE_GONE, TRIED, SILENT)):
        return False
    return _PASSING.search(text) is not None
