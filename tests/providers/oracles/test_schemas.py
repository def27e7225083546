"""Schemas that nobody wrote, transformed by the SDKs and by us."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from promptops.core.wire.claude_schema import claude_schema
from promptops.core.wire.strict_schema import strict_schema

anthropic: Any = pytest.importorskip("anthropic")
openai_schemas: Any = pytest.importorskip("openai.lib._pydantic")

COUNT = 1500
DEFINITIONS = {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}, "Word": {"type": "string"}}


def a_schema(random: Random, depth: int = 0) -> dict[str, Any]:
    made = random.choice((_object, _array, _string, _number, _literal, _either, _reference))(random, depth)
    for name, values in (("description", ("words",)), ("title", ("T",)), ("default", (None, 1))):
        if random.random() < 0.25:
            made[name] = random.choice(values)
    return made


def _object(random: Random, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object"}
    if depth < 4:
        made["properties"] = {name: a_schema(random, depth + 1) for name in random.sample("abcd", random.randint(0, 3))}
        made["required"] = list(made["properties"])[:1]
    if random.random() < 0.3:
        made["additionalProperties"] = random.choice((True, False, {"type": "string"}))
    return made


def _array(random: Random, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "array", "items": a_schema(random, depth + 1) if depth < 4 else {"type": "null"}}
    made |= {"minItems": random.randint(0, 3)} if random.random() < 0.5 else {}
    return made | ({"maxItems": 5} if random.random() < 0.5 else {})


def _string(random: Random, _depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string"}
    if random.random() < 0.5:
        made["format"] = random.choice(("date", "email", "regex", "", "uuid"))
    return made | ({"pattern": "^a"} if random.random() < 0.3 else {})


def _number(random: Random, _depth: int) -> dict[str, Any]:
    return {"type": random.choice(("integer", "number", "boolean", "null")), "minimum": 1}


def _literal(random: Random, _depth: int) -> dict[str, Any]:
    return copy.deepcopy(random.choice(({"enum": ["a", None], "type": "string"}, {"const": 1}, {"enum": [{"x": 1}]})))


def _either(random: Random, depth: int) -> dict[str, Any]:
    if depth > 3:
        return {"type": "integer"}
    several = [a_schema(random, depth + 1) for _ in range(random.randint(2, 3))]
    return {random.choice(("anyOf", "oneOf", "allOf")): several}


def _reference(random: Random, _depth: int) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{random.choice(('Node', 'Word'))}"}


def made_by(transform: Callable[[dict[str, Any]], Any], schema: dict[str, Any]) -> Any:
    """What comes out; where a schema is refused, that it is."""
    try:
        return transform(copy.deepcopy(schema))
    except ValueError:
        return "refused"


def with_any_of(schema: Any) -> Any:
    """`schema` with `anyOf` for `oneOf`, which the SDK passes on and the vendor refuses."""
    if isinstance(schema, list):
        return [with_any_of(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {("anyOf" if name == "oneOf" else name): with_any_of(value) for name, value in schema.items()}


def by_openai(schema: dict[str, Any]) -> Any:
    schema = with_any_of(schema)
    return openai_schemas._ensure_strict_json_schema(schema, path=(), root=schema)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(strict_schema, by_openai), (claude_schema, lambda schema: anthropic.transform_schema(schema))],
    ids=["openai", "anthropic"],
)
def test_any_schema_is_transformed_alike(ours: Callable[[dict[str, Any]], Any], theirs: Any) -> None:
    refused = 0
    for seed in range(COUNT):
        schema = {**a_schema(Random(seed)), "$defs": copy.deepcopy(DEFINITIONS)}
        expected = made_by(theirs, schema)
        assert made_by(ours, schema) == expected, schema
        refused += expected == "refused"
    assert refused < COUNT / 2
