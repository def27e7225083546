"""Two ways to tell a change of a share from chance, one outcome after another.

Source: A. Wald, Sequential Tests of Statistical Hypotheses, Ann. Math. Statist. 16 (1945), the test of two shares;
E. S. Page, Continuous Inspection Schemes, Biometrika 41 (1954), the cumulative sum.
"""

from __future__ import annotations

from math import log
from typing import Literal

_LEAST, _MOST = 0.005, 0.995  # shares are kept away from 0 and 1, where one outcome would prove everything


class Trial:
    """Decides whether the share of events is `first` or `second`, both in [0, 1], as soon as the evidence suffices.

    The evidence is the logarithm of the likelihood of `second` over that of `first`; at `-for_first` or `for_second`
    the trial is over.
    """

    def __init__(self, first: float, second: float, *, for_first: float, for_second: float) -> None:
        one, two = _inside(first), _inside(second)
        self._event, self._none = log(two / one), log((1 - two) / (1 - one))
        self._first, self._second = -for_first, for_second
        self.evidence = 0.0

    def saw(self, *, event: bool) -> Literal["first", "second"] | None:
        """Count one outcome; returns the verdict, None while there is none."""
        self.evidence += self._event if event else self._none
        if self.evidence <= self._first:
            return "first"
        return "second" if self.evidence >= self._second else None


class Alarm:
    """Sounds soon after the share of events rose from `usual` to `too_many` or more; seldom before."""

    def __init__(self, usual: float, too_many: float, *, threshold: float) -> None:
        one, two = _inside(usual), _inside(too_many)
        self._event, self._none = log(two / one), log((1 - two) / (1 - one))
        self._threshold = threshold
        self._sum = 0.0

    def saw(self, *, event: bool) -> bool:
        """Count one outcome; returns whether the alarm sounds."""
        self._sum = max(0.0, self._sum + (self._event if event else self._none))
        return self._sum >= self._threshold


def _inside(share: float) -> float:
    return min(max(share, _LEAST), _MOST)
