"""Requests and tokens a minute, as they are configured for a provider and for single models."""

from __future__ import annotations

from msgspec import Struct

from promptops.providers.ledger import Ledger

_PATIENCE = 0.25  # seconds after which a full rate is asked again: somebody else may have used less than it took


class Rate(Struct, frozen=True):
    """At most `limit` in any minute, counted in `bucket`; `why` says so to people."""

    bucket: str
    limit: int
    why: str


class Rates:
    """All rates that one request needs room in, before it is sent: those of tokens and those of requests."""

    def __init__(self, ledger: Ledger, tokens: list[Rate], requests: list[Rate]) -> None:
        self._ledger = ledger
        self._tokens, self._requests = tokens, requests
        self._full: dict[str, float] = {}

    def take(self, tokens: int, now: float) -> tuple[float, str]:
        """Take one request and its `tokens` out of every rate.

        Returns (0.0, "") where all had room, else the seconds to wait, and then nothing was taken.
        """
        wanted = [(rate, tokens) for rate in self._tokens] + [(rate, 1) for rate in self._requests]
        for rate, _ in wanted:
            if (until := self._full.get(rate.bucket, now)) > now:
                return until - now, rate.why
        for index, (rate, amount) in enumerate(wanted):
            wait = self._ledger.take(rate.bucket, limit=rate.limit, amount=amount)
            if wait > 0:
                self._full[rate.bucket] = now + min(wait, _PATIENCE)
                for taken, much in wanted[:index]:
                    self._ledger.settle(taken.bucket, taken=much, used=0)
                return wait, rate.why
        for rate in self._requests[:-1]:  # only the newest is ever given back
            self._ledger.settle(rate.bucket, taken=1, used=1)
        return 0.0, ""

    def settle(self, *, taken: int, used: int) -> None:
        """Count the tokens of a request as they turned out."""
        for rate in self._tokens:
            self._ledger.settle(rate.bucket, taken=taken, used=used)
            self._full.pop(rate.bucket, None)
