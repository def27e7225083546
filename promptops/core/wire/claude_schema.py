"""A JSON Schema as Anthropic's structured outputs take it: closed objects, and in words what they cannot enforce.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations; how the SDKs
transform schemas).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.wire.strict_schema import MAX_DEPTH

_FORMATS: Final = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)


def claude_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` transformed; raises `ValueError` where a part of it says nothing of its type."""
    return _transformed(schema, 0)


def _transformed(schema: Any, depth: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        raise ValueError("the output schema has a part that is no schema, or nests without end")
    rest = dict(schema)
    made: dict[str, Any] = {}
    if isinstance(definitions := rest.pop("$defs", None), Mapping):
        made["$defs"] = {name: _transformed(below, depth + 1) for name, below in definitions.items()}
    if (reference := rest.pop("$ref", None)) is not None:
        return {**made, "$ref": reference}
    kind = _take_type(rest, made, depth)
    for name in ("description", "title"):
        if rest.get(name) is not None:
            made[name] = rest[name]
        rest.pop(name, None)
    _KINDS.get(kind, _nothing)(rest, made, depth)
    if rest:
        words = "{" + ", ".join(f"{key}: {value}" for key, value in rest.items()) + "}"
        made["description"] = f"{made['description']}\n\n{words}" if "description" in made else words
    return made


def _take_type(rest: dict[str, Any], made: dict[str, Any], depth: int) -> Any:
    """Move what says the type: literals, else alternatives, else `type`, which is returned where it counts."""
    kind = rest.pop("type", None)
    alternatives = {name: rest.pop(name, None) for name in ("anyOf", "oneOf", "allOf")}
    values = rest.get("enum")
    if isinstance(values, list) and values and all(map(_is_plain, values)):
        made["enum"] = list(rest.pop("enum"))
    if "const" in rest and _is_plain(rest["const"]):
        made["const"] = rest.pop("const")
    literal = "enum" in made or "const" in made
    found = next(((name, value) for name, value in alternatives.items() if isinstance(value, list)), None)
    if found is not None:
        name = "anyOf" if found[0] == "oneOf" else found[0]
        made[name] = [_transformed(below, depth + 1) for below in found[1]]
    elif not literal:
        if kind is None:
            raise ValueError("the output schema has a part without type, anyOf, oneOf, allOf, const or enum")
        made["type"] = kind
    return None if literal else kind


def _object(rest: dict[str, Any], made: dict[str, Any], depth: int) -> None:
    properties = rest.pop("properties", {})
    made["properties"] = {name: _transformed(below, depth + 1) for name, below in properties.items()}
    rest.pop("additionalProperties", None)
    made["additionalProperties"] = False
    if (required := rest.pop("required", None)) is not None:
        made["required"] = list(required)


def _string(rest: dict[str, Any], made: dict[str, Any], _depth: int) -> None:
    name = rest.pop("format", None)
    if name in _FORMATS:
        made["format"] = name
    elif name:
        rest["format"] = name  # after the others, where the SDK has it too


def _array(rest: dict[str, Any], made: dict[str, Any], depth: int) -> None:
    if (items := rest.pop("items", None)) is not None:
        made["items"] = _transformed(items, depth + 1)
    fewest = rest.pop("minItems", None)
    if fewest in (0, 1):
        made["minItems"] = fewest
    elif fewest is not None:
        rest["minItems"] = fewest


def _nothing(_rest: dict[str, Any], _made: dict[str, Any], _depth: int) -> None:
    pass


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


_KINDS: Final = {"object": _object, "string": _string, "array": _array}
