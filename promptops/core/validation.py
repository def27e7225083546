"""From pydantic's errors to problems with a line that a person can mend."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from promptops.core.document import Document
from promptops.errors import Problem, ProblemsError
from promptops.mistakes import Mistake, mistakes

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
        found = mistakes(model, error, data)
        raise ProblemsError([_problem(mistake, document, path) for mistake in found]) from error


def _problem(mistake: Mistake, document: Document, path: str) -> Problem:
    place = ".".join(map(str, mistake.where)) + ": " if mistake.where else ""
    return Problem(path, document.line(*mistake.where), place + mistake.message, mistake.hint)
