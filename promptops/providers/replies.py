"""Reading what an endpoint sent, with suspicion: sizes, encodings, JSON and types are all checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from promptops.errors import ProviderError

MAX_MESSAGE = 300  # characters of a provider's own words in one of our messages
MAX_VALUES = 500_000  # values of a reply, counted by their commas: memory that a small body could ask for
_HALF = re.compile("[\ud800-\udfff]").search


def parse_object(body: bytes | bytearray | str, *, mend: bool = True) -> dict[str, Any]:
    """Return the JSON object in `body`; raises `ProviderError("bad_reply")` for anything else.

    NaN and infinity are refused. Half a surrogate pair, which is no text, becomes U+FFFD; without `mend` it stays, for
    who has the other half in another piece.
    """
    commas = body.count(",") if isinstance(body, str) else body.count(b",")
    if commas > MAX_VALUES:
        raise ProviderError("bad_reply", f"the reply is JSON of more than {MAX_VALUES} values")
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        value = _DECODER.decode(text)
        if not isinstance(value, dict):
            raise ProviderError("bad_reply", f"the reply is JSON, but no object: {excerpt(body)}")
        return well_formed(value) if mend and "\\u" in text else value
    except UnicodeDecodeError:
        raise ProviderError("bad_reply", f"the reply is not UTF-8: {excerpt(body)}") from None
    except (ValueError, RecursionError) as error:
        raise ProviderError("bad_reply", f"the reply is not JSON ({_reason(error)}): {excerpt(body)}") from None


def well_formed(value: Any) -> Any:
    """Return the JSON `value` with halves of surrogate pairs joined; one without the other becomes U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _HALF(value) else value
    if isinstance(value, list):
        return [well_formed(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): well_formed(item) for key, item in value.items()}
    return value


def excerpt(body: bytes | bytearray | str) -> str:
    """Return the beginning of a text as one harmless line of at most 300 characters; `(empty)` where there is none."""
    text = body[: 8 * MAX_MESSAGE].decode("utf-8", "replace") if not isinstance(body, str) else body[: 8 * MAX_MESSAGE]
    text = re.sub(r"<(script|style).*?</\1>|<[^>]{0,500}>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (line[: MAX_MESSAGE - 1] + "…" if len(line) > MAX_MESSAGE else line) or "(empty)"


def error_message(body: bytes | bytearray) -> tuple[str, str]:
    """Return message and code of an error body, as the many dialects write them: `error.message`, `detail`, text."""
    try:
        value = json.loads(body)
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            (value,) = value  # Gemini's, where a stream was asked for
        return error_words(value.get("error", value) if isinstance(value, dict) else value)
    except (ValueError, RecursionError):
        return excerpt(body), ""


def error_words(error: Any) -> tuple[str, str]:
    """Return message and code of an error as JSON has it: an object, or a text."""
    if not isinstance(error, Mapping):
        return excerpt(error if isinstance(error, str) else json.dumps(error)), ""
    message = next((error[key] for key in ("message", "detail", "msg", "error") if error.get(key)), error)
    code = error.get("code") or error.get("type")
    return excerpt(message if isinstance(message, str) else json.dumps(message)), excerpt(str(code)) if code else ""


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a reply asks to wait, None where it does not.

    It does by `retry-after-ms` (Azure: `x-ms-retry-after-ms`) or `Retry-After`, in seconds or as an HTTP date.

    A date is compared with the reply's own `Date`, so that nothing depends on our clock; without one, with `now`.
    """
    try:
        for name in ("retry-after-ms", "x-ms-retry-after-ms"):
            if name in headers:
                return _seconds(float(headers[name]) / 1000)
    except ValueError:
        pass
    value = headers.get("retry-after", "")
    try:
        return _seconds(float(value))
    except ValueError:
        pass
    if (date := _date(value)) is None:
        return None
    return max(0.0, (date - (_date(headers.get("date", "")) or now or datetime.now(UTC))).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _seconds(value: float) -> float:
    if not value < float("inf"):
        raise ValueError(value)
    return max(0.0, value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else excerpt(str(error))
