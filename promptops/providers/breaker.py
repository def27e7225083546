"""A circuit breaker: after so many failures in a row an endpoint is left alone, but for a probe now and then.

Source of the pattern: M. Nygard, Release It!, 2nd ed. (2018), chapter 5, "Circuit Breaker".
"""

from __future__ import annotations

from math import inf
from typing import Literal

Passage = Literal["go", "probe", "wait", "stop"]

FIRST_PROBE = 0.5  # seconds after opening; doubles from probe to probe
LONGEST_GAP = 30.0  # seconds between two probes


class Breaker:
    """Decides whether an endpoint may be asked. Times are seconds of any clock that only goes forward.

    Closed, everything goes. `failures` in a row (0: never) open it: one probe is sent after half a second, then after
    1, 2, 4 … seconds; the first success of any request closes it. Where no probe succeeds for `patience` seconds it has
    tripped: what waits fails at once, and a probe goes every half minute.
    """

    def __init__(self, failures: int, patience: float) -> None:
        self._failures, self._patience = failures, patience
        self._row = 0
        self._opened: float | None = None
        self._gap = FIRST_PROBE
        self._next_probe = inf
        self._probing = False
        self._tripped = False

    @property
    def closed(self) -> bool:
        """Whether requests simply go."""
        return self._opened is None

    @property
    def tripped(self) -> bool:
        """Whether waiting was in vain."""
        return self._tripped

    @property
    def row(self) -> int:
        """How many failures there were since the last success."""
        return self._row

    def passage(self, now: float) -> Passage:
        """Say what a request may do: go, go as the probe, wait for the probe, or stop. `probe` is said once."""
        if self._opened is None:
            return "go"
        if self.probe_due(now):
            self._probing = True
            return "probe"
        return "stop" if self._tripped else "wait"

    def probe_due(self, now: float) -> bool:
        """Whether the next `passage` would be the probe."""
        return self._opened is not None and not self._probing and now >= self._next_probe

    def waits(self, now: float) -> float:
        """Return the seconds until `passage` may say something else without a word from `succeeded` or `failed`."""
        return max(0.0, self._next_probe - now) if not self._probing else inf

    def succeeded(self) -> None:
        """A request was answered."""
        self._row, self._opened, self._gap = 0, None, FIRST_PROBE
        self._probing = self._tripped = False

    def failed(self, now: float, *, probe: bool = False, for_good: bool = False) -> None:
        """A request failed in a way that says something of the endpoint; `for_good`: waiting mends nothing."""
        self._row += 1
        if self._opened is None:
            if self._failures and self._row >= self._failures:
                self._opened, self._tripped = now, for_good
                self._next_probe = now + (LONGEST_GAP if for_good else self._gap)
        elif probe:
            self._probing = False
            self._gap = min(LONGEST_GAP, 2 * self._gap)
            self._tripped = self._tripped or now - self._opened >= self._patience
            self._next_probe = now + (LONGEST_GAP if self._tripped else self._before_the_end(now))

    def trip(self, now: float, row: int) -> None:
        """Nothing is to be hoped for, after `row` refusals in a row: what waits fails at once."""
        self._row, self._opened, self._tripped = row, now, True
        self._probing, self._next_probe = False, now + LONGEST_GAP

    def abandoned(self) -> None:
        """The probe was cancelled before it said anything: the next request is the probe."""
        self._probing = False

    def _before_the_end(self, now: float) -> float:
        """The gap to the next probe, so that the last one falls on the end of the patience."""
        assert self._opened is not None
        return max(0.0, min(self._gap, self._opened + self._patience - now))
