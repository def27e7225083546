"""Who is told of an alarm: the webhook of `[tool.promptops.drift.webhook]`, and the issues of the job's own project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from promptops.core.nightly.messages import Told
from promptops.errors import UsageError
from promptops.runner.nightly.issues import TOKEN, Tracker
from promptops.runner.nightly.posting import Undelivered
from promptops.runner.nightly.webhook import Webhook

if TYPE_CHECKING:
    from promptops.config import WebhookConfig
    from promptops.core.nightly.attribution import Factor
    from promptops.runner.nightly.night import Seen
    from promptops.times import Clock

NOBODY = f"nobody is told of an alarm: neither [tool.promptops.drift.webhook] nor ${TOKEN} says who"


class Receiver(Protocol):
    """Somebody who is told. `name` is what the log remembers of it."""

    name: str

    def tell(self, told: Sequence[Told], clock: Clock) -> str:
        """Tell of all of them at once; returns what was done, in words. Raises `Undelivered`."""
        ...


def receivers(webhook: WebhookConfig | None, environ: Mapping[str, str]) -> tuple[list[Receiver], list[str]]:
    """Return who is to be told, and what keeps the others from it: mistakes of the configuration, in words."""
    found: list[Receiver] = []
    mistakes: list[str] = []
    try:
        if webhook is not None:
            found.append(Webhook(webhook, environ))
    except Undelivered as error:
        mistakes.append(f"the webhook cannot be called: {error}")
    try:
        if environ.get(TOKEN, "").strip():
            found.append(Tracker(environ))
    except Undelivered as error:
        mistakes.append(f"no issue can be opened: {error}")
    return found, mistakes


def check_receivers(webhook: WebhookConfig | None, environ: Mapping[str, str]) -> None:
    """Raise `UsageError` where an alarm could not be told: better before the night than after it."""
    _, mistakes = receivers(webhook, environ)
    if mistakes:
        raise UsageError("; ".join(mistakes))


def told_of(seen: Seen, factors: Sequence[Factor]) -> Told:
    """What a message says of one endpoint."""
    alarm = seen.watch.alarm
    assert alarm is not None
    moved = tuple(f"{factor.name} {factor.said}" for factor in factors if factor.said != "not tested")
    return Told(seen.endpoint.name, seen.endpoint.serves, alarm.at, alarm.lane, alarm.reason, alarm.epoch, moved)
