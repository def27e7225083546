"""A JSON document piece by piece, so that a million cases need not be held to be written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_INDENT = "  "


def json_pieces(document: Any, *, indent: str = "") -> Iterator[str]:
    """Yield the text of `document`: UTF-8, sorted keys, two spaces; an iterator in it is written as a list.

    Joined, it is what `json.dumps` writes where lists stand in place of iterators.
    """
    inner = indent + _INDENT
    if isinstance(document, Mapping) and any(map(_is_lazy, document.values())):
        for number, key in enumerate(sorted(document)):
            yield f"{',' if number else '{'}\n{inner}{json.dumps(key, ensure_ascii=False)}: "
            yield from json_pieces(document[key], indent=inner)
        yield f"\n{indent}}}"
    elif isinstance(document, Iterator) or (isinstance(document, list | tuple) and any(map(_is_lazy, document))):
        number = -1
        for number, item in enumerate(document):
            yield f"{',' if number else '['}\n{inner}"
            yield from json_pieces(item, indent=inner)
        yield f"\n{indent}]" if number >= 0 else "[]"
    else:
        text = json.dumps(document, ensure_ascii=False, indent=len(_INDENT), sort_keys=True)
        yield text.replace("\n", f"\n{indent}")


def _is_lazy(value: Any) -> bool:
    """Whether there is an iterator in `value`, at whatever depth."""
    if isinstance(value, Mapping):
        return any(map(_is_lazy, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(map(_is_lazy, value))
    return isinstance(value, Iterator)
