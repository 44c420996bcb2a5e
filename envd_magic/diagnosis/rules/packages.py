"""Python packages: what uv and pip say where they cannot install."""

from __future__ import annotations

from envd_magic.diagnosis import closer, places
from envd_magic.diagnosis.fixes import indexes, machine, requirements, system
from envd_magic.diagnosis.rule import Rule, of

_NAME = r"(?P<name>[A-Za-z0-9][\w.\-]*)"

#: Tried before the rules of what is compiled.
BEFORE: tuple[Rule, ...] = (
    Rule(
        "python-missing",
        r"the base image has no Python; set python_version",
        "the base image has no Python, and there are packages to install",
        of("base_image"),
        (system.add_python, system.set_python),
    ),
    Rule(
        "pip-missing",
        r"the base image has neither pip nor uv for (?P<what>\S+)",
        "the base image has a Python without pip ({what}), and there are packages to install",
        of("base_image"),
        (system.add_pip,),
    ),
    Rule(
        "pip-missing",
        r"^(?P<what>\S*python\S*): No module named '?pip'?$",
        "the base image has a Python without pip ({what}), and there are packages to install",
        of("base_image"),
        (system.add_pip,),
    ),
    Rule(
        "installer-option",
        r"(?:no such|ambiguous) option: (?P<what>-\S+)",
        "the installer has no option {what}",
        places.option,
        (requirements.close_option, requirements.drop_option),
    ),
    Rule(
        "installer-option",
        r"option (?P<what>-[\w-]+): (?P<why>invalid [^\n]+)|"
        r"(?P<what2>-[\w-]+) option requires (?P<why2>[^\n]+)",
        "the option {what} of the installer has no value that it takes ({why})",
        places.option,
        (requirements.drop_option,),
    ),
    Rule(
        "file-not-there",
        r"File not found: `?(?P<what>[^\s`]+)|"
        r"Could not open requirements file: [^\n]*: '(?P<what2>[^']+)'",
        "the build has no file '{what}': what pip_extra_args names stays here",
        places.extra_words,
        (requirements.file_in_requirements,),
    ),
    Rule(
        "package-renamed",
        rf"The '{_NAME}' PyPI package is deprecated,?\s+use '(?P<meant>[\w.-]+)'",
        "{name} is no longer what to install: it is {meant}",
        places.named,
        (requirements.renamed, requirements.drop_item),
    ),
    Rule(
        "hash-mismatch",
        rf"Hash mismatch for `{_NAME}",
        "what the index gives for {name} is not what its hash in the requirements says",
        places.named,
        (requirements.hash_again,),
    ),
    Rule(
        "hash-mismatch",
        rf"DO NOT MATCH THE HASHES[^\n]*\n(?:[^\n]*\n)??\s+{_NAME}(?:\[|[=<>~! ])",
        "what the index gives for {name} is not what its hash in the requirements says",
        places.named,
        (requirements.hash_again,),
    ),
    Rule(
        "hash-missing",
        rf"(?:must have a hash, but none were provided for: |"
        rf"Hashes are required in --require-hashes mode[^\n]*\n\s+){_NAME}",
        "{name} has no hash, and others have: an installer then wants one for each",
        places.named,
        (requirements.hash_again,),
    ),
    Rule(
        "hash-missing",
        r"--require-hashes mode, all requirements must have their versions pinned[^\n]*\n"
        rf"\s+{_NAME}",
        "{name} has no hash, and others have: an installer then wants one for each",
        places.named,
        (requirements.hash_again,),
    ),
    Rule(
        "program-missing",
        r"(?P<program>Git) executable not found",
        "the image has no git, and {item} is fetched with it",
        places.from_repository,
        (system.add_program,),
    ),
    Rule(
        "program-missing",
        r"Cannot find command '(?P<program>git|hg|svn|bzr)'",
        "the image has no {program}, and {item} is fetched with it",
        places.from_repository,
        (system.add_program,),
    ),
    Rule(
        "repository-unreachable",
        r"fatal: (?:repository|unable to access) '(?P<url>[^']+?)/?'[: ]*(?P<why>[^\n]+)",
        "git cannot fetch {url} ({why})",
        places.from_repository,
        (requirements.check_url,),
    ),
    Rule(
        "repository-unreachable",
        r"fatal: [Cc]ould not read (?P<why>Username|Password|from remote repository)[^\n]*",
        "git needs a login to fetch {item}",
        places.from_repository,
        (requirements.check_url,),
    ),
    Rule(
        "download-missing",
        r"HTTP status client error \((?P<code_>40[34])[^)]*\) for url \((?P<url>\S+)\)",
        "there is nothing at {url} (status {code_})",
        places.with_url,
        (requirements.check_url, requirements.drop_item),
    ),
    Rule(
        "download-missing",
        r"HTTP error (?P<code_>40[34]) while getting (?P<url>\S+)",
        "there is nothing at {url} (status {code_})",
        places.with_url,
        (requirements.check_url, requirements.drop_item),
    ),
    Rule(
        "disk-full",
        r"No space left on device|ENOSPC",
        "the engine's disk is full",
        certain=False,
        fixes=(machine.make_room,),
    ),
)

