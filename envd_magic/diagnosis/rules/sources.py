"""Python packages from repositories and addresses: what is not there of them."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.fixes import requirements
from envd_magic.diagnosis.rule import Rule

_NAME = r"(?P<name>[A-Za-z0-9][\w.\-]*)"

RULES: tuple[Rule, ...] = (
    Rule(
        "revision-missing",
        r"failed to fetch [\w, ]+ `(?P<what>[^`]+)`(?=[\s\S]{0,800}?(?:find remote ref|our ref))|"
        r"pathspec '(?P<what2>[^']+)' did not match any file",
        "the repository has no branch, tag or commit '{what}'",
        places.from_repository,
        (requirements.without_revision, requirements.check_url),
    ),
    Rule(
        "folder-missing",
        r"(?:The )?source distribution `[^`]+` has no subdirectory `(?P<what>[^`]+)`",
        "the source has no folder '{what}'",
        places.built,
        (requirements.check_url,),
    ),
    Rule(
        "download-broken",
        rf"Failed to extract archive: {_NAME}[^\n]*\n(?=[\s\S]{{0,400}}?[Ii]nvalid)",
        "what is at the address of {name} is no archive, or was cut off",
        places.named,
        (requirements.check_url, requirements.drop_item),
    ),
    # As conda's pip freeze writes it, of folders on the machine that built the package.
    Rule(
        "file-not-there",
        r"Distribution not found at: (?P<url>file://[^\s`]+)|"
        r"No such file or directory: '(?P<path>/[^']+)'",
        "{item} is a folder of another machine, which the build has not",
        places.at_file,
        (requirements.from_index, requirements.drop_item),
    ),
)
