"""Output contracts: parse what a model wrote, validate it, and bring it into the one form that is compared.

A contract never raises for an output, however hostile. An output that breaks it is invalid, with every problem;
Python of the repository that raises anything but a validation error is an `error`, with its traceback.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from promptops.core.json_text import MAX_DEPTH, Found, Wants, find_json
from promptops.core.shown import short, shown
from promptops.core.user_calls import Raised, call_user, guarded
from promptops.models import Json

if TYPE_CHECKING:
    from pydantic import BaseModel

MAX_PROBLEMS = 20
MAX_MESSAGE = 320  # characters of one problem


class Parsed(Struct, frozen=True):
    """What a contract made of a text.

    `value` is plain JSON, normalised where `valid`; as written where it parses but does not validate; None where it
    does not parse. `error` is the traceback where the contract's own Python failed (then `valid` is False).
    """

    value: Json
    valid: bool
    repairs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    error: str = ""


class Contract(Protocol):
    """What an output must be. `schema` is its JSON Schema, None where any text will do."""

    @property
    def schema(self) -> dict[str, Any] | None: ...

    def parse(self, text: str) -> Parsed: ...


class TextContract:
    """No contract: the output is text, and always valid."""

    schema: dict[str, Any] | None = None

    def parse(self, text: str) -> Parsed:
        return Parsed(text, valid=True)


class PydanticContract:
    """The contract of a pydantic model: the value is what the model dumps (`mode="json"`, by alias).

    Raises whatever pydantic raises where the model has no JSON Schema.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self.model = model
        self.schema: dict[str, Any] | None = model.model_json_schema()
        self._wants = _wants(self.schema)

    def parse(self, text: str) -> Parsed:
        from pydantic import ValidationError

        found = find_json(text, self._wants)
        if found.problem:
            return Parsed(None, valid=False, repairs=found.repairs, problems=(found.problem,))
        try:
            value = call_user(self._normalise, text, found, passing=(ValidationError,))
            _check_plain(value)
        except ValidationError as error:
            return _invalid(found, _pydantic_problems(error))
        except Raised as raised:
            return _failed(found, raised)
        except ValueError as error:
            return _invalid(found, [str(error)])
        return Parsed(value, valid=True, repairs=found.repairs)

    def _normalise(self, text: str, found: Found) -> Any:
        # In JSON mode a strict model still takes "14:30:00" for a time.
        document = text.strip() if found.as_is else json.dumps(found.value)
        return self.model.model_validate_json(document).model_dump(mode="json", by_alias=True, warnings=False)


class JsonSchemaContract:
    """The contract of a JSON Schema (draft 2020-12 unless `$schema` says otherwise); formats are checked.

    References must resolve inside the schema: nothing is fetched. Raises `ValueError` for a schema that is none.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from promptops.core.json_schema import validator_for

        self.schema: dict[str, Any] | None = dict(schema)
        self._validator = validator_for(self.schema)
        self._wants = _wants(self.schema)

    def parse(self, text: str) -> Parsed:
        found = find_json(text, self._wants)
        if found.problem:
            return Parsed(None, valid=False, repairs=found.repairs, problems=(found.problem,))
        try:
            problems = guarded(self._problems, found.value)
        except Raised as raised:
            if isinstance(raised.__cause__, RecursionError):
                endless = "the schema refers to itself without end"
                return Parsed(found.value, valid=False, repairs=found.repairs, problems=(endless,), error=endless)
            return _failed(found, raised)
        return _invalid(found, problems) if problems else Parsed(found.value, valid=True, repairs=found.repairs)

    def _problems(self, value: Any) -> list[str]:
        from itertools import islice

        errors = islice(self._validator.iter_errors(value), MAX_PROBLEMS + 1)
        return sorted(_problem(e.absolute_path, e.message, e.instance, show=False) for e in errors)


def _wants(schema: Mapping[str, Any] | None) -> Wants:
    kind = (schema or {}).get("type")
    return "array" if kind == "array" else "object" if kind == "object" or "properties" in (schema or {}) else "any"


def _invalid(found: Found, problems: list[str]) -> Parsed:
    told = problems[:MAX_PROBLEMS]
    if len(problems) > MAX_PROBLEMS:
        told.append("… and more")
    return Parsed(found.value, valid=False, repairs=found.repairs, problems=tuple(told))


def _failed(found: Found, raised: Raised) -> Parsed:
    problem = f"the contract itself raised {raised.reason}"
    return Parsed(found.value, valid=False, repairs=found.repairs, problems=(problem,), error=raised.trace)


def _pydantic_problems(error: Any) -> list[str]:
    return [_problem(e["loc"], e["msg"], e["input"], show=True) for e in error.errors(include_url=False)]


def _problem(path: Any, message: str, value: Any, *, show: bool) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    return (f"{where}: " if where else "") + short(message, MAX_MESSAGE) + (f" (got {shown(value)})" if show else "")


def _check_plain(value: Any, depth: int = 0) -> None:
    """A normalised value must be finite JSON: a model may make NaN out of the text "nan"."""
    if depth > MAX_DEPTH:
        raise ValueError(f"the normalised value nests deeper than {MAX_DEPTH} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"the normalised value holds {value}, which is not JSON")
    if isinstance(value, dict):
        for item in value.values():
            _check_plain(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, depth + 1)