#: Tried after the rules of what is compiled.
RULES: tuple[Rule, ...] = (
    # pip asks for a login where nobody can answer.
    Rule(
        "index-login",
        r"^(?:User|Password) for (?P<host>[^\s:]+(?::\d+)?): ",
        "the index at {host} wants a login",
        places.index,
        (indexes.add_login,),
    ),
    Rule(
        "index-login",
        r"401 Error, Credentials not correct for (?P<url>https?://\S+)",
        "the index does not take the login in {url}",
        places.index,
        (indexes.add_login,),
    ),
    Rule(
        "index-login",
        r"(?:Failed to fetch: `?(?P<url>https?://[^\s`]+)[\s\S]{0,400}?"
        r"40[13] (?:Unauthorized|Forbidden)|HTTP error 40[13] while getting (?P<url2>\S+))",
        "the index wants a login, or does not take the one that it is given",
        places.index,
        (indexes.add_login,),
    ),
    Rule(
        "index-login",
        r"index URL \((?P<url>\S+)\) (?:could not be queried due to a lack of valid "
        r"authentication|returned a 40[13])",
        "the index at {url} wants a login, or does not take the one that it is given",
        places.index,
        (indexes.add_login,),
    ),
    Rule(
        "index-tls",
        r"Could not fetch URL (?P<url>https://\S+): There was a problem confirming the ssl",
        "the certificate of {host} is signed by nobody whom the base image trusts",
        places.index,
        (indexes.trust_host, indexes.own_certificates),
    ),
    Rule(
        "index-tls",
        r"Failed to fetch: `?(?P<url>https://[^\s`]+)[\s\S]{0,400}?"
        r"(?:invalid peer certificate|UnknownIssuer|certificate)",
        "the certificate of {host} is signed by nobody whom the base image trusts",
        places.index,
        (indexes.trust_host, indexes.own_certificates),
    ),
    Rule(
        "index-tls",
        r"SSL: (?:CERTIFICATE_VERIFY_FAILED|WRONG_VERSION_NUMBER)[^\n]*': (?P<path>/\S*)",
        "the index's certificate is signed by nobody whom the base image trusts",
        places.index,
        (indexes.trust_host, indexes.own_certificates),
    ),
    Rule(
        "index-broken",
        r"HTTP status server error \((?P<why>5\d\d[^)]*)\) for url \((?P<url>[^)\s]+)\)",
        "the index at {host} answers with an error of its own ({why})",
        places.index,
        (indexes.without_index, indexes.check_index),
    ),
    Rule(
        "download-broken",
        rf"(?:Because |and ){_NAME}==(?P<version>\S+) has an invalid package format",
        "what the index gives for {name} is no wheel, or was cut off",
        places.named,
        (requirements.sound_version, requirements.drop_item),
    ),
    Rule(
        "download-broken",
        rf"Wheel '{_NAME}' located at \S+ is invalid",
        "what the index gives for {name} is no wheel, or was cut off",
        places.named,
        (requirements.sound_version, requirements.drop_item),
    ),
    Rule(
        "platform-unsupported",
        r"(?P<url>[\w.+!%-]+\.whl) is not a supported wheel on this platform",
        "{url} is for another Python or platform than the image's",
        places.with_url,
        (requirements.from_index, requirements.drop_item),
    ),
    Rule(
        "platform-unsupported",
        r"A URL \((?P<url>[^)\s]+)\) dependency is incompatible with the current platform",
        "{url} is for another Python or platform than the image's",
        places.with_url,
        (requirements.from_index, requirements.drop_item),
    ),
    # Where uv has looked, it has looked at plain HTTP too.
    Rule(
        "package-missing",
        rf"Because (?:there are no versions of )?{_NAME} was not found in the package registry",
        "there is no package '{name}' in the index",
        places.named,
        (requirements.close_name, requirements.drop_item),
        closer=closer.index_at_fault,
    ),
    Rule(
        "index-plain-http",
        r"The repository located at (?P<host>\S+) is not a trusted or secure host",
        "pip passes by the index at {host}: it speaks plain HTTP, and nobody said that it is "
        "trusted",
        places.lonely_index,
        (indexes.trust_host,),
    ),
    Rule(
        "index-unreachable",
        r"(?:Failed to fetch: `?|Could not fetch URL )(?P<url>https?://[^\s`]+?)[:`]?\s"
        r"[\s\S]{0,600}?(?P<why>dns error|[Cc]onnection refused|tcp connect error|timed out|"
        r"[Cc]onnection reset|unreachable|failed to lookup|Name or service not known|"
        r"[Tt]emporary failure in name resolution|proxy|tunnel|client error \(Connect\))",
        "the index at {host} does not answer ({why})",
        places.index,
        (indexes.without_index, indexes.without_proxy, indexes.check_index),
    ),
    Rule(
        "index-unreachable",
        r"Retrying \(Retry\([^\n]*after connection broken by '(?P<why>ProxyError|"
        r"NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProtocolError|"
        r"NameResolutionError|ConnectionResetError)[^\n]*': (?P<path>/\S*)",
        "the index does not answer ({why})",
        places.index,
        (indexes.without_index, indexes.without_proxy, indexes.check_index),
    ),
    Rule(
        "index-unreachable",
        r"(?P<why>ReadTimeoutError|ConnectTimeoutError): HTTPS?ConnectionPool\("
        r"host='(?P<host>[^']+)'",
        "the index at {host} does not answer in time",
        places.index,
        (indexes.without_index, indexes.check_index),
        certain=False,
    ),
    Rule(
        "build-dependency-missing",
        r"install build dependencies did not run successfully[\s\S]{0,4000}?"
        r"No matching distribution found for (?P<what>\S+)",
        "{item} is built from source, and the index has no {what}, which that needs",
        places.built,
        (indexes.public_beside, requirements.drop_item),
    ),
    Rule(
        "build-dependency-missing",
        r"Failed to resolve requirements from `(?:setup\.py` build|build-system\.requires`)"
        r"[\s\S]{0,4000}?Because (?P<what>[\w.-]+) was not found",
        "{item} is built from source, and the index has no {what}, which that needs",
        places.built,
        (indexes.public_beside, requirements.drop_item),
    ),
    Rule(
        "build-failed",
        r"^(?P<what> *[A-Za-z_][\w.]*(?:Error|Exception|Exit): [^\n]+)\n[\s\S]{0,4000}?"
        r"(?:Build failures usually indicate|hint: |end of output)",
        "{item} cannot be built from source: {what}",
        places.built,
        (requirements.in_python, requirements.other_version, requirements.drop_item),
    ),
    Rule(
        "build-failed",
        r"(?:Failed to (?:download and )?build `|metadata-generation-failed|"
        r"Failed building wheel for|subprocess-exited-with-error|legacy-install-failure)",
        "{item} cannot be built from source",
        places.built,
        (requirements.in_python, requirements.other_version, requirements.drop_item),
    ),
    Rule(
        "conflict",
        r"The conflict is caused by:\n(?P<lines>(?:[ \t]+[^\n]+\n?)+)",
        "{item} does not go with the others: {pair}",
        places.contested,
        (requirements.loosen, requirements.unpin),
    ),
    Rule(
        "python-unsupported",
        r"Ignored the following (?:yanked )?versions that require a different python[ -]version: "
        r"(?P<asks>[^\n]+)\n(?:[^\n]*\n){0,40}?[^\n]*satisfies the requirement "
        rf"{_NAME}(?P<spec>[^\s(;]*)[^\n]*\(from versions: (?P<versions>[^)\n]*)\)",
        "{item} is for another Python than the image's ({wanted})",
        places.for_other_python,
        (requirements.python_for, requirements.close_version),
    ),
    Rule(
        "python-unsupported",
        rf"Package '{_NAME}' requires a different Python: (?P<has>\S+) not in '(?P<asks>[^']+)'",
        "{name} is for Python {asks}, and the image has {has}",
        places.named,
        (requirements.python_for, requirements.unpin),
    ),
    Rule(
        "python-unsupported",
        r"[Bb]ecause the (?:current|requested) Python version \((?P<has>[^)]+)\) does not "
        rf"satisfy Python(?P<asks>\S+) and {_NAME}(?:[=<>!~]\S*)? depends on Python",
        "{name} is for Python {asks}, and the image has {has}",
        places.named,
        (requirements.python_for, requirements.unpin),
    ),
    Rule(
        "python-unsupported",
        rf"(?:Because |because |and ){_NAME}(?:[=<>!~]\S*)? has no wheels with a matching Python "
        r"(?:\w+ )?(?:tag|version)",
        "{name} has no wheel for the image's Python",
        places.named,
        (requirements.version_for, requirements.python_for, requirements.other_version),
    ),
    Rule(
        "platform-unsupported",
        rf"(?:Because |because |and ){_NAME}(?:[=<>!~]\S*)? has no wheels with a matching "
        r"platform",
        "{name} has no wheel for the image's platform ({platform})",
        places.named,
        (requirements.platform_for, requirements.other_version, requirements.drop_item),
    ),
    Rule(
        "version-missing",
        rf"satisfies the requirement {_NAME}(?:\[[^\]]*\])?(?P<spec>[^\s(;]*)[^\n]*"
        r"\(from versions: (?P<versions>(?!none)[^)\n]+)\)",
        "there is no version of {name} that fits {spec}; the index has {near}",
        places.named,
        (requirements.close_version,),
    ),
    Rule(
        "version-missing",
        rf"Because (?:there (?:is|are) no versions? of|only) {_NAME}(?P<spec>[=<>!~][^\s,]*)"
        r"(?: is available)?",
        "there is no version of {name} that fits {spec}",
        places.named,
        (requirements.close_version, requirements.unpin),
    ),
    Rule(
        "conflict",
        rf"(?<![\w.-])(?P<who>[\w.-]+)(?:[=<>!~]\S*)? depends? on {_NAME}(?P<spec>[=<>!~][^\s,]*)?"
        r"[^\n]*(?:unsatisfiable|incompatible)",
        "{item} does not go with the others: {who} depends on {name}{spec}",
        places.incompatible,
        (requirements.unpin,),
        certain=False,
    ),
    Rule(
        "package-missing",
        rf"satisfies the requirement {_NAME}(?:\[[^\]]*\])?[^\n]*\(from versions: none\)",
        "the index has no '{name}' that this Python and platform can use",
        places.named,
        (requirements.close_name, requirements.drop_item),
        certain=False,
        closer=closer.unavailable,
    ),
)
