"""What pydantic found wrong with a file, in words that a person can act on: what is allowed, and the nearest name."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from pydantic import BaseModel, ValidationError

from promptops.errors import did_you_mean

Where: TypeAlias = tuple[str | int, ...]

WRONG_KIND: Final[Mapping[str, str]] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
}
"""What a value has to be, by pydantic's type of error. Source: pydantic's page "Validation Errors"."""

LIMITS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("more than {}", "gt"),
    "greater_than_equal": ("at least {}", "ge"),
    "less_than": ("less than {}", "lt"),
    "less_than_equal": ("at most {}", "le"),
}

LOOKS: Final[Mapping[str, str]] = {
    r"^v[1-9]\d*$": "a version such as v3",
    r"^[A-Za-z0-9][\w.\-]*$": "letters, digits and . _ - such as c17",
    r"^[a-z0-9][a-z0-9_\-]*$": "lower-case letters, digits and _ - such as booking-2",
    r"^sha256:[0-9a-f]{64}$": "sha256: and 64 hex digits",
    r"^\d{1,4}(\.\d+)?%$": "a share such as 10%",
    r"^[^/\s]+/\S+$": "a pin such as openai/gpt-4.1-mini-2025-04-14",
    r"^[A-Za-z][A-Za-z0-9\-]{0,63}$": "the name of a header, such as X-Tenant",
    r"^[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?$": "plain characters without spaces around them",
    r"^\d{4}-\d{2}-\d{2}(-preview)?$": "a day such as 2024-10-21, or 2024-10-21-preview",
    r"^[A-Z][A-Z0-9_]*_API_KEY$": "the name of an environment variable that ends in _API_KEY, such as ACME_API_KEY",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable, such as PROMPTOPS_WEBHOOK_URL",
}
"""The patterns of the files' models, in words."""


class Mistake(Struct):
    """What is wrong at one place: `needs` are the kinds of value it takes, `other` is anything else that is wrong."""

    where: Where
    value: Any = None
    needs: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    hint: str = ""

    @property
    def message(self) -> str:
        """In words, without the place."""
        if self.other:
            return "; or: ".join(self.other)
        return f"must be {' or '.join(self.needs)}, not {_shown(self.value)}"


def mistakes(model: type[BaseModel], error: ValidationError, data: Any) -> list[Mistake]:
    """What is wrong with `data`, one for each place that is written in it.

    Of the branches of a union only those count that take the kind of value which was written: who writes a mapping is
    not told that text would do as well.
    """
    found: dict[Where, Mistake] = {}
    for item in error.errors(include_url=False):
        where = _written(item["loc"], data)
        mistake = found.setdefault(where, Mistake(where, _at(data, where)))
        _take(mistake, dict(item), model)
    deeper = {place[:end] for place in found for end in range(len(place))}
    return [mistake for where, mistake in found.items() if mistake.other or where not in deeper]


def _take(mistake: Mistake, item: dict[str, Any], model: type[BaseModel]) -> None:
    """Add one of pydantic's errors to what is wrong at its place."""
    kind, context, where = item["type"], item.get("ctx", {}), mistake.where
    if kind in WRONG_KIND:
        _once(mistake.needs, WRONG_KIND[kind])
        mistake.hint = mistake.hint or _kind_hint(kind, mistake, model)
    elif kind == "extra_forbidden" or item["loc"][-1] == "[key]":
        known = known_keys(model, where[:-1])
        _once(mistake.other, f"unknown key{_instead(model, where, known)}")
        mistake.hint = f"known keys: {', '.join(known)}" if known else ""
    elif kind == "missing":
        _once(mistake.other, f"the key {item['loc'][-1]!r} is missing")
    elif kind == "literal_error":
        choices = sorted({str(choice) for choice in _choices(_kinds_at(model, where))})
        near = did_you_mean(str(mistake.value), choices)
        _once(mistake.other, f"{_shown(mistake.value)} is not known{near}")
        mistake.hint = f"one of: {', '.join(choices)}"
    elif kind in LIMITS:
        words, name = LIMITS[kind]
        _once(mistake.other, f"must be {words.format(_plain(context[name]))}, not {_shown(mistake.value)}")
        mistake.hint = _share(mistake.value, context[name])
    elif kind == "string_pattern_mismatch":
        looks = LOOKS.get(context["pattern"], f"what {context['pattern']} matches")
        needs = " or ".join([*mistake.needs, looks])
        _once(mistake.other, f"must be {needs}, not {_shown(mistake.value)}")
        mistake.hint = ""
    elif kind == "finite_number":
        _once(mistake.other, "must be a finite number")
    elif kind in ("too_long", "string_too_long"):
        _once(mistake.other, f"is too long: at most {context['max_length']}")
    elif kind in ("too_short", "string_too_short"):
        _once(mistake.other, "is empty" if context["min_length"] == 1 else f"at least {context['min_length']}")
    else:
        _once(mistake.other, str(item["msg"]).removeprefix("Value error, "))


