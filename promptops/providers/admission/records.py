"""What an `Admission` and those who send hand to each other."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from promptops.errors import FailureKind


class Outcome(Struct, frozen=True):
    """How one request ended.

    `failure` is None where it was answered, `latency` seconds from sending to the last byte, `tokens` what the reply
    says was used (None: it does not say), `retry_after` seconds that the server asks to wait, `headers` those of the
    reply or the refusal, names in lower case.
    """

    failure: FailureKind | None
    latency: float
    tokens: int | None = None
    retry_after: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Ticket(Struct):
    """The right to send one request, to be given back by `Admission.leave`.

    `number` counts the requests of an admission in the order of sending, `sent` and `ended` are times of its clock,
    `tokens` what was reserved, `cost` the tokens that it is expected to come to, `bunch` the
    first number of those that were sent together with it, `epoch` which number of requests in
    flight was in force. `refused` is known when it has ended (None: that says nothing of limits); until then it may be
    `presumed` to have been answered. `probe` marks one that was sent into a pause, `daring` one that was sent while
    more at a time than usual was tried.
    """

    model: str
    number: int
    sent: float
    tokens: int
    cost: float = 0.0
    bunch: int = 0
    epoch: int = 0
    probe: bool = False
    daring: bool = False
    ended: float | None = None
    refused: bool | None = None
    retry_after: float | None = None
    presumed: bool = False


class Snapshot(Struct, frozen=True):
    """How an admission stands: requests in flight and waiting, how many may be in flight, and why one waits.

    `limit` is the number in force now, at most the configured one; below 1 there are pauses between requests. `why` is
    a few words, empty where nothing waits.
    """

    in_flight: int
    waiting: int
    limit: float
    why: str = ""
