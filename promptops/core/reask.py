"""What becomes of an output that breaks its contract: the model is asked again, with what is wrong.

The conversation goes on: its own messages, the model's answer, then what is wrong with it as a message of the user.
Both are text in a message and bounded: neither can open or close a role. The words are part of the request, and so of
its digest: other words make every recording of such a conversation stale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from promptops.core.contract import Contract
from promptops.core.digest import request_digest
from promptops.core.harmless import clipped, plain
from promptops.core.pricing import input_bound, output_bound
from promptops.core.shown import short
from promptops.models import Message, PlannedSample, Reply, Request, Sample, Turn, Usage

MAX_ANSWER: Final = 16_000  # characters of the model's answer that it sees again
MAX_TOLD: Final = 2_000  # bytes of what it is told
MAX_REASON: Final = 400  # characters of one reason
CUT: Final = frozenset({"length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"})
"""Stop reasons of a reply that ended at its limit: asked again, it would end there again."""

_PARTS: Final = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "cache_write_1h_tokens")
_NO_ANSWER: Final = frozenset({*CUT, "content_filter", "tool_calls"})
_EMPTY: Final = "(no text)"  # not every vendor takes a message without content
_WORDS: Final = (
    "Your answer does not satisfy the output contract:\n{}\nAnswer again, with the corrected JSON and nothing else."
)
_MOST_WORDS: Final = MAX_TOLD + len(_WORDS) + 64  # bytes of the message


def problems_of(contract: Contract, reply: Reply) -> tuple[str, ...]:
    """What the model is told about an answer; nothing where it satisfies the contract, or asking again cannot help.

    It cannot where the reply was cut or filtered, calls tools, or where the contract's own Python failed.
    """
    if reply.finish_reason in _NO_ANSWER or reply.tool_calls:
        return ()
    parsed = contract.parse(reply.text)
    if parsed.valid or parsed.error:
        return ()
    reasons, room = list[str](), MAX_TOLD
    for number, problem in enumerate(parsed.problems):
        reason = short(" ".join(plain(problem).split()), MAX_REASON)
        room -= len(reason.encode("utf-8", "replace")) + 4
        if room < 0 and reasons:
            reasons.append(f"and {len(parsed.problems) - number} more")
            break
        reasons.append(reason)
    return tuple(reasons) or ("it is not valid",)


def asked_again(request: Request, text: str, problems: Sequence[str]) -> Request:
    """Return the request that goes on with `request` after the answer `text`, of which `problems` are told."""
    answer = clipped(text, MAX_ANSWER) if text.strip() else _EMPTY
    told = _WORDS.format("\n".join(f"- {problem}" for problem in problems))
    return replace(request, messages=(*request.messages, Message("assistant", answer), Message("user", told)))


def next_of(planned: PlannedSample, text: str, problems: Sequence[str]) -> PlannedSample:
    """Return what is asked after an answer to `planned`."""
    request = asked_again(planned.request, text, problems)
    return replace(planned, request=request, digest=request_digest(request))


def turn_of(sample: Sample, problems: Sequence[str], asked: str) -> Turn:
    """The turn that a sample with an invalid reply becomes."""
    reply = sample.reply
    assert reply is not None
    return Turn(
        reply.text,
        tuple(problems),
        asked,
        reply.finish_reason,
        reply.usage,
        reply.served_model,
        reply.latency,
        sample.cost,
    )


def joined(planned: PlannedSample, earlier: Sequence[Turn], last: Sample) -> Sample:
    """Return the one sample of a conversation: its last reply, with usage, cost and latency of all of it."""
    if not earlier:
        return last
    costs = [turn.cost for turn in earlier] + ([last.cost] if last.reply is not None else [])
    reply = last.reply
    if reply is not None:
        usage = total_usage([*(turn.usage for turn in earlier), reply.usage])
        reply = replace(reply, usage=usage, latency=math.fsum([reply.latency, *(turn.latency for turn in earlier)]))
    return replace(
        last, key=planned.key, request=planned.digest, reply=reply, cost=_total(costs), earlier=tuple(earlier)
    )


def shortened(sample: Sample, turns: int) -> Sample:
    """Return a recorded sample as it was after `turns` of its earlier answers, where it went on."""
    turn, before = sample.earlier[turns], sample.earlier[:turns]
    alone = Reply(turn.text, turn.finish_reason, turn.usage, turn.served_model, latency=turn.latency)
    usage = total_usage([*(earlier.usage for earlier in before), turn.usage])
    latency = math.fsum([turn.latency, *(earlier.latency for earlier in before)])
    costs = [*(earlier.cost for earlier in before), turn.cost]
    return replace(sample, reply=replace(alone, usage=usage, latency=latency), cost=_total(costs), earlier=before)


def as_today(planned: PlannedSample, sample: Sample, contract: Contract) -> Sample | None:
    """Return a recorded sample as the conversation goes by today's contract and limit, as far as it is recorded.

    None where today something would be asked that is not recorded: the contract finds something else wrong.
    """
    current, reply = planned, sample.reply
    assert reply is not None
    for number in range(len(sample.earlier) + 1):
        last = number == len(sample.earlier)
        answer = reply if last else _reply_of(sample.earlier[number])
        problems = problems_of(contract, answer) if number < planned.reask else ()
        if not problems:
            return sample if last else shortened(sample, number)
        if last:
            return None
        current = next_of(current, answer.text, problems)
        if current.digest != sample.earlier[number].asked:
            return None
    return None


def go_on(planned: PlannedSample, contract: Contract) -> tuple[PlannedSample, list[Turn]]:
    """Return what is asked next of a sample that was begun, and the answers before it that count today."""
    current, kept = planned, list[Turn]()
    for turn in planned.begun[: planned.reask]:
        following = next_of(current, turn.text, problems_of(contract, _reply_of(turn)))
        if following.digest != turn.asked:
            break
        kept.append(turn)
        current = following
    return current, kept


def is_consistent(planned: PlannedSample, sample: Sample) -> bool:
    """Whether each request of a recorded conversation is what its answers and the recorded problems make of it."""
    current = planned
    for turn in sample.earlier:
        current = next_of(current, turn.text, turn.problems)
        if current.digest != turn.asked:
            return False
    return True


def total_usage(usages: Sequence[Usage]) -> Usage:
    """The sum; a count that one of them lacks is unknown, a part of a count only where all lack it."""
    whole = {name: _sum([getattr(usage, name) for usage in usages]) for name in ("input_tokens", "output_tokens")}
    parts = {
        name: _sum([count for usage in usages if (count := getattr(usage, name)) is not None] or [None])
        for name in _PARTS
    }
    tiers = {usage.tier for usage in usages}
    found: dict[str, Any] = {**whole, **parts, "tier": tiers.pop() if len(tiers) == 1 else None}
    return Usage(**found)


def last_usage(sample: Sample, total: Usage) -> Usage:
    """What the last request of a sample used, of what all of them did."""
    before = total_usage([turn.usage for turn in sample.earlier])
    counts: dict[str, Any] = {
        name: None if count is None else count - (getattr(before, name) or 0)
        for name in ("input_tokens", "output_tokens", *_PARTS)
        for count in (getattr(total, name),)
    }
    return Usage(**counts, tier=total.tier)


def worst_turns(planned: PlannedSample) -> Iterator[Usage]:
    """The most tokens that each request for a sample can have, the first and those that ask again.

    A token that the model wrote is one that it reads again.
    """
    reads, writes = input_bound(planned.request), output_bound(planned.request)
    for _ in range(planned.reask + 1):
        yield Usage(reads, writes)
        reads += min(writes, 4 * MAX_ANSWER) + _MOST_WORDS


def _reply_of(turn: Turn) -> Reply:
    return Reply(turn.text, turn.finish_reason, turn.usage, turn.served_model, latency=turn.latency)


def _sum(counts: Sequence[int | None]) -> int | None:
    return None if None in counts else sum(count for count in counts if count is not None)


def _total(costs: Sequence[float | None]) -> float | None:
    return None if None in costs else math.fsum(cost for cost in costs if cost is not None)
