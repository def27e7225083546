"""Which params an endpoint takes for a model, and what is said of those that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from promptops.core.wire.spec import Field, ModelRule, Spec


class Refusal(Struct, frozen=True):
    """One param that is not taken as it stands: `why` in words, `page` the vendor's reference that says so.

    `missing`: it is not there and must be, so that nothing can be dropped.
    """

    param: str
    why: str
    page: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.param} {self.why}"


def refusals(spec: Spec, model: str, params: Mapping[str, Any]) -> list[Refusal]:
    """Return what `params` have that the model does not take by this format, and what it cannot do without."""
    rules = list(_rules(spec, model, params))
    found = [refusal for name, value in params.items() if (refusal := _refusal(spec, rules, model, name, value))]
    for rule in rules:
        if len(both := [name for name in params if name in rule.either]) > 1:
            others = " and ".join(both[:-1])
            found.append(Refusal(both[-1], f"cannot be set together with {others} for {model}", rule.page))
    found += [
        Refusal(name, f"must be set for the format {spec.format}", page, missing=True)
        for name, page in spec.required.items()
        if name not in params
    ]
    return found


def kept(spec: Spec, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `params` without those that the model does not take."""
    dropped = {refusal.param for refusal in refusals(spec, model, params)}
    return {name: value for name, value in params.items() if name not in dropped}


def fields_for(spec: Spec, model: str, params: Mapping[str, Any]) -> dict[str, Field]:
    """Return the fields of the format as this model has them."""
    found = dict(spec.fields)
    for rule in _rules(spec, model, params):
        found.update(rule.fields)
    return found


def has_native_schema(spec: Spec, model: str) -> bool:
    """Whether the model has a mode that keeps to a JSON Schema."""
    return spec.native_schema and all(rule.native_schema for rule in _rules(spec, model, {}))


def place(body: dict[str, Any], fields: Mapping[str, Field], params: Mapping[str, Any]) -> None:
    """Write each of `params` that has a path into `body`."""
    for name, value in params.items():
        field = fields.get(name)
        if field is None or not field.path:
            continue
        if field.choices is not None:
            value = field.choices[value]
        elif field.as_list and not isinstance(value, list):
            value = [value]
        *parents, last = field.path
        below = body
        for parent in parents:
            below = below.setdefault(parent, {})
        below[last] = value


def _rules(spec: Spec, model: str, params: Mapping[str, Any]) -> Iterator[ModelRule]:
    name = model.rpartition("/")[2]
    for rule in spec.models:
        if re.fullmatch(rule.models, name) and not any(
            params.get(key) in values for key, values in rule.unless.items()
        ):
            yield rule


def _refusal(spec: Spec, rules: list[ModelRule], model: str, name: str, value: Any) -> Refusal | None:
    field = next((rule.fields[name] for rule in reversed(rules) if name in rule.fields), spec.fields.get(name))
    if field is None:
        return Refusal(name, f"is not taken by the format {spec.format}", spec.page)
    for rule in rules:
        if name in rule.refuses:
            but = "".join(f" (but with {key}: {values[0]})" for key, values in rule.unless.items())
            return Refusal(name, f"is not taken by {model}{but}", rule.page)
    if name == "structured_output" and value == "native" and not has_native_schema(spec, model):
        return Refusal(name, f"cannot be native: {model} has no mode for a schema by {spec.format}", field.page)
    if field.choices is not None:
        limited = next((rule for rule in rules if name == "reasoning_effort" and rule.efforts is not None), None)
        known = [word for word in field.choices if limited is None or word in (limited.efforts or ())]
        if value not in known:
            text = f"must be one of {', '.join(known)} for {model}, not {value!r}"
            return Refusal(name, text, limited.page if limited else field.page)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if field.low is not None and value < field.low:
            return Refusal(name, f"must be at least {field.low:g} for the format {spec.format}", field.page)
        if field.high is not None and value > field.high:
            return Refusal(name, f"must be at most {field.high:g} for the format {spec.format}", field.page)
    if field.most is not None and isinstance(value, list) and len(value) > field.most:
        return Refusal(name, f"may have at most {field.most} texts for the format {spec.format}", field.page)
    return None
