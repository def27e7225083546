"""What replies say of limits: `x-ratelimit-…`, `anthropic-ratelimit-…` and the `RateLimit` fields.

Source: OpenAI, https://developers.openai.com/api/docs/guides/rate-limits (`x-ratelimit-limit-requests`, resets as
durations: `1s`, `6m0s`; Azure, Groq and LiteLLM use the same names); Anthropic,
https://docs.anthropic.com/en/api/rate-limits#response-headers (`anthropic-ratelimit-input-tokens-remaining`, resets as
RFC 3339); Mistral, https://github.com/mistralai/client-ts/issues/169 (`x-ratelimit-remaining-tokens-minute`, no
resets) and, as it was, https://rdrr.io/cran/tidyllm/src/R/api_mistral.R (`x-ratelimitbysize-remaining-minute`, which
counts tokens); Cohere, where replies to a trial key have `x-trial-endpoint-call-remaining` (calls a minute, no resets;
no page of its reference says so);
DigitalOcean, https://docs.digitalocean.com/products/inference/reference/quota-specific-response-headers/
(`x-ratelimit-reset-tokens-per-minute` in seconds since 1970); Together,
https://support.together.ai/en/articles/8988956-rate-limits (`x-ratelimit-remaining`); the fields `RateLimit` and
`RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10, and `RateLimit-Remaining` of its versions before 07.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct, field

_LONGEST_VALUE = 400  # characters of a header that is read
_MOST = 8  # limits that are read in one reply
_NUMBER = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*(?:[,;].*)?", re.ASCII)
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|us|µs|ns|[hms])")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_SINCE_1970 = (
    1e9  # a plain number from here on is a moment in seconds, and from a hundred times as much in milliseconds
)
_ITEM = re.compile(r'("[^"]{0,80}"|[A-Za-z0-9_*\-]{1,80})((?:\s*;\s*[a-z]{1,16}\s*=\s*[^;,]{1,40})*)\s*(?:,|$)')

_TRIAL = "x-trial-endpoint-call-"
_BY_SIZE = "ratelimitbysize"
_COUNTED = {"requests", "request", "req"}
_TOKENS = {"tokens", "token"}
_MORE = {"input", "output", "prompt", "generated", "completion", "per", "second", "minute", "hour", "day", "month"}


class Reading(Struct, frozen=True):
    """What a reply says of one limit.

    `name` tells its limits apart, `tokens` says whether tokens are counted, or else requests. `limit` and `remaining`
    are such numbers, `reset` seconds from when the reply was made until nothing of the limit is used (None: unknown).
    """

    name: str
    tokens: bool
    remaining: float
    limit: float | None = None
    reset: float | None = None


class _Found(Struct):
    limit: str | None = None
    remaining: str | None = None
    reset: str | None = None


class _Names(Struct):
    """Header names that were taken apart once: the limit that is meant, and which of its values this is."""

    known: dict[str, tuple[str, str] | None] = field(default_factory=dict)

    def parts(self, name: str) -> tuple[str, str] | None:
        if name not in self.known:
            if len(self.known) > 500:  # somebody sends other names every time
                self.known.clear()
            self.known[name] = _parts(name)
        return self.known[name]


_names = _Names()


def read(headers: Mapping[str, str], *, today: Callable[[], float]) -> list[Reading]:
    """Return what the headers of one reply (names in lower case) say; nothing where they say nothing, or nonsense.

    `today` gives the time of day in seconds since 1970, for a reply that has no `Date` of its own.
    """
    found: dict[str, _Found] = {}
    for name, value in headers.items():
        if (
            ("ratelimit" in name or name.startswith(_TRIAL))
            and len(value) <= _LONGEST_VALUE
            and (parts := _names.parts(name))
        ):
            limit, which = parts
            setattr(found.setdefault(limit, _Found()), which, value)
    if not found and "ratelimit" not in headers:
        return []

    def made() -> float:
        moment = moment_of(headers.get("date", ""))
        return today() if moment is None else moment

    readings = [reading for name, values in found.items() if (reading := _reading(name, values, made))]
    return [*readings, *_fields(headers)][:_MOST]


def seconds_until(text: str, made: Callable[[], float]) -> float | None:
    """Return the seconds that `text` is ahead of `made()`, at least 0; None where it is neither duration nor moment.

    Understood are `6m0s`, `120ms`, plain seconds, seconds or milliseconds since 1970, RFC 3339 and HTTP dates.
    """
    text = text.strip()
    if (number := _number(text)) is not None:
        if number < _SINCE_1970:
            return number
        return max(0.0, (number / 1000 if number >= 100 * _SINCE_1970 else number) - made())
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    moment = moment_of(text)
    return None if moment is None else max(0.0, moment - made())


def moment_of(text: str) -> float | None:
    """Return an RFC 3339 or HTTP date as seconds since 1970, None where it is none."""
    if not text or len(text) > 60:
        return None
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = parse(text.strip())
            return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _parts(name: str) -> tuple[str, str] | None:
    family, _, rest = name.partition(_BY_SIZE if _BY_SIZE in name else "ratelimit")
    words = (name.removeprefix(_TRIAL) if name.startswith(_TRIAL) else rest).strip("-").split("-")
    family = "" if name.startswith(_TRIAL) else family
    which = next((word for word in ("limit", "remaining", "reset") if word in words), None)
    if family not in ("", "x-", "anthropic-") or which is None or len(name) > 80:
        return None
    words.remove(which)
    if name.startswith(_TRIAL):
        return ("trial calls", which) if not words else None
    if _BY_SIZE in name:
        return ("-".join(["tokens", "by", "size", *words]), which) if set(words) <= _MORE else None
    if set(words) - _COUNTED - _TOKENS - _MORE:
        return None  # a limit of something else
    return "-".join(words) or "requests", which


def _reading(name: str, found: _Found, made: Callable[[], float]) -> Reading | None:
    remaining = _number(found.remaining)
    if remaining is None:
        return None
    limit = _number(found.limit)
    if limit is not None and (limit < 1 or remaining > limit):
        return None
    reset = None if found.reset is None else seconds_until(found.reset, made)
    return Reading(name, bool(_TOKENS & set(name.split("-"))), remaining, limit, reset)


def _fields(headers: Mapping[str, str]) -> list[Reading]:
    """`RateLimit: "a";r=50;t=30` with `RateLimit-Policy: "a";q=100;w=60`, or as it was: `limit=100, remaining=50`."""
    text = headers.get("ratelimit", "")
    if not text or len(text) > _LONGEST_VALUE:
        return []
    old = dict(re.findall(r"\b(limit|remaining|reset)\s*=\s*([^,;\s]{1,20})", text))
    if old:
        reading = _reading("requests", _Found(old.get("limit"), old.get("remaining"), old.get("reset")), lambda: 0.0)
        return [reading] if reading else []
    policies = dict(_items(headers.get("ratelimit-policy", "")[:_LONGEST_VALUE]))
    readings = []
    for name, values in _items(text):
        policy = policies.get(name, {})
        if policy.get("qu", "requests") in ("requests", "tokens"):
            found = _Found(policy.get("q"), values.get("r"), values.get("t"))
            kind = "tokens" if policy.get("qu") == "tokens" or "token" in name else "requests"
            if reading := _reading(kind, found, lambda: 0.0):
                readings.append(
                    Reading(f"{kind} {name}", reading.tokens, reading.remaining, reading.limit, reading.reset)
                )
    return readings


def _items(text: str) -> list[tuple[str, dict[str, str]]]:
    items = []
    for match in _ITEM.finditer(text):
        pairs = (part.split("=", 1) for part in match[2].split(";") if "=" in part)
        items.append((match[1].strip('"').lower(), {key.strip(): value.strip().strip('"') for key, value in pairs}))
    return items


def _number(text: str | None) -> float | None:
    """A finite number that is not negative, the first of several; None for anything else."""
    match = _NUMBER.fullmatch(text) if text is not None else None
    number = float(match[1]) if match else math.nan
    return number if number < math.inf else None
