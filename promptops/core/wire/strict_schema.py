"""A JSON Schema in the forms that vendors' strict modes want it, as their own SDKs make them.

Sources: https://developers.openai.com/api/docs/guides/structured-outputs (supported schemas) and
https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MAX_DEPTH: Final = 64  # levels of a schema with its references followed
_LISTS: Final = ("anyOf", "allOf")
_MAPPINGS: Final = ("$defs", "definitions", "properties")


def schema_name(schema: Mapping[str, Any]) -> str:
    """Return what a schema is called: its title in the 64 letters that vendors allow, else `output`."""
    name = re.sub(r"[^a-zA-Z0-9_-]+", "_", str(schema.get("title") or "")).strip("_")[:64]
    return name or "output"


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return `schema` as OpenAI's strict mode takes it: objects closed, all their properties required.

    A reference with words beside it is written out. Alternatives are `anyOf`: the `oneOf` of a union with a
    discriminator is refused there, although the SDK sends it. Raises `ValueError` where references lead nowhere or
    never end.
    """
    made: dict[str, Any] = _strict(schema, schema, 0)
    return made


def _strict(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    if depth > MAX_DEPTH:
        raise ValueError(f"the output schema nests deeper than {MAX_DEPTH} levels, its references followed")
    made: dict[str, Any] = dict(schema)
    _replace_words(made)
    for name, value in made.items():
        if name in _MAPPINGS and isinstance(value, Mapping):
            made[name] = {key: _strict(below, root, depth + 1) for key, below in value.items()}
        elif name == "items":
            made[name] = _strict(value, root, depth + 1)
        elif name in _LISTS and isinstance(value, list):
            made[name] = [_strict(below, root, depth + 1) for below in value]
    if made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if isinstance(made.get("properties"), Mapping):
        made["required"] = list(made["properties"])
    if len(made.get("allOf") or ()) == 1:
        made |= made.pop("allOf")[0]
    if isinstance(reference := made.get("$ref"), str) and len(made) > 1:
        del made["$ref"]
        return _strict({**_resolved(root, reference), **made}, root, depth + 1)
    return made


def _replace_words(made: dict[str, Any]) -> None:
    """Take out what the mode has no word for, or another one."""
    if isinstance(made.get("oneOf"), list) and "anyOf" not in made:
        made["anyOf"] = made.pop("oneOf")
        made.pop("discriminator", None)
    if "default" in made and made["default"] is None:
        del made["default"]  # says nothing that the type does not


def _resolved(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """What `#/$defs/Name` points at."""
    found: Any = root
    for key in reference.removeprefix("#/").split("/") if reference.startswith("#/") else ("",):
        found = found.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping):
        return found
    raise ValueError(f"the output schema refers to {reference!r}, which is not in it")
