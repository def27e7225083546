"""Find the one JSON value in a model's answer: strictly first, then out of fences and prose, then repaired.

What had to be done is recorded in words. Nothing is invented: an answer without JSON in it, or with two different
JSON values, has no value. Everything is bounded, because the answer is hostile text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

MAX_TEXT = 1024 * 1024  # characters of an answer that is parsed at all
MAX_REPAIR = 64 * 1024  # characters that json-repair, which is not linear, gets to see
MAX_DEPTH = 100
MAX_STARTS = 200  # places in prose at which JSON is tried

Wants = Literal["object", "array", "any"]

_FENCE = re.compile(r"```([A-Za-z0-9_+\-]{0,20})[ \t]*\r?\n?(.*?)```", re.DOTALL)
_OPEN_FENCE = re.compile(r"```([A-Za-z0-9_+\-]{0,20})[ \t]*\r?\n?")
_LIKE_OBJECT = re.compile(r"""\{\s*(?:["'\u2018\u2019\u201c\u201d]|//|/\*|[A-Za-z_][\w\- ]{0,100}:)""")
_LIKE_ARRAY = re.compile(r"\[")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class Found(Struct, frozen=True):
    """`value` where `problem` is empty; `repairs` is what it took to get it; `as_is`: the text itself is JSON."""

    value: Any = None
    repairs: tuple[str, ...] = ()
    problem: str = ""
    as_is: bool = False


class _NotJson(ValueError):
    """The text parses in Python's dialect, but is not JSON, and must not be repaired into something else."""


def find_json(text: str, wants: Wants = "any") -> Found:
    """Find the JSON value that `text` holds; `wants` is the kind that counts where prose holds several."""
    if len(text) > MAX_TEXT:
        return Found(problem=f"the output has {len(text):,} characters; at most {MAX_TEXT:,} are parsed")
    stripped = text.strip()
    if not stripped:
        return Found(problem="the output is empty")
    try:
        return replace(parse_strictly(stripped), as_is=True)
    except _NotJson as error:
        return Found(problem=str(error))
    except (ValueError, RecursionError):
        return _search(stripped, wants)


def parse_strictly(text: str) -> Found:
    """Parse `text` as JSON: no NaN or Infinity, depth bounded; a repeated key is recorded.

    Raises `ValueError` (`RecursionError` where it nests by the thousands).
    """
    return _decode(text)[0]


def _decode(text: str, start: int = 0, *, whole: bool = True) -> tuple[Found, int]:
    """Decode the value at `start` (`whole`: nothing may follow); returns it and where it ends."""
    repeated: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            seen: set[str] = set()
            repeated.extend(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return found

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=_refuse, parse_float=_float, parse_int=_int)
    value, end = decoder.raw_decode(text, start)
    if whole and end != len(text):
        raise ValueError("something follows the JSON")
    _check(value)
    notes = tuple(f"key {key[:80]!r} stands twice; the last value counts" for key in dict.fromkeys(repeated))
    return Found(value, notes[:20]), end


def _refuse(constant: str) -> Any:
    raise _NotJson(f"{constant} is not JSON")


def _float(text: str) -> float:
    if (value := float(text)) in (float("inf"), float("-inf")):
        raise _NotJson(f"{text[:40]} is too large for a number")
    return value


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _NotJson(f"a number of {len(text):,} digits is too long") from None


def _check(value: Any) -> None:
    """Bound the depth and refuse text that is not Unicode, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
                below.extend(item)
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and not item.isascii() and (bad := _SURROGATE.search(item)):
                raise _NotJson(f"\\u{ord(bad.group()):04x} is half of a character: not Unicode text")
        if not below:
            return
        level = below
    raise _NotJson(f"the JSON nests deeper than {MAX_DEPTH} levels")


def _search(text: str, wants: Wants) -> Found:
    """Look into fences, then into prose, then repair."""
    blocks = [(m.group(1), m.group(2).strip()) for m in _FENCE.finditer(text)]
    fenced = [(language, body) for language, body in blocks if body[:1] in ("{", "[")]
    try:
        found = [_note(_decode(body)[0], _fence_words(language)) for language, body in fenced if _parses(body)]
        return _one(found or list(_in_prose(text)), wants) or _repair(text, fenced, wants)
    except _NotJson as error:
        return Found(problem=str(error))


def _parses(body: str) -> bool:
    try:
        _decode(body)
    except _NotJson:
        raise
    except (ValueError, RecursionError):
        return False
    return True


def _fence_words(language: str) -> str:
    return f"took the JSON out of a ```{language} fence" if language else "took the JSON out of a ``` fence"


def _note(found: Found, *words: str) -> Found:
    return replace(found, repairs=(*(word for word in words if word), *found.repairs))


def _in_prose(text: str) -> Iterator[Found]:
    """Every JSON object or array that stands in `text` and parses as it is."""
    position = 0
    for _ in range(MAX_STARTS):
        start = min((at for at in (text.find("{", position), text.find("[", position)) if at >= 0), default=-1)
        if start < 0:
            return
        try:
            found, end = _decode(text, start, whole=False)
        except _NotJson:
            raise
        except (ValueError, RecursionError):
            position = start + 1
            continue
        yield _note(found, _around(text, start, end))
        position = end


def _around(text: str, start: int, end: int) -> str:
    before, after = bool(text[:start].strip("`\n\r\t ")), bool(text[end:].strip("`\n\r\t "))
    where = "before and after" if before and after else "before" if before else "after" if after else ""
    return f"removed text {where} the JSON" if where else "removed fence marks around the JSON"


def _one(found: list[Found], wants: Wants) -> Found | None:
    """The one value among `found`: of the kind that is wanted, else an object, else an array."""
    kinds: dict[str, type] = {"object": dict, "array": list}
    for kind in ([wants] if wants != "any" else []) + ["object", "array"]:
        values = [item for item in found if isinstance(item.value, kinds[kind])]
        if not values:
            continue
        texts = {json.dumps(item.value, sort_keys=True) for item in values}
        if len(texts) > 1:
            return Found(problem=f"the output holds {len(texts)} different JSON values; which one is meant?")
        return values[0]
    return None


def _repair(text: str, fenced: list[tuple[str, str]], wants: Wants) -> Found:
    """Give json-repair the part that looks like JSON, where there is one."""
    if fenced:
        language, body = fenced[-1]
        return _mend(body, wants, _fence_words(language))
    if start := _OPEN_FENCE.search(text):
        body = text[start.end() :].strip()
        if body[:1] in ("{", "["):
            return _mend(body, wants, f"{_fence_words(start.group(1))} that is never closed")
    pattern = _LIKE_ARRAY if wants == "array" else _LIKE_OBJECT
    if not (match := pattern.search(text)):
        return Found(problem=f"there is no JSON {'array' if wants == 'array' else 'object'} in the output")
    last = text.rfind("]" if wants == "array" else "}")
    end = last + 1 if last > match.start() else len(text)
    return _mend(text[match.start() : end], wants, _around(text, match.start(), end))


def _mend(body: str, wants: Wants, words: str) -> Found:
    import json_repair  # costs 40 ms; most answers never need it

    if len(body) > MAX_REPAIR:
        return Found(problem=f"the JSON in the output is broken, and at {len(body):,} characters too long to repair")
    try:
        value, log = json_repair.repair_json(body, return_objects=True, skip_json_loads=True, logging=True)
        text = json.dumps(value, allow_nan=False)
        found = parse_strictly(text)
    except Exception:  # json-repair meets text that its authors did not think of, and then raises anything
        return Found(problem="the JSON in the output is broken beyond repair")
    if not value or not isinstance(value, list if wants == "array" else (dict, list)):
        return Found(problem="the JSON in the output is broken beyond repair")
    around = "" if words.startswith("removed fence") else words
    return _note(found, around, *_repair_words(body, log))


def _repair_words(body: str, log: Any) -> Iterator[str]:
    """json-repair's own log in few words; it is chatty about its search and silent about some repairs."""
    if closed := body.count("{") > body.count("}") or body.count("[") > body.count("]"):
        yield "repaired: closed what the output left open"
    words = [str(entry.get("text", "")) for entry in log if isinstance(entry, dict)] if isinstance(log, list) else []
    told = [
        word for word in dict.fromkeys(words) if "parser returned early" not in word and "no more elements" not in word
    ]
    for word in told[:3]:
        yield "repaired: " + re.sub(r"^While parsing ", "in ", word)
    if not told and not closed:
        yield "repaired: quotes, commas or comments that JSON does not allow"
