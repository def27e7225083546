"""What the vendors' modes for a JSON Schema cannot hold, so that it is asked for in words instead.

Sources: https://developers.openai.com/api/docs/guides/structured-outputs#supported-schemas and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from promptops.core.wire.strict_schema import MAX_DEPTH

SchemaMode = Literal["any", "openai", "claude"]
"""Whose limits hold: `any` has none that are known, as servers that make a grammar of the schema."""

_NAMED: Final = ("$defs", "definitions", "properties")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_SAYS_WHAT: Final = frozenset({"type", "$ref", "enum", "const", "anyOf", "oneOf", "allOf"})
_NOT_OPENAIS: Final = (
    "prefixItems",
    "patternProperties",
    "propertyNames",
    "uniqueItems",
    "contains",
    "not",
    "if",
    "dependentRequired",
    "dependentSchemas",
)


def beyond(mode: SchemaMode, schema: Mapping[str, Any]) -> str:
    """Return what in `schema` the mode cannot hold, in words; empty where it can."""
    if mode == "any":
        return ""
    if mode == "openai" and ("anyOf" in schema or "oneOf" in schema or schema.get("type", "object") != "object"):
        return "an answer that is no object"
    if mode == "claude" and _is_recursive(schema):
        return "a schema that refers to itself"
    return next((found for part in _parts(schema, 0) if (found := _beyond(mode, part))), "")


def _beyond(mode: SchemaMode, part: Any) -> str:
    if not isinstance(part, Mapping) or _SAYS_WHAT.isdisjoint(part):
        return "a value of any type"
    if part.get("type") == "object" and (part.get("additionalProperties") or "properties" not in part):
        return "an object of any keys"
    if mode == "openai":
        if part.get("type") == "array" and "items" not in part:
            return "a list of anything"
        if isinstance(several := part.get("allOf"), list) and len(several) > 1:
            return "allOf"
        return next((name for name in _NOT_OPENAIS if name in part), "")
    return ""


def _parts(schema: Any, depth: int) -> Iterator[Any]:
    """The schema and every schema in it."""
    yield schema
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return
    below = [part for name in _NAMED if isinstance(schema.get(name), Mapping) for part in schema[name].values()]
    below += [part for name in _LISTS if isinstance(schema.get(name), list) for part in schema[name]]
    below += [schema["items"]] if "items" in schema else []
    for part in below:
        yield from _parts(part, depth + 1)


def _is_recursive(schema: Mapping[str, Any]) -> bool:
    """Whether a definition leads back to itself, or a reference to the whole."""
    refers = {
        f"#/{folder}/{name}": {part["$ref"] for part in _parts(definition, 0) if _refers(part)}
        for folder in ("$defs", "definitions")
        for name, definition in (schema.get(folder) or {}).items()
    }
    for start in refers:
        seen, ahead = set[str](), set(refers[start])
        while ahead:
            reference = ahead.pop()
            if reference in (start, "#"):
                return True
            if reference not in seen:
                seen.add(reference)
                ahead |= refers.get(reference, set())
    return any(_refers(part) and part["$ref"] == "#" for part in _parts(schema, 0))


def _refers(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("$ref"), str)
