"""Did the pinned model answer, and did it answer now? Gateways cache, retry elsewhere and fall back silently.

Sources: https://portkey.ai/docs/api-reference/response-schema, https://docs.litellm.ai/docs/proxy/response_headers,
https://docs.helicone.ai/features/advanced-usage/caching, https://developers.cloudflare.com/ai-gateway/features/caching
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from promptops.errors import ProviderError
from promptops.models import Pin

# Headers that say "from a cache" when they begin with HIT (Portkey also says SEMANTIC HIT).
_CACHE_STATUS = ("x-portkey-cache-status", "helicone-cache", "cf-aig-cache-status", "x-cache", "x-litellm-cache-hit")
# Headers that count what was tried before this answer, beyond the endpoint that was asked for.
_FALLBACK_COUNT = ("x-litellm-attempted-fallbacks", "cf-aig-step")
# The path of the target in a Portkey configuration: anything but the first of each list is a fallback.
_PORTKEY_TARGET = "x-portkey-last-used-option-index"
_LITELLM_CACHE = "x-litellm-cache-key"  # sent with cached replies only
_TELLING = frozenset({*_CACHE_STATUS, *_FALLBACK_COUNT, _PORTKEY_TARGET, _LITELLM_CACHE})
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3})")


def check_identity(pin: Pin, served: str | None, headers: Mapping[str, str], *, called: str | None = None) -> None:
    """Raise `ProviderError("identity")` unless the pinned model itself made this reply.

    `served` is the reply's `model`; header names are lower-case. `called` is the endpoint's own name for the pinned
    model, where it has one: a reply may name either.
    """
    if not _TELLING.isdisjoint(headers):
        if (cache := _cache_hit(headers)) is not None:
            raise _refused(pin, f"a gateway answered from its cache ({cache}), and a cached reply is no new sample")
        if (fallback := _fallback(headers)) is not None:
            raise _refused(pin, f"a gateway fell back to another endpoint ({fallback})")
    if not served:
        raise _refused(pin, "the reply does not say which model answered")
    if not same_model(pin.model, served) and not (called and same_model(called, served)):
        raise _refused(pin, f"the reply says that {served[:200]!r} answered")


def same_model(asked: str, served: str) -> bool:
    """Whether `served` names the model `asked`.

    Equal names do, and so do names that differ only in a vendor's prefix on one of the two (`openai/gpt-x` and
    `gpt-x`), or in a date that a floating alias was resolved to (`gpt-4o` and `gpt-4o-2024-08-06`).
    """
    if asked == served:
        return True
    left, right = asked.rpartition("/"), served.rpartition("/")
    if left[0] and right[0] and left[0] != right[0]:
        return False
    name, answered = left[2], right[2]
    if name == answered:
        return True
    return answered.startswith(name) and _DATED.fullmatch(answered, len(name)) is not None


def _cache_hit(headers: Mapping[str, str]) -> str | None:
    for name in _CACHE_STATUS:
        value = headers.get(name, "")
        if value.upper().startswith(("HIT", "SEMANTIC HIT", "TRUE")):
            return f"{name}: {value[:80]}"
    if headers.get(_LITELLM_CACHE):
        return _LITELLM_CACHE
    return None


def _fallback(headers: Mapping[str, str]) -> str | None:
    for name in _FALLBACK_COUNT:
        value = headers.get(name, "0").strip()
        if value not in ("", "0", "None"):
            return f"{name}: {value[:80]}"
    target = headers.get(_PORTKEY_TARGET, "")
    if any(int(index) for index in re.findall(r"\[(\d{1,9})\]", target)):
        return f"{_PORTKEY_TARGET}: {target[:80]}"
    return None


def _refused(pin: Pin, why: str) -> ProviderError:
    return ProviderError("identity", f"not a sample of {pin}: {why}")
