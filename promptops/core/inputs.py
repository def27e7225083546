"""What a prompt takes: a JSON Schema for each input, defaults, and the check of values against them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from promptops.core.digest import canonical_json
from promptops.core.document import Document
from promptops.core.json_schema import validator_for
from promptops.core.shown import short, shown
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.models import Json

Schemas = Mapping[str, Mapping[str, Any]]

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "integer": lambda value: (isinstance(value, int) and not isinstance(value, bool)) or _is_whole(value),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, (list, tuple)),
    "null": lambda value: value is None,
}
_MEANT: Final = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object",
    "mapping": "object", "list": "array", "none": "null", "date": "string", "time": "string", "datetime": "string",
}  # fmt: skip
_PLAIN_KEYS: Final = frozenset(["type", "default", "description", "title", "examples"])


def parse_inputs(
    spec: Mapping[str, Any] | None, *, path: str = "prompt.yaml", document: Document | None = None
) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each input from what stands below `inputs` in prompt.yaml.

    A value is a JSON type name, `any`, or a JSON Schema, which may have a `default`.

    Raises `ProblemsError` with every problem and its line.
    """
    where = document or Document(None)
    found: list[Problem] = []
    schemas: dict[str, dict[str, Any]] = {}
    for name, declared in (spec or {}).items():
        line = where.line("inputs", name)
        if not name.isidentifier() or name.startswith("_"):
            hint = "letters, digits and _; not _ first"
            found.append(Problem(path, line, f"{name!r} is no name for an input", hint))
        schema, problems = _schema(declared)
        schemas[name] = schema
        found += [Problem(path, line, f"inputs.{name}: {message}", hint) for message, hint in problems]
    if found:
        raise ProblemsError(found)
    return schemas


def _schema(declared: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    if isinstance(declared, str):
        if declared == "any":
            return {}, []
        if declared in _TYPES:
            return {"type": declared}, []
        near = f", did you mean {_MEANT[declared]!r}?" if declared in _MEANT else did_you_mean(declared, _TYPES)
        return {}, [(f"unknown type {declared!r}{near}", f"types: {', '.join(_TYPES)}, any; or a JSON Schema")]
    schema = dict(declared)
    if message := schema_problem(schema):
        return {}, [(message, "https://json-schema.org/understanding-json-schema")]
    if "default" in schema and (message := value_problem(schema, schema["default"])):
        return schema, [(f"the default {message}", "")]
    return schema, []


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a JSON Schema itself, or None. References may not leave the schema."""
    if remote := _remote_reference(schema):
        return f"the reference {remote!r} leaves the schema"
    if _is_plain(schema):
        return None
    try:
        validator_for(dict(schema))
    except ValueError as error:
        return short(str(error), 300)
    except RecursionError:
        return "is nested too deeply"
    return None


def _remote_reference(schema: Any) -> str | None:
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            for key in ("$ref", "$dynamicRef"):
                if isinstance(node.get(key), str) and not node[key].startswith("#"):
                    return str(node[key])
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return None


def value_problem(schema: Mapping[str, Any], value: Any) -> str | None:
    """Return how `value` breaks `schema` ("must be a string, not 3"), or None."""
    if _is_plain(schema):
        kind = schema.get("type")
        if kind is None or _TYPES[kind](value):
            return None
        return f"must be {_article(kind)}, not {shown(value, 120)}"
    try:
        error = next(iter(_validator(canonical_json(dict(schema))).iter_errors(value)), None)
    except RecursionError:
        return "cannot be checked: its schema refers to itself without end"
    except (ValueError, TimeoutError) as problem:  # a schema that nobody has checked, a pattern that backtracks
        return f"cannot be checked: {short(str(problem))}"
    if error is None:
        return None
    place = "".join(f"[{part!r}]" for part in error.absolute_path)
    return short(error.message) + (f" (at {place})" if place else "")


def check_inputs(schemas: Schemas, inputs: Mapping[str, Json], *, unknown: bool = True) -> list[str]:
    """Return what is wrong with `inputs`: missing, mistyped and, unless `unknown` is false, unknown ones."""
    found: list[str] = []
    for name, schema in schemas.items():
        if name in inputs:
            if message := value_problem(schema, inputs[name]):
                found.append(f"input {name!r} {message}")
        elif "default" not in schema:
            found.append(f"input {name!r} is missing")
    if unknown:
        for name in inputs:
            if name not in schemas:
                known = ", ".join(sorted(schemas)) or "none"
                found.append(f"unknown input {name!r}{did_you_mean(str(name), schemas)} (known: {known})")
    return found


def with_defaults(schemas: Schemas, inputs: Mapping[str, Json]) -> dict[str, Json]:
    """Return the inputs that `schemas` name, defaults filled in; others are left out."""
    return {
        name: inputs[name] if name in inputs else schema["default"]
        for name, schema in schemas.items()
        if name in inputs or "default" in schema
    }


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Whether the schema is only a type: then no validator is needed (and none is imported)."""
    kind = schema.get("type")
    return schema.keys() <= _PLAIN_KEYS and (kind is None or (isinstance(kind, str) and kind in _TYPES))


@functools.lru_cache(maxsize=1024)
def _validator(schema: bytes) -> Any:
    return validator_for(json.loads(schema))


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _article(kind: str) -> str:
    return {"null": "null", "integer": "a whole number", "array": "a list", "object": "a mapping"}.get(
        kind, f"a {kind}"
    )


def infer_inputs(variables: Sequence[str] | frozenset[str]) -> dict[str, dict[str, Any]]:
    """Return inputs of any type, all required, for a prompt that declares none."""
    return {name: {} for name in sorted(variables)}
