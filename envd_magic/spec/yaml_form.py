"""flytekit's YAML form of an ImageSpec: a mapping of its fields (``pyflyte --image spec.yaml``).

YAML reads ``3.10`` as the number 3.1, ``no`` as false and ``2024-01-01`` as a date. Where a field
takes text, a value that YAML bends is refused with what was written.
https://yaml.org/type/ has the rules that PyYAML follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envd_magic.errors import CellError, SpecError
from envd_magic.spec.cell import refused
from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.names import unknown
from envd_magic.spec.problems import Problem
from envd_magic.spec.secrets import MASK, is_secret_name
from envd_magic.spec.several import Specs

if TYPE_CHECKING:
    from flytekit import ImageSpec
    from yaml.nodes import MappingNode, Node

_KINDS = {
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "timestamp": "a date",
    "binary": "bytes",
    "null": "nothing",
}
# Their values are whatever their readers take.
_FREE = ("builder_options", "builder_config")
# flytekit itself reads these as text.
_TEXTS = ("name", "registry")
# What PyYAML says of `!!int x`, `2024-13-01`, `!!timestamp x`.
_MISTAKEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
# Nodes of a document, those that other names stand for counted anew; characters of a number.
_MOST = 100_000
_LONGEST_NUMBER = 1000
# PyYAML takes ten seconds for a million characters.
_LONGEST_TEXT = 500_000


def specs_from_yaml(text: str) -> Specs:
    """Read a mapping of fields, or a list of such.

    Raises
    ------
    CellError
        If the text is no YAML of that form.
    SpecError
        If a value is none that its field takes, or YAML would bend it.
    """
    # 15 ms to import.
    import yaml

    if len(text) > _LONGEST_TEXT:
        raise CellError(Problem("", f"The YAML is longer than {_LONGEST_TEXT} characters"))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _measure(node)
        if isinstance(node, yaml.SequenceNode) and node.value:
            items = tuple((f"[{number}]", _spec(item)) for number, item in enumerate(node.value))
            return Specs(items, "list")
        return Specs((("", _spec(node)),))
    except yaml.composer.ComposerError as error:
        if "single document" in str(error):
            message = "There are several YAML documents; a list in one makes several images"
            raise CellError(Problem("", message)) from error
        message = f"This is no YAML of an ImageSpec: {_told(error)}"
        raise CellError(Problem("", message)) from error
    except yaml.YAMLError as error:
        message = f"This is no YAML of an ImageSpec: {_told(error)}"
        raise CellError(Problem("", message)) from error
    except RecursionError:
        raise CellError(Problem("", "The YAML refers to itself")) from None


def _told(error: Exception) -> str:
    """Say in a line what the parser says over several."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error)
    begun, context = getattr(error, "context_mark", None), getattr(error, "context", None)
    since = f" ({context} that begins in line {begun.line + 1})" if begun and context else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', '')}{since}"


def _measure(root: Node | None) -> None:
    """Refuse what a few lines can make large: names for names for lists, numbers without end."""
    import yaml

    left, found = _MOST, [] if root is None else [root]
    while found:
        node = found.pop()
        left -= 1
        if left < 0:
            message = f"The YAML refers to itself, or has more than {_MOST} parts"
            raise CellError(Problem("", message))
        if isinstance(node, yaml.SequenceNode):
            found += node.value
        elif isinstance(node, yaml.MappingNode):
            found += [one for pair in node.value for one in pair]
        elif len(node.value) > _LONGEST_NUMBER and not node.tag.endswith(":str"):
            raise CellError(Problem("", f"The YAML has a value without end ({_line(node)})"))


