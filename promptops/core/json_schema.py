"""A JSON Schema validator that fetches nothing and whose patterns end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptops.core.regexes import compile_pattern, search


def validator_for(schema: dict[str, Any]) -> Any:
    """Return a validator for `schema`; raises `ValueError` where it is no valid schema or points outside itself."""
    import jsonschema
    from jsonschema.validators import extend
    from jsonschema.validators import validator_for as class_for
    from referencing import Registry

    base = class_for(schema, default=jsonschema.Draft202012Validator)
    try:
        base.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = "".join(f"[{part!r}]" for part in error.absolute_path)
        raise ValueError(f"is not a JSON Schema: {'at ' + where + ': ' if where else ''}{error.message}") from None
    keywords = {"pattern": _pattern, "patternProperties": _pattern_properties}
    keywords["additionalProperties"] = _additional_properties
    make: Any = extend
    made = make(base, keywords)(schema, format_checker=base.FORMAT_CHECKER, registry=Registry())
    _check_references(made, schema)
    return made


def _check_references(validator: Any, schema: Any) -> None:
    """Every `$ref` must resolve now, and every pattern compile."""
    stack = [schema]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key in ("$ref", "$dynamicRef"):
                if isinstance(reference := item.get(key), str):
                    _check_reference(validator, reference)
            if isinstance(pattern := item.get("pattern"), str):
                compile_pattern(pattern)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _check_reference(validator: Any, reference: str) -> None:
    from referencing.exceptions import Unresolvable

    try:
        validator._resolver.lookup(reference)
    except (Unresolvable, ValueError):
        raise ValueError(f"$ref {reference!r} does not resolve inside the schema; nothing is fetched") from None


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if validator.is_type(instance, "string") and not search(pattern, instance):
        yield ValidationError(f"{instance[:80]!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], instance: Any, _schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, below in patterns.items():
        for key, value in instance.items():
            if search(pattern, key):
                yield from validator.descend(value, below, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    extra = [key for key in instance if key not in known and not any(search(p, key) for p in patterns)]
    if validator.is_type(allowed, "object"):
        for key in extra:
            yield from validator.descend(instance[key], allowed, path=key)
    elif not allowed and extra:
        names = ", ".join(repr(key[:80]) for key in sorted(extra)[:10])
        yield ValidationError(f"unexpected keys: {names}")
