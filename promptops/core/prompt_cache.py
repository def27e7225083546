"""Which beginning of a request a provider is asked to keep: how long, how far, and what writing it can cost.

What is asked of the model is the same with and without it, so it is no part of the request digest: recordings stay
valid whether it is switched on, off or to another time.

Sources: https://platform.claude.com/docs/en/build-with-claude/prompt-caching (order, at most four breakpoints, 5m and
1h, least lengths by model), https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, Literal, cast

from msgspec import Struct

from promptops.core.tokens import estimate
from promptops.models import Message, Request

Keep = Literal["off", "5m", "1h"]

PARAM: Final = "prompt_cache"
_DEFAULTS: Final[Mapping[str, Keep]] = {"anthropic-messages": "5m"}
"""By wire format, where neither the version nor the provider's settings say anything: elsewhere `off`."""

# Tokens that a beginning must have at least; a shorter one is not kept, without an error and at no cost.
_LEAST: Final = (
    (re.compile(r"claude-(opus-4-[56]|haiku-4-5)"), 4096),
    (re.compile(r"claude-(opus-4-7|3-5-haiku|3-haiku)"), 2048),
    (re.compile(r"claude-(3|opus-4|sonnet-4|sonnet-5)"), 1024),
    (re.compile(r"nova-"), 1024),
)
_LEAST_ELSEWHERE: Final = 512
_MARGIN: Final = 0.75  # an estimate is within a quarter: what may be long enough is marked


class Prefix(Struct, frozen=True):
    """Where breakpoints belong: behind the tools, behind the system messages, behind the first `turns` turns."""

    tools: bool = False
    system: bool = False
    turns: int = 0

    def __bool__(self) -> bool:
        return self != Prefix()


def keep_of(request: Request, format_name: str, configured: str | None) -> Keep:
    """For how long the beginning of `request` is to be kept: as its version says, else its provider, else its format.

    A version that sets the vendor's own field in `extra_body` is left alone.
    """
    extra = request.params.get("extra_body")
    if isinstance(extra, Mapping) and "cache_control" in extra:
        return "off"
    said = request.params.get(PARAM) or configured or _DEFAULTS.get(format_name, "off")
    return cast("Keep", said)


def least_tokens(model: str) -> int:
    """How many tokens the beginning of a prompt must have for `model` to keep it."""
    return next((least for pattern, least in _LEAST if pattern.search(model)), _LEAST_ELSEWHERE)


def prefix_of(request: Request, messages: tuple[Message, ...]) -> Prefix:
    """Where the beginning ends that is the same for all cases, as far as it is long enough to be kept.

    `messages` are those that are sent: one more at the front than `request` has, where the schema is written in words.
    """
    stable = request.stable + len(messages) - len(request.messages)
    systems = sum(message.role == "system" for message in messages)
    least = least_tokens(request.pin.model) * _MARGIN
    size = estimate(json.dumps(request.tools, ensure_ascii=False, default=str)) if request.tools else 0
    tools = bool(request.tools) and size >= least
    size += sum(estimate(message.content) for message in messages[: min(stable, systems)])
    system = 0 < systems <= stable and size >= least and bool(messages[systems - 1].content.strip())
    turns = max(0, stable - systems)
    while turns and not messages[systems + turns - 1].content.strip():
        turns -= 1
    size += sum(estimate(message.content) for message in messages[systems : systems + turns])
    return Prefix(tools, system, turns if size >= least else 0)


def written_bound(request: Request, keep: Keep) -> int:
    """Return the most tokens of `request` that can be written to the cache: bytes, like `pricing.input_bound`."""
    if keep == "off" or not prefix_of(request, request.messages):
        return 0
    stable = sum(len(message.content.encode("utf-8", "replace")) + 16 for message in request.messages[: request.stable])
    beside = [*request.tools, *([request.output_schema] if request.output_schema is not None else [])]
    return stable + sum(len(repr(part).encode("utf-8", "replace")) for part in beside)
