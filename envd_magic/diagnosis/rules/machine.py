"""What is around a spec: engine, envd, contexts, builders."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.fixes import machine
from envd_magic.diagnosis.rule import Rule, nowhere, of

# The address, and where it comes from.
_NO_ENGINE = (
    r"No Docker engine answers at (?P<what>the default socket|\S+)"
    r"(?: \((?:the context (?P<context>[^)\n]+)|[^)\n]*)\))?"
)

BOOTSTRAP: tuple[Rule, ...] = (
    Rule(
        "bootstrap-failed",
        r"envd bootstrap failed: (?P<why>[^\n]+)",
        "envd cannot set up its builder with it: {why}",
        of("registry_config"),
        certain=False,
    ),
)

RULES: tuple[Rule, ...] = (
    Rule(
        "envd-missing",
        r"There is no envd program on PATH",
        "there is no envd program",
        nowhere,
        (machine.install_envd,),
    ),
    Rule(
        "envd-missing",
        r"(?<!\S)(?P<what>\S+) cannot be run: (?P<why>[^\n]+)",
        "{what} is no program that runs here: {why}",
        nowhere,
        (machine.install_envd,),
    ),
    Rule(
        "envd-old",
        r"is envd (?P<has>\S+); (?P<wanted>\S+) or later is needed",
        "envd {has} is too old; {wanted} or later is needed",
        nowhere,
        (machine.update_envd,),
    ),
    Rule(
        "context-missing",
        r"There is no envd context '(?P<what>[^']+)'\. There is: (?P<known>[^\n]+?)\. ",
        "there is no envd context '{what}'; there is: {known}",
        nowhere,
        (machine.make_context,),
    ),
    Rule(
        "engine-forbidden",
        # ssh's own "Permission denied (publickey)" is about a login.
        rf"{_NO_ENGINE}: [Pp]ermission denied(?! \()",
        "this user may not use the engine at {what}",
        nowhere,
        (machine.join_docker,),
    ),
    Rule(
        "engine-address",
        rf"{_NO_ENGINE}: (?P<why>[^\n]*(?:bind address|Invalid host|no address)[^\n]*?)\. ",
        "{what} is no address of an engine",
        nowhere,
        (machine.name_engine,),
    ),
    Rule(
        "engine-login",
        rf"{_NO_ENGINE}: (?P<why>[^\n]*(?:Permission denied \(|Host key)[^\n]*?)\. ",
        "ssh does not log in where the engine is ({what}): {why}",
        nowhere,
        (machine.try_ssh,),
    ),
    Rule(
        "engine-down",
        rf"{_NO_ENGINE}: (?P<why>[^\n]+?)(?:\. |$)",
        "no Docker engine answers at {what} ({why})",
        nowhere,
        (machine.start_engine,),
    ),
    Rule(
        "builder-unreachable",
        r"failed to connect to buildkitd (?P<what>\S+?)(?::? |$)",
        "no builder answers at {what}",
        places.builder,
        (machine.start_builder,),
    ),
    Rule(
        "envd-killed",
        r"envd \w+ was ended from outside \(signal \d+: (?P<why>[^)]+)\)",
        "envd was ended from outside ({why}), as the system does where memory is short",
        nowhere,
        (machine.build_again,),
    ),
    Rule(
        "engine-lost",
        r"(?P<why>error reading from server: EOF|error reading from server|"
        r"transport is closing|connection (?:refused|reset by peer)|broken pipe|"
        r"Is 'docker daemon' running|Cannot connect to the Docker daemon|"
        r"Docker engine does not answer|Connection aborted|Remote end closed|"
        r"RemoteDisconnected|code = Unavailable)",
        "the engine went away in the middle of the build ({why})",
        nowhere,
        (machine.start_again,),
    ),
    Rule(
        "folder-forbidden",
        r"(?<!\S)(?P<what>/\S+) cannot be written to: (?P<why>[^\n.]+)",
        "{what} cannot be written to: {why}",
        nowhere,
        (machine.other_home,),
    ),
    Rule(
        "folder-forbidden",
        r"The build folder (?P<what>/\S+) cannot be written: (?P<why>[^\n.]+)",
        "the build folder {what} cannot be written: {why}",
        nowhere,
        (machine.other_temporary,),
    ),
    Rule(
        "disk-full",
        r"[Nn]o space left on device",
        "the disk of the engine, or of the folder that this writes to, is full",
        nowhere,
        (machine.make_room,),
        certain=False,
    ),
)
