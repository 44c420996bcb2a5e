"""Packages that are compiled: what compilers and build systems say where something lacks."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.fixes import requirements, system
from envd_magic.diagnosis.rule import Rule

_COMPILERS = r"(?:[\w-]*-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|c99|gfortran)(?:-\d+)?"
_FIXES = (requirements.in_python, system.add_needed, requirements.binary_twin)

RULES: tuple[Rule, ...] = (
    Rule(
        "header-missing",
        r"fatal error: '?(?P<header>[\w./+-]+\.(?:h|hpp|hh|H)|[\w+-]+/[\w/+-]+)'?"
        r"(?:: No such file or directory| file not found)",
        "{item} is compiled, and the image has no {header}",
        places.built,
        _FIXES,
    ),
    Rule(
        "compiler-missing",
        rf"(?:command '|[Ee]xecute '|directory: '|linker `|lookup: )(?P<program>{_COMPILERS})['`]?"
        r"(?=' failed: No such file|': No such file|` not found|'$|[\s\S]{0,60}not found)",
        "{item} is compiled, and the image has no compiler ({program})",
        places.built,
        _FIXES,
    ),
    Rule(
        "compiler-missing",
        r"(?:No (?P<program>CMAKE_C(?:XX)?_COMPILER) could be found|"
        r"Unknown compiler\(s\): \[+'(?P<program2>[\w+-]+)'|"
        r"no acceptable C compiler found|Cannot find (?:a )?C compiler)",
        "{item} is compiled, and the image has no compiler",
        places.built,
        _FIXES,
    ),
    Rule(
        "header-missing",
        r"ld(?:\.\w+)?: cannot find -l(?::lib)?(?P<library>[\w.+-]+?)(?:\.so\S*)?(?::|$)",
        "{item} is compiled, and the image has no library {library}",
        places.built,
        _FIXES,
    ),
    Rule(
        "header-missing",
        r"(?<![\w+-])(?P<program>[a-z][\w+-]*config)(?: executable|: command)? "
        r"(?:is )?not (?:be )?found",
        "{item} is compiled, and the image has no {program}",
        places.built,
        _FIXES,
    ),
    Rule(
        "header-missing",
        r"(?:No such file or directory: |[Cc]ould not run |Unable to (?:find|locate) )"
        r"'?(?P<program>[a-z][\w+]*-config)\b",
        "{item} is compiled, and the image has no {program}",
        places.built,
        _FIXES,
    ),
    Rule(
        "header-missing",
        r"(?:sh: )?(?:\d+: )?(?P<program>pkg-config): (?:command )?not found[\s\S]{0,4000}?"
        r"(?:--exists|--libs|--cflags|--modversion) '?(?P<library>[\w.+-]+)",
        "{item} is compiled, and the image has no {program}, nor perhaps the library {library}",
        places.built,
        _FIXES,
    ),
    Rule(
        "header-missing",
        r"(?:Package '?(?P<library>[\w.+-]+)'?(?:, required by '[^']*',)? (?:was )?not found|"
        r"No package '(?P<library2>[^']+)' found|"
        r"Dependency \"?(?P<library3>[\w.+-]+)\"?,? (?:is required but )?not found|"
        r"Package (?P<library4>[\w.+-]+) was not found in the pkg-config)",
        "{item} is compiled, and the image has no library {library}",
        places.built,
        _FIXES,
    ),
    Rule(
        "header-missing",
        r"Could NOT find (?P<library>[A-Za-z]\w+) \(missing:",
        "{item} is compiled, and the image has no library {library}",
        places.built,
        _FIXES,
    ),
    Rule(
        "program-missing",
        r"(?:can't find Rust compiler|[Rr]ust(?: toolchain|c)? (?:is )?not (?:found|installed)|"
        r"[Cc]argo, the Rust package manager, is not installed)",
        "{item} is compiled from Rust, and the image has no Rust compiler",
        places.built,
        (system.add_rust, requirements.binary_twin),
    ),
    Rule(
        "program-missing",
        r"(?:/bin/)?sh: (?:\d+: |line \d+: )?(?P<program>[\w.+-]+): (?:command )?not found",
        "{item} is built with {program}, which the image has not",
        places.built,
        _FIXES,
    ),
    Rule(
        "program-missing",
        r"No such file or directory: '(?P<program>(?:/usr)?(?:/bin/)?"
        r"(?:cmake|make|ninja|git|swig|autoconf|automake|libtool|bison|flex|cargo|rustc|meson|nvcc|"
        r"unzip|patch|perl|curl|wget|bash|protoc|mpicc|pkg-config))'",
        "{item} is built with {program}, which the image has not",
        places.built,
        _FIXES,
    ),
)
