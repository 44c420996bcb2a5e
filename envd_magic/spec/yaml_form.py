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
from envd_magic.spec.several import Specs

if TYPE_CHECKING:
    from flytekit import ImageSpec
    from yaml.nodes import MappingNode, Node

_KINDS = {"int": "a number", "float": "a number", "bool": "true or false", "timestamp": "a date"}
# Their values are whatever their readers take.
_FREE = ("builder_options", "builder_config")


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

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise CellError(Problem("", f"The cell is no YAML: {error}")) from error
    if isinstance(node, yaml.SequenceNode) and node.value:
        items = tuple((f"[{number}]", _spec(item)) for number, item in enumerate(node.value))
        return Specs(items, "list")
    return Specs((("", _spec(node)),))


def _spec(node: Node | None) -> ImageSpec:
    import yaml
    from flytekit import ImageSpec

    if not isinstance(node, yaml.MappingNode):
        raise CellError(
            Problem("", "The YAML makes no ImageSpec: expected fields, as in `packages: [pandas]`")
        )
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, item in _pairs(node, "", problems):
        if name not in BY_NAME:
            problems.append(Problem("", unknown("field", name, BY_NAME)))
        else:
            values[name] = _value(name, item, problems)
    if problems:
        raise SpecError(*problems)
    try:
        return ImageSpec(**values)
    except ValueError as error:
        raise refused(error) from error


def _value(field: str, node: Node, problems: list[Problem]) -> Any:
    import yaml

    if field == "base_image" and isinstance(node, yaml.MappingNode):
        return _spec(node)
    if field not in _FREE:
        _bent(field, None, node, problems)
    value = _construct(node)
    if field == "pip_secret_mounts" and isinstance(value, list):
        # YAML has no tuples, and flytekit takes nothing else.
        return [tuple(pair) if isinstance(pair, list) else pair for pair in value]
    if field == "source_copy_mode" and isinstance(value, str):
        from flytekit.constants import CopyFileDetection

        if value not in CopyFileDetection.__members__:
            message = unknown("mode", value, CopyFileDetection.__members__)
            problems.append(Problem(field, message))
            return None
        return CopyFileDetection[value]
    return value


def _construct(node: Node) -> Any:
    import yaml

    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _bent(field: str, item: str | None, node: Node, problems: list[Problem]) -> None:
    """Find the values that YAML does not read as the text that was written."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        for name, inner in _pairs(node, field, problems):
            _bent(field, name, inner, problems)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _bent(field, item, inner, problems)
    elif kind := _KINDS.get(node.tag.rpartition(":")[2]):
        message = f"YAML reads {node.value} as {kind}; write it in quotes: '{node.value}'"
        problems.append(Problem(field, f"{message} (line {node.start_mark.line + 1})", item))


def _pairs(node: MappingNode, field: str, problems: list[Problem]) -> list[tuple[str, Node]]:
    """Names and values; a name that stands twice is a mistake, and YAML would take the last."""
    pairs: dict[str, Node] = {}
    for key, value in node.value:
        name = str(key.value)
        if name in pairs:
            line = key.start_mark.line + 1
            problems.append(Problem(field, f"{name!r} stands twice (line {line})"))
        pairs[name] = value
    return list(pairs.items())
