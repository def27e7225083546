"""Canonical JSON and the digests that bind recordings, closures and evidence to what was really there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptops.models import Json, Media, Message, Request

if TYPE_CHECKING:
    from promptops.formats import Closure


_NOT_ASKED = frozenset({"prompt_cache"})


def canonical_json(value: Json) -> bytes:
    """Return the one spelling of `value`: keys sorted by code point, no spaces, UTF-8, nothing normalised.

    `1` and `1.0` are different values, because a template or a provider may print them differently; floats are
    written as Python's shortest `repr`. Text keeps its Unicode form (no NFC) and its line ends.

    Raises `ValueError` for what JSON cannot say: NaN, infinities, lone surrogates, other types, nesting without end.
    """
    try:
        return _canonical(value).encode()
    except (TypeError, RecursionError, UnicodeEncodeError) as error:
        raise ValueError(f"this is not plain JSON: {error}") from error


def sha256_of(value: Json) -> str:
    """Return `"sha256:<hex>"` of the canonical JSON of `value`."""
    return sha256_of_bytes(canonical_json(value))


def sha256_of_bytes(data: bytes) -> str:
    """Return `"sha256:<hex>"` of the bytes themselves."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def short_digest(digest: str) -> str:
    """Return the first 12 hex digits, enough for a person to tell two digests apart."""
    return digest.removeprefix("sha256:")[:12]


def request_digest(request: Request) -> str:
    """Return the digest that keys a recording: pin, messages, params and tools as they are sent.

    An image or a file counts by its media type and the sha256 of its bytes, whatever its path; a
    file by its name too, which is sent. The seed that is
    derived for each sample is no part of it: all samples of a case share one request digest. Nor is what the provider
    is to keep in its cache, which changes the bill and not what is asked.
    """
    asked: dict[str, Json] = {
        "model": str(request.pin),
        "messages": [message_json(message) for message in request.messages],
        "params": _asked_for(request.params),
        "tools": request.tools,
    }
    if request.output_schema is not None:
        asked["output_schema"] = request.output_schema
    return sha256_of(asked)


def _asked_for(params: Mapping[str, Json]) -> Mapping[str, Json]:
    if _NOT_ASKED.isdisjoint(params):
        return params
    return {name: value for name, value in params.items() if name not in _NOT_ASKED}


def message_json(message: Message) -> dict[str, Json]:
    """Return what a message is; a plain one is role and text. Media are named by type and digest."""
    made: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.parts:
        made["content"] = [_part(part) for part in message.parts]
    if message.tool_calls:
        made["tool_calls"] = [
            {"name": call.name, "arguments": call.arguments, "id": call.id} for call in message.tool_calls
        ]
    if message.tool_call_id:
        made["tool_call_id"] = message.tool_call_id
    return made


def _part(part: str | Media) -> Json:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    made: dict[str, Json] = {"type": part.kind, "media_type": part.media_type, "digest": part.digest}
    return {**made, "name": part.name} if part.kind == "file" else made


def version_digest(closure: Closure) -> str:
    """Return the digest of everything that a version is: two closures with one digest behave alike."""
    return sha256_of(closure.model_dump(mode="json"))


def sample_seed(case: str, index: int) -> int:
    """Return the seed of one sample, in [0, 2**31): the same in every run, different for every case and index.

    One seed for all cases would make their noise common, so that many cases flip together.
    """
    return int.from_bytes(hashlib.sha256(f"{case}\0{index}".encode()).digest()[:4], "big") & 0x7FFF_FFFF


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not a JSON type")


# One encoder for all: `json.dumps` makes a new one for each value, which costs as much as the value.
_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain
).encode
