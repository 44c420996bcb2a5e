"""Debian packages: what apt-get says where it cannot install."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.fixes import debian, machine
from envd_magic.diagnosis.rule import Rule, of

RULES: tuple[Rule, ...] = (
    Rule(
        "apt-missing",
        r"apt-get: (?:command )?not found",
        "the base image has no apt-get: it is no Debian or Ubuntu",
        of("base_image"),
        (debian.base_with_apt,),
    ),
    Rule(
        "shell-missing",
        r"exec: \"?(?P<program>/?\S*?(?:ba)?sh)\"?: (?:executable file not found|stat)",
        "the base image has no {program}, which every step needs",
        of("base_image"),
        (debian.base_with_apt,),
    ),
    Rule(
        "wrong-architecture",
        r"exec format error",
        "the programs of the base image are for another processor than this engine's",
        of("platform"),
        (machine.own_platform, machine.emulation),
    ),
    Rule(
        "apt-release-gone",
        r"E: The repository '(?P<what>[^']+?)(?: (?:In)?Release)?' (?:does not have|does no longer "
        r"have|no longer has) a Release file",
        "the mirror has no more packages for the release of the base image ({what})",
        of("base_image"),
        (debian.newer_release,),
    ),
    Rule(
        "apt-setup-failed",
        r"dpkg: error processing (?:package|archive) (?P<name>[\w.+-]+)[^\n]*\n\s*(?P<why>[^\n]+)",
        "the Debian package {name} cannot be set up: {why}",
        places.debian_name,
        (debian.drop_item,),
    ),
    Rule(
        "apt-unreachable",
        r"(?:W|E): (?:Failed to fetch|Could not) [^\n]*?(?P<why>Could not resolve '[^']*'|"
        r"Temporary failure resolving '[^']*'|Unable to connect to \S+?|Could not connect to \S+|"
        r"[Cc]onnection (?:refused|timed out|reset)|Cannot initiate the connection|"
        r"Network is unreachable|407 +Proxy)",
        "the mirror of Debian's packages does not answer ({why})",
        fixes=(machine.network,),
    ),
    Rule(
        "apt-version-missing",
        r"E: Version '(?P<version>[^']+)' for '(?P<name>[^']+)' was not found",
        "there is no version {version} of the Debian package '{name}' (any more)",
        places.debian_name,
        (debian.any_version,),
    ),
    Rule(
        "apt-version-missing",
        r"E: Release '(?P<version>[^']+)' for '(?P<name>[^']+)' was not found",
        "there is no release {version} among the base image's sources, from which to take {name}",
        places.debian_name,
        (debian.any_version,),
    ),
    Rule(
        "apt-package-missing",
        r"E: Unable to locate package (?P<name>\S+)",
        "there is no Debian package '{name}' for this base image",
        places.debian_name,
        (debian.close_name, debian.drop_item),
    ),
    Rule(
        "apt-package-missing",
        r"E: Couldn't find any package by (?:glob|regex) '(?P<name>[^']+)'",
        "there is no Debian package '{name}' for this base image",
        places.debian_name,
        (debian.close_name, debian.drop_item),
    ),
    Rule(
        "apt-package-missing",
        r"E: Package '(?P<name>[^']+)' has no installation candidate",
        "the Debian package '{name}' is none that can be installed in this base image",
        places.debian_name,
        (debian.close_name, debian.drop_item),
    ),
    Rule(
        "apt-held",
        r"The following packages have unmet dependencies:\n(?:[^\n]*\n)??"
        r"\s*(?P<name>[a-z0-9][a-z0-9+.-]+)(?::\w+)? : (?P<why>[^\n]+)",
        "{name} cannot be installed beside what the base image has ({why})",
        places.debian_name,
        (debian.other_base, debian.drop_item),
    ),
    Rule(
        "apt-held",
        r"The following held packages will be changed:\n\s*(?P<name>[a-z0-9][a-z0-9+.-]+)",
        "the base image holds {name} at the version that it has",
        places.debian_name,
        (debian.other_base, debian.drop_item),
    ),
    Rule(
        "apt-held",
        r"E: Unable to correct problems, you have held broken packages|"
        r"E: Held packages were changed",
        "what is asked for cannot be installed beside what the base image has",
        fixes=(debian.other_base,),
        certain=False,
    ),
    Rule(
        "disk-full",
        r"No space left on device|not enough free (?:disk )?space",
        "the engine's disk is full",
        certain=False,
        fixes=(machine.make_room,),
    ),
    Rule(
        "apt-unreachable",
        r"E: Failed to fetch (?P<what>\S+)\s+(?P<why>\S[^\n]*)",
        "the mirror does not give {what} ({why})",
        fixes=(machine.network,),
        certain=False,
    ),
)
