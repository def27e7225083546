"""From pydantic's errors to problems with a line that a person can mend."""

from __future__ import annotations

import json
import types
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from promptops.core.document import Document
from promptops.errors import Problem, ProblemsError, did_you_mean

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document, *, path: str) -> M:
    """Read `document` as `model`; an empty document counts as an empty mapping.

    Raises `ProblemsError` with every problem and its line; an unknown key comes with the nearest known one.
    """
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        raise ProblemsError([Problem(path, document.line(), f"must be a mapping of keys, not {kind}")])
    try:
        # JSON mode: a whole number is a float where one is wanted, a list is a tuple, all else stays strict.
        return model.model_validate_json(json.dumps(data, allow_nan=False))
    except ValidationError as error:
        raise ProblemsError(_problems(model, error, document, path)) from error


def _problems(model: type[BaseModel], error: ValidationError, document: Document, path: str) -> list[Problem]:
    """One problem for each place: the branches of a union are joined by "or"."""
    found: dict[tuple[str | int, ...], list[str]] = {}
    hints: dict[tuple[str | int, ...], str] = {}
    for item in error.errors(include_url=False):
        where = _written(item["loc"], document.data)
        message = str(item["msg"]).removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = _fields_at(model, where[:-1])
            message = f"unknown key{did_you_mean(str(where[-1]), known)}"
            hints[where] = "known keys: " + ", ".join(sorted(known)) if known else ""
        elif item["type"] == "missing":
            where, message = where[: len(item["loc"])], "is missing"
            message = f"the key {item['loc'][-1]!r} {message}"
        if message not in found.setdefault(where, []):
            found[where].append(message)
    return [
        Problem(path, document.line(*where), f"{_dotted(where)}{'; or: '.join(messages)}", hints.get(where, ""))
        for where, messages in found.items()
    ]


def _dotted(where: tuple[str | int, ...]) -> str:
    return ".".join(map(str, where)) + ": " if where else ""


def _written(loc: tuple[str | int, ...], data: Any) -> tuple[str | int, ...]:
    """The part of pydantic's location that stands in the file: without the names of union branches."""
    where: list[str | int] = []
    for part in loc:
        if not _holds(data, part):
            continue
        data = data[part]
        where.append(part)
    return tuple(where)


def _holds(data: Any, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and part < len(data)
    return isinstance(data, dict) and part in data


def _fields_at(model: type[BaseModel], where: tuple[str | int, ...]) -> list[str]:
    """The keys that are known at a place in the file."""
    current: list[Any] = [model]
    for part in where:
        following: list[Any] = []
        for kind in current:
            if _is_model(kind):
                named = {field.alias or name: field for name, field in kind.model_fields.items()}
                if part in named:
                    following += _kinds(named[part].annotation)
            else:
                following += [k for argument in typing.get_args(kind)[-1:] for k in _kinds(argument)]
        current = following
    fields = (item for kind in current if _is_model(kind) for item in kind.model_fields.items())
    return sorted({field.alias or name for name, field in fields})


def _kinds(annotation: Any) -> list[Any]:
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [kind for argument in typing.get_args(annotation) for kind in _kinds(argument)]
    return [annotation]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
