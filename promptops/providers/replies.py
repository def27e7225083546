"""Reading what an endpoint sent, with suspicion: sizes, encodings, JSON and types are all checked."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from promptops.errors import ProviderError

MAX_BODY = 16 * 1024 * 1024  # bytes of a reply, as sent and unpacked
MAX_MESSAGE = 300  # characters of a provider's own words in one of our messages
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_SURROGATE = re.compile("[\ud800-\udfff]")


async def read_body(chunks: AsyncIterable[bytes], encoding: str) -> bytes:
    """Return the whole body, unpacked; raises `ProviderError("bad_reply")` past 16 MB or for an unknown encoding.

    Unpacking stops at the limit: a few kilobytes that unpack to gigabytes cost nothing.
    """
    encoding = encoding.strip().lower()
    if encoding not in ("", "identity", *_WINDOW_BITS):
        raise ProviderError("bad_reply", f"the reply is packed by {encoding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(_WINDOW_BITS[encoding]) if encoding in _WINDOW_BITS else None
    body = bytearray()
    async for chunk in chunks:
        try:
            body += unpacker.decompress(chunk, MAX_BODY + 1 - len(body)) if unpacker else chunk
        except zlib.error:
            raise ProviderError("bad_reply", f"the reply says that it is packed by {encoding}, and is not") from None
        if len(body) > MAX_BODY:
            raise ProviderError("bad_reply", f"the reply is larger than {MAX_BODY // 2**20} MB")
    if unpacker is not None and not unpacker.eof:
        raise ProviderError("bad_reply", "the packed reply ends in the middle")
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in `body`; raises `ProviderError("bad_reply")` for anything else.

    NaN and infinity are refused; half a surrogate pair, which is no text, becomes U+FFFD.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise ProviderError("bad_reply", f"the reply is not UTF-8: {excerpt(body)}") from None
    except (ValueError, RecursionError) as error:
        raise ProviderError("bad_reply", f"the reply is not JSON ({_reason(error)}): {excerpt(body)}") from None
    if not isinstance(value, dict):
        raise ProviderError("bad_reply", f"the reply is JSON, but no object: {excerpt(body)}")
    return _well_formed(value) if b"\\u" in body else value


def excerpt(body: bytes | str) -> str:
    """Return the beginning of a text as one harmless line of at most 300 characters; `(empty)` where there is none."""
    text = body[: 8 * MAX_MESSAGE].decode("utf-8", "replace") if isinstance(body, bytes) else body[: 8 * MAX_MESSAGE]
    text = re.sub(r"<(script|style).*?</\1>|<[^>]{0,500}>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (line[: MAX_MESSAGE - 1] + "…" if len(line) > MAX_MESSAGE else line) or "(empty)"


def error_message(body: bytes) -> tuple[str, str]:
    """Return message and code of an error body, as the many dialects write them: `error.message`, `detail`, text."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return excerpt(body), ""
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, Mapping):
        message = next((error[key] for key in ("message", "detail", "msg", "error") if error.get(key)), error)
        code = error.get("code") or error.get("type")
        return excerpt(message if isinstance(message, str) else json.dumps(message)), str(code or "")
    return excerpt(error if isinstance(error, str) else json.dumps(error)), ""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that `retry-after-ms` or `Retry-After` (seconds or an HTTP date) ask for, None without one."""
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return _seconds(float(milliseconds) / 1000)
    except ValueError:
        pass
    value = headers.get("retry-after", "")
    try:
        return _seconds(float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return _seconds((date - (now or datetime.now(UTC))).total_seconds())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _seconds(value: float) -> float:
    if not value < float("inf"):
        raise ValueError(value)
    return max(0.0, value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else excerpt(str(error))


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value