def _once(words: list[str], word: str) -> None:
    if word not in words:
        words.append(word)


def _kind_hint(kind: str, mistake: Mistake, model: type[BaseModel]) -> str:
    """What to write in place of a value of another kind."""
    value = mistake.value
    if WRONG_KIND[kind] == "a mapping of keys":
        known = known_keys(model, mistake.where)
        return f"known keys: {', '.join(known)}" if known else ""
    if WRONG_KIND[kind] == "a list" and isinstance(value, str):
        return f"write [{value}]"
    if isinstance(value, str) and "number" in WRONG_KIND[kind]:
        return _number(value)
    return ""


def _number(text: str) -> str:
    try:
        float(text.removesuffix("%"))
    except ValueError:
        return ""
    return f"write {float(text[:-1]) / 100:g}" if text.endswith("%") else "write it without quotes"


def _share(value: Any, limit: Any) -> str:
    """A percentage where a share between 0 and 1 is wanted."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"write {value / 100:g} for {value:g} %" if number and 0 < limit <= 1 < value <= 100 else ""


def _plain(limit: Any) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return repr(value if not isinstance(value, str) or len(value) <= 60 else value[:60] + "…")


# --- places -----------------------------------------------------------------------------------------------------------


def _written(loc: Iterable[str | int], data: Any) -> Where:
    """The part of pydantic's location that stands in the file: without the names of union branches."""
    where: list[str | int] = []
    for part in loc:
        if _holds(data, part):
            data = data[part]
            where.append(part)
    return tuple(where)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _at(data: Any, where: Where) -> Any:
    for part in where:
        data = data[part]
    return data


# --- what a model knows -----------------------------------------------------------------------------------------------


def known_keys(model: type[BaseModel], where: Where) -> list[str]:
    """The keys that are known at a place of the file; empty where any key will do."""
    kinds = _kinds_at(model, where)
    named = {str(name) for kind in kinds if _is_model(kind) for name in _fields(kind)}
    return sorted(named or {str(key) for kind in kinds if _is_mapping(kind) for key in _choices(_keys(kind))})


def _instead(model: type[BaseModel], where: Where, known: list[str]) -> str:
    """What an unknown key may have been meant for: a level below, a name that is near, the top of the file."""
    key, parents = str(where[-1]), where[:-1]
    below = [name for name in known if key in known_keys(model, (*parents, name))]
    if len(below) == 1:
        return f" here: it belongs below {'.'.join(map(str, (*parents, below[0])))}"
    at_the_top = parents and key in known_keys(model, ())
    return did_you_mean(key, known) or (" here: it belongs to the top of the file" if at_the_top else "")


def _kinds_at(model: type[BaseModel], where: Where) -> list[Any]:
    """The types, without unions and annotations, that a model wants at a place."""
    current: list[Any] = [model]
    for part in where:
        following: list[Any] = []
        for kind in current:
            if not _is_model(kind):
                following += [k for argument in typing.get_args(kind)[-1:] for k in _kinds(argument)]
            elif part in (fields := _fields(kind)):
                following += _kinds(fields[part].annotation)
        current = following
    return current


def _kinds(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for argument in typing.get_args(annotation) for kind in _kinds(argument)]
    return [annotation]


def _keys(kind: Any) -> list[Any]:
    return _kinds(typing.get_args(kind)[0])


def _choices(kinds: Iterable[Any]) -> list[Any]:
    return [choice for kind in kinds if typing.get_origin(kind) is typing.Literal for choice in typing.get_args(kind)]


def _fields(kind: type[BaseModel]) -> dict[str | int, Any]:
    return {info.alias or name: info for name, info in kind.model_fields.items()}


def _is_mapping(kind: Any) -> bool:
    return typing.get_origin(kind) is dict


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