def _spec(node: Node | None, prefix: str = "") -> ImageSpec:
    import yaml
    from flytekit import ImageSpec

    if not isinstance(node, yaml.MappingNode):
        raise CellError(
            Problem("", "The YAML makes no ImageSpec: expected fields, as in `packages: [pandas]`")
        )
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for key, item in _pairs(node, prefix.rstrip("."), problems):
        name = str(key.value)
        lines[name] = key.start_mark.line + 1
        if name not in BY_NAME:
            message = f"line {lines[name]}: {unknown('field', name, BY_NAME)}"
            problems.append(Problem(prefix.rstrip("."), message))
        elif name == "base_image" and isinstance(item, yaml.MappingNode):
            values[name] = _spec(item, f"{prefix}base_image.")
        elif name in _TEXTS and item.tag.endswith((":map", ":seq")):
            problems.append(Problem(prefix + name, f"expected text ({_line(item)})"))
        elif not _is_nothing(item):
            values[name] = _value(name, item, prefix, problems)
    if problems:
        raise SpecError(*problems)
    try:
        return ImageSpec(**values)
    except ValueError as error:
        raise SpecError(
            *(
                Problem(prefix + p.field, f"{p.message} (line {lines[p.field]})", p.item)
                if p.field in lines
                else p
                for p in refused(error).problems
            )
        ) from error


def _value(field: str, node: Node, prefix: str, problems: list[Problem]) -> Any:
    if field not in _FREE:
        _bent(prefix + field, None, node, problems)
    try:
        value = _construct(node)
    except _MISTAKEN as error:
        message = f"is no value of the kind that it says ({_line(node)}): {error}"
        problems.append(Problem(prefix + field, message))
        return None
    if field == "pip_secret_mounts" and isinstance(value, list):
        # YAML has no tuples, and flytekit takes nothing else.
        return [tuple(pair) if isinstance(pair, list) else pair for pair in value]
    if field == "source_copy_mode" and isinstance(value, str):
        from flytekit.constants import CopyFileDetection

        if value not in CopyFileDetection.__members__:
            message = unknown("mode", value, CopyFileDetection.__members__)
            problems.append(Problem(prefix + field, f"{message} ({_line(node)})"))
            return None
        return CopyFileDetection[value]
    return value


def _is_nothing(node: Node) -> bool:
    """Is it a field that is left open?"""
    return bool(node.tag.endswith(":null"))


def _construct(node: Node) -> Any:
    import yaml

    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _bent(field: str, item: str | None, node: Node, problems: list[Problem]) -> None:
    """Find what YAML does not read as the text that was written."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, inner in _pairs(node, field, problems):
            _bent(field, None, key, problems)
            _bent(field, str(key.value), inner, problems)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            if isinstance(inner, yaml.MappingNode):
                message = "YAML reads a mapping here, for the colon; write the item in quotes"
                problems.append(Problem(field, f"{message} ({_line(inner)})"))
            else:
                _bent(field, item, inner, problems)
    elif kind := _KINDS.get(node.tag.rpartition(":")[2]):
        written = MASK if node.value and is_secret_name(item or "") else node.value
        message = f"YAML reads {written or 'what is left open'} as {kind}"
        message += f"; write it in quotes: '{written}' ({_line(node)})"
        problems.append(Problem(field, message, item))


def _line(node: Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _pairs(node: MappingNode, field: str, problems: list[Problem]) -> list[tuple[Node, Node]]:
    """Names and values; a name that stands twice is a mistake, and YAML would take the last."""
    import yaml

    seen: set[str] = set()
    for key, _ in list(node.value):
        if not isinstance(key, yaml.ScalarNode) or _is_nothing(key):
            problems.append(Problem(field, f"a name is expected ({_line(key)})"))
            node.value = [pair for pair in node.value if pair[0] is not key]
        elif key.value in seen:
            problems.append(Problem(field, f"{key.value!r} stands twice ({_line(key)})"))
        else:
            seen.add(key.value)
    loader = yaml.SafeLoader("")
    try:
        # What `<<` brings comes first, so that the mapping's own values count.
        loader.flatten_mapping(node)
    finally:
        loader.dispose()
    return list({str(key.value): (key, value) for key, value in node.value}.values())
