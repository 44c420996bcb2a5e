"""Base images that cannot be had, and images that no registry takes: what engines say."""

from __future__ import annotations

from envd_magic.diagnosis import places
from envd_magic.diagnosis.closer import base_elsewhere
from envd_magic.diagnosis.fixes import images, machine
from envd_magic.diagnosis.rule import Rule, of

_UNREACHABLE = (
    r"(?P<why>no such host|connection refused|i/o timeout|network is unreachable|"
    r"no route to host|server misbehaving|connection reset|TLS handshake timeout|"
    r"context deadline exceeded|Client\.Timeout|EOF|proxyconnect|connection timed out|broken pipe)"
)
_LOGIN = (
    r"(?:no basic auth credentials|unauthorized|authentication required|access forbidden|"
    r"denied|\b401\b|403 Forbidden|incorrect username or password)"
)
_TLS = r"(?P<why>x509: [^\n\"]+|tls: [^\n\"]+|certificate [^\n\"]+)"
_TROUBLE = (
    r"(?P<why>expected HTTP 206 from byte range request|(?<=: )unknown: [^\n(]+|"
    r"toomanyrequests[^\n(]*|unexpected EOF|silent for too long|"
    r"\b5\d\d (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)|"
    r"HTTP status: (?:429|5\d\d)[^\n(]*\b)"
)
_HTTP = r"server gave HTTP response to HTTPS client"

BASE: tuple[Rule, ...] = (
    Rule(
        "platform-missing",
        r"platform: the base image \S+ has no (?P<what>\S+?)(?:; it has (?P<has>\S+))?$",
        "the base image has no {what}",
        places.platform,
        (images.platform_that_is,),
    ),
    Rule(
        "platform-missing",
        r"no (?:matching )?manifest for (?P<what>linux/[\w/]+) in the manifest list",
        "the base image has no {what}",
        places.platform,
        (images.platform_that_is,),
    ),
    Rule(
        "base-plain-http",
        _HTTP,
        "the registry {registry} speaks plain HTTP, and the engine does not trust it to",
        places.base,
        (images.trust_registry,),
    ),
    Rule(
        "base-tls",
        _TLS,
        "the certificate of the registry {registry} is signed by nobody whom the engine trusts",
        places.base,
        (images.registry_certificate,),
    ),
    Rule(
        "base-missing",
        r"manifest unknown|not found: manifest|name unknown|repository name not known",
        "there is no base image {base}",
        places.base,
        (images.close_image,),
        closer=base_elsewhere,
    ),
    Rule(
        "base-missing",
        r"repository does not exist or may require|pull access denied",
        "there is no base image {base}, or it wants a login",
        places.base,
        (images.close_image, images.log_in),
    ),
    Rule(
        "base-login",
        _LOGIN,
        "the registry {registry} wants a login",
        places.base,
        (images.log_in,),
    ),
    Rule(
        "base-missing",
        r"not found",
        "there is no base image {base}",
        places.base,
        (images.close_image,),
    ),
    Rule(
        "base-unreachable",
        _UNREACHABLE,
        "the registry {registry} does not answer ({why})",
        places.base,
        (images.close_image, images.check_registry),
    ),
    Rule(
        "base-unreachable",
        _TROUBLE,
        "the registry {registry} has a trouble of its own ({why})",
        places.base,
        (images.check_registry,),
    ),
    Rule(
        "disk-full",
        r"no space left on device",
        "the engine's disk is full",
        of(""),
        (machine.make_room,),
    ),
    Rule(
        "base-invalid",
        r"invalid reference format",
        "{base} is no name of an image",
        places.base,
    ),
)

PUSH: tuple[Rule, ...] = (
    Rule(
        "push-plain-http",
        _HTTP,
        "the registry {registry} speaks plain HTTP, and the engine does not trust it to",
        of("registry"),
        (images.trust_registry, images.without_registry),
    ),
    Rule(
        "push-tls",
        _TLS,
        "the certificate of the registry {registry} is signed by nobody whom the engine trusts",
        of("registry"),
        (images.registry_certificate, images.without_registry),
    ),
    Rule(
        "push-login",
        _LOGIN,
        "the registry {registry} wants a login, or does not let this one push",
        of("registry"),
        (images.log_in, images.without_registry),
    ),
    Rule(
        "push-unreachable",
        rf"(?:dial tcp|read tcp|write tcp|lookup|Get \"|Head \"|proxyconnect)[^\n]*?{_UNREACHABLE}",
        "the registry {registry} does not answer ({why})",
        of("registry"),
        (images.check_registry, images.without_registry),
    ),
    Rule(
        "push-unreachable",
        _TROUBLE,
        "the registry {registry} has a trouble of its own ({why})",
        of("registry"),
        (images.check_registry, images.without_registry),
    ),
    Rule(
        "push-refused",
        r"(?P<why>HTTP (?:4|5)\d\d|unsupported|invalid[^\n]*|unknown[^\n]*|quota[^\n]*|"
        r"toomanyrequests|name invalid|no space left on device|internal server error)",
        "the registry {registry} does not take the image ({why})",
        of("registry"),
        (images.other_registry, images.without_registry),
    ),
)

# Images that envd takes its tools from are steps of their own.
STEP: tuple[Rule, ...] = (
    Rule(
        "envd-image-unreachable",
        rf"failed to do request[^\n]*https?://(?P<host>[^/\"]+)[^\n]*?{_UNREACHABLE}",
        "envd takes {tool} from an image at {host}, which the engine does not reach ({why})",
        places.tool_of_envd,
        (images.without_tool, images.check_registry),
    ),
    Rule(
        "envd-image-unreachable",
        rf"(?:failed to (?:do request|resolve|authorize)|dial tcp)[^\n]*?{_UNREACHABLE}",
        "envd takes {tool} from an image that the engine does not reach ({why})",
        places.tool_of_envd,
        (images.without_tool, images.check_registry),
    ),
    Rule(
        "base-missing",
        r"not found|manifest unknown",
        "there is no such image: {step}",
        places.tool_of_envd,
        (images.without_tool,),
        certain=False,
    ),
)
