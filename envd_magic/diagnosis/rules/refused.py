"""Specs that are refused: the checks have said field, item and what is wrong already."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.fixes import refused
from envd_magic.diagnosis.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule("name-invalid", r"is no image name", "{said}", places.refused, (refused.plain_name,)),
    Rule(
        "copy-missing",
        r"^copy.*: is not there",
        "there is no file or folder '{item}' to copy",
        places.refused,
        (refused.close_path, refused.drop_item),
    ),
    Rule(
        "copy-outside",
        r"^copy.*: expected a path below the current folder",
        "{said}",
        places.refused,
        (refused.below_here, refused.drop_item),
    ),
    Rule(
        "no-requirements-file",
        r"is no requirements file",
        "{said}",
        places.refused,
        (refused.exported,),
    ),
    Rule(
        "certificate-missing",
        r"^registry_config.*\"(?:ca|cert|key)\": there is no file '(?P<what>[^']*)'",
        "registry_config names the file '{what}', which is not there",
        places.refused,
        (refused.close_certificate,),
    ),
    Rule(
        "registry-config-malformed",
        r"^registry_config.*: .*(?:is no JSON|has no list|an entry needs)",
        "{said}",
        places.refused,
        (refused.registries_form,),
    ),
    Rule(
        "file-not-there",
        r"there is no (?:file|folder)",
        "{said}",
        places.refused,
        (refused.close_path,),
    ),
    Rule(
        "value-refused",
        r"did you mean '(?P<meant>[^']+)'",
        "{said}",
        places.refused,
        (refused.meant_value,),
    ),
    Rule(
        "value-refused",
        r"is no Python requirement but an option",
        "{said}",
        places.refused,
        (refused.option_elsewhere, refused.drop_item),
    ),
    Rule(
        "value-refused",
        r"is no Python requirement",
        "{said}",
        places.refused,
        (refused.meant_requirement,),
    ),
    Rule("value-refused", r"", "{said}", places.refused, (refused.plain_value,)),
)

#: An image that was built, and is not what was asked for.
DIFFERS: tuple[Rule, ...] = (Rule("differs", r"", "{said}", places.refused),)
