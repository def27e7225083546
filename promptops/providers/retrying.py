"""When a failed request is sent again, after how long, and when a run has retried enough."""

from __future__ import annotations

from promptops.errors import FailureKind

CAN_PASS: frozenset[FailureKind] = frozenset({"connection", "timeout", "rate_limit", "server"})
OF_THE_ENDPOINT: frozenset[FailureKind] = frozenset({"connection", "timeout", "server", "auth"})
"""Failures that say something of the endpoint, not of one request; a 429 says that it lives."""

LONGEST_WAIT = 20.0  # seconds
LONGEST_RETRY_AFTER = 120.0  # seconds; a server that wants more gets no further attempt
RESERVE = 100  # retries that a run may make before anything has succeeded
_HEALTHY_WAIT, _SICK_WAIT = 0.05, 0.5  # seconds before the second attempt, on average
_MEMORY = 0.1  # weight of the newest outcome in the health


class Health:
    """The share of an endpoint's newest requests that were answered, in [0, 1]; 1 before the first."""

    def __init__(self) -> None:
        self.share = 1.0

    def saw(self, *, answered: bool) -> None:
        """Count one outcome."""
        self.share += _MEMORY * (answered - self.share)


def backoff(attempt: int, health: float, chance: float) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (from 1): exponential, with jitter.

    Where most other requests are answered (`health` near 1) the failure was bad luck and the wait stays near 0.05 s;
    where none is, it begins at half a second and doubles up to 20 s. `chance` in [0, 1) makes it half to one and a half
    times as long, so that those who failed together do not come back together.
    """
    sick = (1.0 - health) ** 2
    first = _HEALTHY_WAIT + (_SICK_WAIT - _HEALTHY_WAIT) * sick
    wait: float = first * 2.0 ** (min(attempt - 1, 30) * sick)
    return min(LONGEST_WAIT, wait) * (0.5 + chance)


class RetryBudget:
    """So many retries for each request that succeeds, so that an outage does not multiply the traffic.

    `ratio` (≥ 0) is retries per success; the first hundred, or none where `ratio` is 0, are free. A 429 is no sign of
    an outage and is not counted here.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._left = float(RESERVE) if ratio else 0.0

    def succeeded(self) -> None:
        """A request was answered."""
        self._left = min(self._left + self._ratio, 10.0 * RESERVE)

    def spend(self, kind: FailureKind) -> bool:
        """Take one retry after a failure of `kind`; False where none is left."""
        if kind == "rate_limit" and self._ratio:
            return True
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
