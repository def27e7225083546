"""What a webhook is told of an alarm: one message for all endpoints of a night, in the shape that each receiver wants.

Sources: Slack, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (`text`, `blocks`, three
characters escaped) and https://docs.slack.dev/reference/block-kit/composition-objects/text-object (3,000 characters,
`verbatim`: what looks like an address is no link); Microsoft Teams,
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors (a message with one Adaptive Card, at most
28 KB).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptops.core.harmless import plain
from promptops.core.nightly.events import Lane

Kind = Literal["slack", "teams", "generic"]
MOST_ENDPOINTS = 20  # that a message lists
MOST_TEXT = 600  # characters of a reason
MOST_LINE = 2_200  # characters of an endpoint's line, once they are harmless
MOST_MARKS = 300  # alarms by which an issue is known: GitHub takes 65,536 characters in all
MOST_CARD = 26_000  # bytes of a message to Teams
MOST_BLOCKS = 12_000  # bytes of one to Slack, which refuses some of more than 13,000 (msg_blocks_too_long)
_LANES = {"detector": "the detector", "fast": "the fast lane", "identity": "the replies' names", "texts": "the texts"}
_NEXT = (
    "Does it matter? `promptops run <prompt>@production --mode live` says which cases broke. Then accept it, with a "
    "reason (`promptops drift accept`, or the job run by hand with one), or pin another model."
)


@dataclass(frozen=True, slots=True)
class Told:
    """One endpoint of a message. `moved` says what experiments found, in words.

    `alarm` names its alarm wherever and however often that is told; `again`: whether it was told before is not known,
    because the run that began to was cut off.
    """

    endpoint: str
    serves: tuple[str, ...]
    since: str
    lane: Lane
    reason: str
    epoch: int
    moved: tuple[str, ...] = ()
    alarm: str = ""
    again: bool = False


def payload(kind: Kind, told: Sequence[Told]) -> bytes:
    """Return the body of the one request that tells them all."""
    document = {"slack": _slack, "teams": _teams, "generic": _generic}[kind](told)
    return _body(document)


def issue(told: Sequence[Told], run: str = "") -> tuple[str, str]:
    """Return title and Markdown of an issue; `run` is the address of the job that opens it.

    What a provider said is in a fenced block that nothing inside can close: no mention, link or quick action of a
    tracker comes out of it.
    """
    text = "\n".join(_lines(told))
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    words = [
        "A pinned model that is served answers differently than it did. Nothing in this repository changed that.",
        f"{fence}text\n{text}\n{fence}",
        _NEXT,
        *([f"Found by {run}"] if run else []),
        "\n".join(mark(one) for one in told[:MOST_MARKS]),
    ]
    return title(told)[:200], "\n\n".join(words)


def mark(told: Told) -> str:
    """The comment of Markdown by which an issue is known to tell of this alarm: nobody sees it."""
    return f"<!-- promptops alarm {told.alarm} -->"


def _body(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


def signature(key: str, timestamp: int, body: bytes) -> str:
    """Return `v1=<hex>`: HMAC-SHA256 of `v1:<timestamp>:<body>`, which a receiver recomputes to know who sent it when.

    Source: RFC 2104; the signed text has the form of https://docs.slack.dev/authentication/verifying-requests-from-slack.
    """
    signed = f"v1:{timestamp}:".encode() + body
    return "v1=" + hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()


def title(told: Sequence[Told]) -> str:
    """The message in one line."""
    if len(told) == 1:
        return plain(f"promptops: {told[0].endpoint} answers differently")
    return f"promptops: {len(told)} endpoints answer differently (one cause is likelier than many)"


def _generic(told: Sequence[Told]) -> dict[str, Any]:
    return {
        "event": "promptops.drift.changed",
        "format": 1,
        "title": title(told),
        "endpoints": [
            {
                "alarm": one.alarm,
                "again": one.again,
                "endpoint": plain(one.endpoint),
                "serves": list(one.serves),
                "since": one.since,
                "lane": one.lane,
                "reason": plain(one.reason[:MOST_TEXT]),
                "epoch": one.epoch,
                "attribution": [plain(words[:MOST_TEXT]) for words in one.moved],
            }
            for one in told[:MOST_ENDPOINTS]
        ],
        "more": max(0, len(told) - MOST_ENDPOINTS),
    }


def _slack(told: Sequence[Told]) -> dict[str, Any]:
    """As many endpoints as a message may hold."""
    return _fitting(told, MOST_BLOCKS, lambda lines: _blocks(title(told), lines))


def _blocks(heading: str, lines: Sequence[str]) -> dict[str, Any]:
    texts = [_escaped(line)[:2900] for line in lines]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in texts]
    first = {"type": "header", "text": {"type": "plain_text", "text": heading[:150]}}
    return {"text": _escaped(heading), "blocks": [first, *blocks][:50]}


def _teams(told: Sequence[Told]) -> dict[str, Any]:
    """As many endpoints as a message may hold."""
    return _fitting(told, MOST_CARD, lambda lines: _card(title(told)[:MOST_TEXT], lines))


def _fitting(told: Sequence[Told], size: int, made: Callable[[Sequence[str]], dict[str, Any]]) -> dict[str, Any]:
    for most in range(min(len(told), MOST_ENDPOINTS), 0, -1):
        message = made(_lines(told, most))
        if len(_body(message)) <= size:
            return message
    return made(_lines(told, 0))


def _card(heading: str, lines: Sequence[str]) -> dict[str, Any]:
    texts: list[dict[str, Any]] = [{"type": "TextBlock", "text": _plain(heading), "weight": "Bolder", "wrap": True}]
    texts += [{"type": "TextBlock", "text": _plain(line), "wrap": True} for line in lines]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": texts,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _lines(told: Sequence[Told], most: int = MOST_ENDPOINTS) -> list[str]:
    lines = []
    for one in told[:most]:
        moved = "".join(f"; {words}" for words in one.moved)[:MOST_TEXT]
        served = f" ({', '.join(one.serves[:5])})" if one.serves else ""
        lines.append(
            f"{one.endpoint}{served}, since {one.since}, by {_LANES[one.lane]}: {one.reason[:MOST_TEXT]}{moved}"
        )
    if len(told) > most:
        lines.append(f"and {len(told) - most} more")
    if any(one.again for one in told):
        lines.append("This may have been told before: the run that began to tell it was cut off.")
    lines = [plain(line)[:MOST_LINE] for line in lines]
    return [*lines, "Look: promptops drift history. Accept: promptops drift accept PIN --reason TEXT"]


def _escaped(text: str) -> str:
    """Slack's three control characters; what is left is no link, mention or channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """A card's text is Markdown: no link, and no emphasis, out of what a provider said."""
    for character in "\\`*_[]()":
        text = text.replace(character, f"\\{character}")
    return text
