"""Did the pinned model answer, and did it answer now? Gateways cache, retry elsewhere and fall back silently.

Sources: https://portkey.ai/docs/api-reference/response-schema, https://docs.litellm.ai/docs/proxy/response_headers,
https://docs.helicone.ai/features/advanced-usage/caching, https://developers.cloudflare.com/ai-gateway/features/caching,
https://openrouter.ai/docs/guides/features/response-caching, https://developer.konghq.com/plugins/ai-semantic-cache
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal

from promptops.errors import ProviderError
from promptops.models import Pin, Reply, ServedRules

# Headers that say "from a cache" when they begin with HIT (Portkey also says SEMANTIC HIT).
_CACHE_STATUS = (
    "x-portkey-cache-status",
    "helicone-cache",
    "cf-aig-cache-status",
    "x-openrouter-cache-status",
    "x-cache",
    "x-cache-status",  # Kong
    "x-litellm-cache-hit",
)
# Headers that count what was tried before this answer, beyond the endpoint that was asked for.
_FALLBACK_COUNT = ("x-litellm-attempted-fallbacks", "cf-aig-step")
# The path of the target in a Portkey configuration: anything but the first of each list is a fallback.
_PORTKEY_TARGET = "x-portkey-last-used-option-index"
_LITELLM_CACHE = "x-litellm-cache-key"  # sent with cached replies only
_LITELLM_GROUP = "x-litellm-model-group"  # the name under which the proxy asked: another one after a fallback
_TELLING = frozenset({*_CACHE_STATUS, *_FALLBACK_COUNT, _PORTKEY_TARGET, _LITELLM_CACHE, _LITELLM_GROUP})
_REGION = ("x-ms-region", "x-litellm-model-region")
_HOST = ("x-portkey-provider",)
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4}|\d{3})")

_DATE = re.compile(r"-\d{8}\Z")
# Source: https://openrouter.ai/docs/guides/routing/model-variants
_ROUTED = re.compile(r":(free|nitro|floor|exacto|extended)\Z")
_rules: Final[ContextVar[ServedRules | None]] = ContextVar("promptops_served_rules", default=None)


@contextmanager
def counting_as(rules: ServedRules | None) -> Iterator[None]:
    """Let `check_identity` count replies by `rules` inside, in this task and those that it starts."""
    token = _rules.set(rules)
    try:
        yield
    finally:
        _rules.reset(token)


def check_identity(
    pin: Pin, served: str | None, headers: Mapping[str, str], *, called: str | None = None
) -> tuple[str, ...]:
    """Raise `ProviderError("identity")` unless the pinned model itself made this reply, or the prompt allows another.

    Returns what speaks against the pin and is allowed, in words. `served` is the reply's `model`; header names are
    lower-case. `called` is the endpoint's own name for the pinned model, where it has one: a reply may name either.
    """
    rules, allowed = _rules.get() or ServedRules(), list[str]()
    if not _TELLING.isdisjoint(headers):
        if (cache := _cache_hit(headers)) is not None:
            said = f"a gateway answered from its cache ({cache})"
            _allow(pin, "cache", rules, f"{said}, and a cached reply is no new sample")
            allowed.append(said)
        if (fallback := _fallback(headers, pin, called)) is not None:
            said = f"a gateway fell back to another endpoint ({fallback})"
            _allow(pin, "fallback", rules, said)
            allowed.append(said)
    if rules.regions:
        _one_of(pin, "region", rules.regions, *_said(headers, _REGION))
    if said := _other_model(pin, served, called):
        _allow(pin, "model", rules, said)
        allowed.append(said)
    return tuple(allowed)


def region_of(headers: Mapping[str, str]) -> str | None:
    """Where the reply says it was made; None where it does not say."""
    return _said(headers, _REGION)[0]


def host_of(headers: Mapping[str, str]) -> str | None:
    """Whom a gateway asked, where a header says so."""
    return _said(headers, _HOST)[0]


def _other_model(pin: Pin, served: str | None, called: str | None) -> str:
    """What speaks against the model, in words; empty where it is the pinned one."""
    if not served:
        return "the reply does not say which model answered"
    if same_model(pin.model, served) or (called and same_model(called, served)):
        return ""
    return f"the reply says that {served[:200]!r} answered"


def _allow(pin: Pin, what: Literal["cache", "fallback", "model"], rules: ServedRules, said: str) -> None:
    if what not in rules.allow:
        raise _refused(pin, said)


def check_reply(pin: Pin, reply: Reply, headers: Mapping[str, str]) -> None:
    """Raise `ProviderError("identity")` for a reply of another fingerprint or host than the prompt names."""
    if (rules := _rules.get()) is None:
        return
    if rules.fingerprints:
        _one_of(pin, "fingerprint", rules.fingerprints, reply.fingerprint, "system_fingerprint")
    if rules.hosts:
        host, name = _said(headers, _HOST)
        if reply.host and reply.host != host:
            host, name = reply.host, "provider"
        _one_of(pin, "host", rules.hosts, host, name)


def _said(headers: Mapping[str, str], names: tuple[str, ...]) -> tuple[str | None, str]:
    """What a header says, and which one."""
    return next(((headers[name], name) for name in names if headers.get(name)), (None, " or ".join(names)))


def _one_of(pin: Pin, what: str, wanted: tuple[str, ...], found: str | None, where: str) -> None:
    if not found:
        raise _refused(pin, f"the reply does not say its {what} ({where})")
    if found.strip().lower() not in {item.lower() for item in wanted}:
        raise _refused(
            pin, f"another {what} answered ({where}: {found[:80]}), and the prompt wants {', '.join(wanted)}"
        )


def same_model(asked: str, served: str) -> bool:
    """Whether `served` names the model `asked`.

    Equal names do, and so do names that differ only in a vendor's prefix on one of the two (`openai/gpt-x` and
    `gpt-x`), or in a date that a floating alias was resolved to (`gpt-4o` and `gpt-4o-2024-08-06`). OpenRouter turns
    names of Claude around (`claude-sonnet-4.6` is `claude-4.6-sonnet-20260217`), and may leave out a variant that says
    how to route (`gpt-4o:nitro`).
    """
    if asked == served:
        return True
    left, right = asked.rpartition("/"), served.rpartition("/")
    if left[0] and right[0] and left[0] != right[0]:
        return False
    name, answered = _ROUTED.sub("", left[2]), _ROUTED.sub("", right[2])
    if name == answered or (answered.startswith(name) and _DATED.fullmatch(answered, len(name)) is not None):
        return True
    return name.startswith("claude-") and _words(name) in (_words(answered), _words(_DATE.sub("", answered)))


def _words(name: str) -> list[str]:
    return sorted(name.split("-"))


def _cache_hit(headers: Mapping[str, str]) -> str | None:
    for name in _CACHE_STATUS:
        value = headers.get(name, "")
        if value.upper().startswith(("HIT", "SEMANTIC HIT", "TRUE")):
            return f"{name}: {value[:80]}"
    if headers.get(_LITELLM_CACHE):
        return _LITELLM_CACHE
    return None


def _fallback(headers: Mapping[str, str], pin: Pin, called: str | None) -> str | None:
    for name in _FALLBACK_COUNT:
        value = headers.get(name, "0").strip()
        if value not in ("", "0", "None"):
            return f"{name}: {value[:80]}"
    target = headers.get(_PORTKEY_TARGET, "")
    if any(int(index) for index in re.findall(r"\[(\d{1,9})\]", target)):
        return f"{_PORTKEY_TARGET}: {target[:80]}"
    group = headers.get(_LITELLM_GROUP, "")
    if group and not same_model(called or pin.model, group) and not same_model(group, called or pin.model):
        return f"{_LITELLM_GROUP}: {group[:80]}"
    return None


def _refused(pin: Pin, why: str) -> ProviderError:
    return ProviderError("identity", f"not a sample of {pin}: {why}")
