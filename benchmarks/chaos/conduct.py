"""How the hostile provider behaves: settings, and what the n-th request of one case meets. Pure and seeded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

Fate = Literal["good", "slow", "refused", "broken", "dropped"]

SLOW_FACTOR = 10.0  # how much longer than others a slow answer takes


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a server does. Times are seconds, shares in [0, 1].

    `refused` is the share of requests that get 429 with `headers`, `broken` of those that get 500, `dropped` of those
    whose connection closes in the middle of the answer, `slow` of those that take ten times the `latency`; which ones
    follows from `seed`, case and the number of the attempt alone.

    `places` and `rate` are limits above which it answers 429: secret ones, unless `announce` says them in
    `x-ratelimit-*` headers of every answer. `rate` is requests in `window` seconds, kept as a bucket that fills
    steadily and holds `burst` (None: `rate`) in the beginning. Every refusal carries `headers`.

    `dies_after` requests it closes its port and every connection, for `down` seconds (None: for good). `hangs` never
    answers, `drip` waits so long between two bytes of an answer. `ill` seconds from the first request it answers 503.
    """

    latency: float = 0.05
    seed: int = 1
    refused: float = 0.0
    broken: float = 0.0
    dropped: float = 0.0
    slow: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    places: int | None = None
    rate: int | None = None
    window: float = 1.0
    burst: int | None = None
    announce: bool = False
    dies_after: int | None = None
    down: float | None = None
    hangs: bool = False
    drip: float = 0.0
    ill: float = 0.0

    def fate(self, case: int, attempt: int) -> Fate:
        """What request number `attempt` (from 0) for `case` meets."""
        digest = hashlib.sha256(f"{self.seed} {case} {attempt}".encode()).digest()
        drawn = int.from_bytes(digest[:8], "big") / 2**64
        shares: tuple[tuple[Fate, float], ...] = (
            ("refused", self.refused),
            ("broken", self.broken),
            ("dropped", self.dropped),
            ("slow", self.slow),
        )
        for fate, share in shares:
            if drawn < share:
                return fate
            drawn -= share
        return "good"

    def seconds(self, fate: Fate) -> float:
        """How long the server takes for it."""
        return self.latency * SLOW_FACTOR if fate == "slow" else self.latency

    @property
    def retry_after(self) -> float:
        """What a refusal asks to wait, in seconds; 0.0 where it says nothing."""
        if "retry-after-ms" in self.headers:
            return float(self.headers["retry-after-ms"]) / 1000
        return float(self.headers.get("Retry-After", 0.0))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, read back by `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Conduct:
        """Read what `to_json` wrote."""
        return cls(**{item.name: data[item.name] for item in fields(cls) if item.name in data})
