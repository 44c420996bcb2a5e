"""Commands: what shells and programs say where they fail."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.closer import ignored_file
from envd_magic.diagnosis.fixes import commands, debian, machine
from envd_magic.diagnosis.rule import Rule, of

# Quotes as programs write them, the curly ones of GNU's too.
_OPEN, _CLOSE = "['\"\u2018]", "['\"\u2019]"
_PROGRAM = r"(?P<what>[\w./+-]+)"

#: Of any step, tried first: nothing of it has run.
BEGINNING: tuple[Rule, ...] = (
    Rule(
        "shell-missing",
        r"exec: \"?(?P<program>/?\S*?(?:ba)?sh)\"?: (?:executable file not found|stat|no such)",
        "the base image has no {program}, which every step needs",
        of("base_image"),
        (debian.base_with_apt,),
    ),
    Rule(
        "wrong-architecture",
        r"^exec (?:/\S*)?(?:ba)?sh: exec format error",
        "the programs of the base image are for another processor than this engine's",
        of("platform"),
        (machine.own_platform, machine.emulation),
    ),
)

#: Of any step that runs a program.
ANY_STEP: tuple[Rule, ...] = (
    Rule(
        "disk-full",
        r"No space left on device|ENOSPC|[Dd]isk quota exceeded",
        "the engine's disk is full",
        certain=False,
        fixes=(machine.make_room,),
    ),
    Rule(
        "killed",
        r"exit code 137\b|\bKilled$|signal: killed",
        "the step was killed, most often for want of memory",
        certain=False,
        fixes=(machine.memory,),
    ),
)

RULES: tuple[Rule, ...] = (
    Rule(
        "disk-full",
        r"No space left on device|ENOSPC|[Dd]isk quota exceeded",
        "the engine's disk is full, or the command writes more than it has",
        places.command,
        (machine.make_room,),
    ),
    Rule(
        "program-missing",
        rf"^(?:bash|/bin/bash|sh|/bin/sh|dash|\S+\.sh): (?:-c: )?(?:line )?(?:\d+: )?{_PROGRAM}: "
        r"(?:command )?not found",
        "the image has no program '{what}'",
        places.command_with,
        (commands.other_way, commands.close_program, commands.add_program),
    ),
    Rule(
        "program-missing",
        rf"(?:/usr/bin/env|env): {_OPEN}?{_PROGRAM}{_CLOSE}?: No such file or directory",
        "the image has no program '{what}'",
        places.command_with,
        (commands.other_way, commands.close_program, commands.add_program),
    ),
    Rule(
        "program-missing",
        rf"(?:sudo: {_PROGRAM}: command not found|"
        r"exec: \"?(?P<what2>[\w.+-]+)\"?: executable file not found)",
        "the image has no program '{what}'",
        places.command,
        (commands.other_way, commands.add_program),
    ),
    Rule(
        "module-missing",
        r"(?:ModuleNotFoundError: No module named '(?P<what>[\w.]+)'|"
        r"No module named (?P<what2>[\w.]+)$)",
        "the image's Python has no module '{what}'",
        places.command,
        (commands.close_module, commands.add_module),
    ),
    Rule(
        "permission-denied",
        r"(?<![\w./+-])(?P<what>[\w./+-]*): (?:cannot execute: )?Permission denied$|"
        r"PermissionError: \[Errno 13\] Permission denied: '(?P<what2>[^']+)'|"
        r"cannot (?:touch|create|open|remove|access|copy|make)[^\n]*'(?P<what3>[^']+)': "
        r"Permission denied|(?<!\S)(?P<what4>\S+): Permission denied|[Pp]ermission denied",
        "the command may not use {what}",
        places.command,
        (commands.run_with_shell, commands.make_executable, commands.try_it),
    ),
    Rule(
        "memory-short",
        r"^MemoryError\b|Cannot allocate memory|std::bad_alloc|cannot allocate \d+ bytes",
        "the command had not enough memory",
        places.command,
        (machine.memory,),
    ),
    Rule(
        "killed",
        r"\bKilled\b|exit code 137\)|signal 9|[Oo]ut of memory",
        "the command was killed, most often for want of memory",
        places.command,
        (machine.memory,),
    ),
    Rule(
        "version-missing",
        r"satisfies the requirement (?P<what>(?P<name>[\w.-]+)(?:\[[^\]]*\])?(?P<spec>[^\s(;]*))"
        r"[^\n]*\(from versions: (?P<versions>(?!none)[^)\n]+)\)",
        "pip in this command finds no version of {name} that fits {spec}; the index has {near}",
        places.command,
        (commands.close_version, commands.try_it),
    ),
    Rule(
        "package-missing",
        r"No matching distribution found for (?P<what>\S+)",
        "pip in this command finds no '{what}'",
        places.command,
        (commands.close_package, commands.try_it),
    ),
    Rule(
        "apt-package-missing",
        r"E: (?:Unable to locate package|Package) '?(?P<what>[^\s']+)'?(?:$| has no installation)",
        "apt-get in this command finds no package '{what}'",
        places.command,
        (commands.update_first, commands.close_debian, commands.as_apt_package),
    ),
    Rule(
        "library-missing",
        r"(?P<library>lib[\w.+-]+\.so(?:\.\d+)*): cannot open shared object file",
        "the image has no library {library}",
        places.command,
        (commands.add_library,),
    ),
    Rule(
        "line-ends",
        r"(?<!\S)(?P<what>/?[\w./@+-]+): (?:[\w./ -]+)(?:\^M|\r|\\r): bad interpreter|"
        rf"env: {_OPEN}(?P<program>[\w./+-]+)(?:\^M|\r|\\r){_CLOSE}",
        "the script's lines end as Windows ends them, so that its first line names no program",
        places.command,
        (commands.unix_lines,),
    ),
    Rule(
        "interpreter-missing",
        r"(?<!\S)(?P<what>/?[\w./@+-]+): cannot execute: required file not found",
        "{what} begins with a program that the image has not, or its lines end as Windows ends "
        "them",
        places.command,
        (commands.add_interpreter, commands.unix_lines),
    ),
    Rule(
        "variable-missing",
        r"(?:^|\s)(?P<what>[A-Za-z_]\w*): unbound variable",
        "the command uses the variable {what}, which is not set",
        places.command,
        (commands.close_variable, commands.set_variable),
    ),
    Rule(
        "download-missing",
        r"curl: \(22\)[^\n]*error: (?P<code_>4\d\d)|ERROR (?P<code_2>404): Not Found|"
        r"HTTPError: HTTP Error (?P<code_3>40[34])",
        "there is nothing at the address that the command fetches (status {code_})",
        places.command,
        (commands.check_address,),
    ),
    Rule(
        "command-network",
        r"(?P<why>Could not resolve host:? [^\s)]*|Temporary failure in name resolution|"
        r"Name or service not known|Failed to connect to [^\n]{1,80}|[Cc]onnection refused|"
        r"Network is unreachable|[Cc]onnection timed out|unable to resolve host address[^\n]*|"
        r"No address associated with hostname|Temporary failure resolving '[^']*')",
        "the command reaches no server ({why})",
        places.command,
        (machine.network,),
    ),
    Rule(
        "user-missing",
        rf"invalid (?:user|group): {_OPEN}(?P<what>[\w.-]+)(?::[\w.-]*)?{_CLOSE}$|"
        rf"\buser {_OPEN}?(?P<what2>[\w.-]+){_CLOSE}? does not exist|"
        rf"{_OPEN}(?P<what3>[\w.-]+){_CLOSE}: no such user$|"
        rf"unknown user:? {_OPEN}?(?P<what4>[\w.-]+)",
        "the image has no user or group '{what}'",
        places.of_program("chown", "chgrp", "su", "sudo", "id", "install", "runuser", "setpriv"),
        (commands.make_user,),
    ),
    Rule(
        "folder-missing",
        rf"^mkdir: cannot create directory {_OPEN}(?P<what>[^'\"\u2019\n]+){_CLOSE}: "
        r"No such file or directory$",
        "there is no folder in which mkdir could make '{what}'",
        places.command,
        (commands.make_parents,),
    ),
    Rule(
        "already-there",
        rf"^mkdir: cannot create directory {_OPEN}(?P<what>[^'\"\u2019\n]+){_CLOSE}: File exists$",
        "'{what}' is in the image already",
        places.command,
        (commands.make_parents,),
    ),
    Rule(
        "folder-missing",
        r"^(?:cp|mv|ln|install|touch|tee|split): "
        r"(?:(?:cannot|failed to) (?:create|move|touch|open)[^\n/'\"\u2018]*)?"
        rf"{_OPEN}?(?P<what>/[^'\"\u2019\n:]+/[^'\"\u2019\n:]*){_CLOSE}?: "
        r"(?:No such file or directory|Not a directory)$",
        "there is no folder for '{what}' in the image",
        places.target,
        (commands.make_folder,),
    ),
    Rule(
        "folder-missing",
        r"^tar: (?P<what>\S+): Cannot open: No such file or directory$",
        "there is no folder '{what}' in the image, into which tar is to put files",
        places.unpacked,
        (commands.make_this_folder,),
    ),
    Rule(
        "folder-missing",
        r"^(?:bash|sh|/bin/bash|/bin/sh): (?:-c: )?(?:line )?(?:\d+: )?"
        r"(?:cannot create )?(?P<what>/[^\n:]+/[^\n:]+): (?:No such file or directory|"
        r"Directory nonexistent)$",
        "there is no folder for '{what}' in the image",
        places.redirected,
        (commands.make_folder,),
    ),
    Rule(
        "folder-missing",
        r"(?:\bcd: |can't cd to )(?P<what>[\w./@+-]+)(?:: No such file or directory|$)",
        "there is no folder '{what}' in the image",
        places.command,
        (commands.copy_folder,),
        closer=ignored_file,
    ),
    Rule(
        "file-missing",
        r"tar: (?P<what>\S+): Cannot open: No such|unzip:\s+cannot find or open (?P<what2>[^\s,]+)|"
        r"No rule to make target '(?P<what3>[^']+)'",
        "there is no file '{what}' in the image",
        places.command,
        (commands.copy_file,),
        closer=ignored_file,
    ),
    Rule(
        "file-missing",
        r"(?:can't open file|cannot (?:open|access|stat|find)|No such file or directory:?|"
        r"can't cd to|Could not open requirements file:[^\n]*)[^\n]*?"
        rf"{_OPEN}(?P<what>[^'\"\u2019\n]+){_CLOSE}",
        "there is no file '{what}' in the image",
        places.command,
        (commands.copy_file,),
        closer=ignored_file,
    ),
    Rule(
        "file-missing",
        r"(?<![\w./@+-])(?P<what>[\w./@+-]+): No such file or directory",
        "there is no file '{what}' in the image",
        places.command,
        (commands.copy_file,),
        closer=ignored_file,
    ),
    Rule(
        "command-failed",
        r"(?P<what>syntax error[^\n]*|unexpected EOF while looking for matching [^\n]*)",
        "the shell does not understand the command: {what}",
        places.command,
        (commands.try_it,),
    ),
    Rule(
        "command-failed",
        r"^(?P<what>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)(?:: [^\n]+)?)$"
        r"(?![\s\S]*^Traceback)",
        "the command ended with exit code {code}: {what}",
        places.command,
        (commands.try_it,),
    ),
    # What a program says last, as programs say it, is why it ended.
    Rule(
        "command-failed",
        r"^(?P<what>(?!(?i:warning|info|debug|note|hint)\b)[\w./+-]+: \S[^\n]*)\n"
        r"(?:\(command [^\n]+\)\n)?[^\n]*\Z",
        "the command ended with exit code {code}: {what}",
        places.command,
        (commands.try_it,),
    ),
    Rule(
        "command-failed",
        r"(?P<what>)",
        "the command ended with exit code {code}",
        places.command,
        (commands.try_it,),
    ),
)
