"""Is the candidate shown to be not worse? Of paired passes and failures, once, at full N: exact for every level."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

from promptops.core.statistics.betting import ANYTIME_SHARE, BETS
from promptops.core.statistics.tango import tango_score

_SET_ASIDE = 0.002  # of the level, for data that say nothing like the truth of how many pairs are fixed by chance
_POINTS = 33  # where that is looked for: a quarter of its standard error apart
_FLAT = 9.0  # standard deviations beyond which a binomial has nothing
_POWERS = (1.0, 1.25, 1.5, 2.0, 3.0, 5.0)


@lru_cache(maxsize=4096)
def exact_non_inferiority(
    broke: int, fixed: int, pairs: int, margin: float, *, alpha: float, after_betting: bool = False
) -> float:
    """Return the p value of H0 "the pass rate is worse by `margin` (in (0, 1)) or more", to be compared with `alpha`.

    Data are ordered by Tango's score. p is the chance of a score as high or higher at the worst share of pairs that
    flip for no reason; nobody knows it, so the worst of those that the fixed pairs leave possible is taken, and what
    they may leave out (`alpha` / 500) is added. With `after_betting` there was a `BettingTest` at `ANYTIME_SHARE` of
    alpha all the time, and p is of both: "PASS when betting has won, or p ≤ alpha" errs with at most alpha.
    1.0 without pairs; `ValueError` where numbers do not fit together.
    Assumes: pairs are independent and alike.
    Guarantee: P(p ≤ a | H0) ≤ a for every a and every number of pairs; without `after_betting` alone, with it together
    with betting at `ANYTIME_SHARE` · a. Up to the grid of shares: a finer one moves p by less than .0002. Tango's own p
    value (`tango.non_inferiority`) has no such guarantee: of 38 pairs and a margin of .05 it errs in .14 at a level of
    .08.
    Source: Hsueh, Liu & Chen, "Unconditional exact tests for equivalence or noninferiority for paired binary
    endpoints", Biometrics 57 (2001), 478-483; the order: Tango (1998), see `tango`; the worst of a confidence set:
    Berger & Boos, "P values maximized over a confidence set for the nuisance parameter", JASA 89 (1994), 1012-1016,
    here that of Chernoff's bound. The worst drop is `margin` itself: fewer broken pairs are never less likely to be
    within the region. Betting's share is bounded by Doob's inequality for powers of its wealth.
    """
    if min(broke, fixed) < 0 or broke + fixed > pairs or not 0 < margin < 1 or not 0 < alpha < 1:
        raise ValueError("broken and fixed pairs are no more than all, margin and alpha lie in (0, 1)")
    if not pairs:
        return 1.0
    region, aside = _Region(pairs, margin, tango_score(broke, fixed, pairs, -margin)), _SET_ASIDE * alpha
    worst = 0.0
    for better in _possible(fixed, pairs, (1 - margin) / 2, aside):
        chance = region.chance(better) + aside
        worst = max(worst, _with_betting(chance, better, pairs, margin) if after_betting else chance)
    return min(1.0, worst)


@lru_cache(maxsize=256)
def pairs_for_no_flip(margin: float, alpha: float, *, after_betting: bool = False) -> int:
    """The pairs that show "not worse than `margin`" where not one flips: (1 - margin)^n ≤ `alpha`, or a few more.

    Planning, no H0: the n from which on `exact_non_inferiority` rejects. Assumes: as that. Guarantee: the least such n.
    Source: as `exact_non_inferiority`.
    """

    def shown(pairs: int) -> bool:
        return exact_non_inferiority(0, 0, pairs, margin, alpha=alpha, after_betting=after_betting) <= alpha

    low = high = max(1, math.ceil(math.log(alpha * (1 - _SET_ASIDE)) / math.log1p(-margin)))
    while not shown(high):
        low, high = high, math.ceil(1.25 * high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


class _Region:
    """The pairs whose score is at least `score`: of each number of flips, up to how many may be broken."""

    def __init__(self, pairs: int, margin: float, score: float) -> None:
        self.pairs, self.margin, self.score = pairs, margin, score - 1e-9
        self._most: dict[int, int] = {}

    def chance(self, better: float) -> float:
        """The chance of the region where a pair is fixed with the chance `better` and broken with `margin` more."""
        flip = min(1.0, self.margin + 2 * better)
        share = min(1.0, (self.margin + better) / flip)
        low, high = _window(self.pairs, flip)
        total, most = 0.0, self.most(low)
        below = _cumulative(most, low, share)
        for flips in range(low, high + 1):
            if flips > low:
                below -= share * _binomial(most, flips - 1, share)
                if self.most(flips) > most:
                    most += 1
                    below += _binomial(most, flips, share)
            total += _binomial(flips, self.pairs, flip) * below
        return total

    def most(self, flips: int) -> int:
        """The most broken of `flips` that are in the region; -1: none. One flip more allows one more at most."""
        if flips not in self._most:
            before = self._most.get(flips - 1)
            if before is None:
                self._most[flips] = self._search(flips)
            else:
                self._most[flips] = before + self._holds(before + 1, flips)
        return self._most[flips]

    def _search(self, flips: int) -> int:
        low, high = -1, flips
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._holds(middle, flips) else (low, middle - 1)
        return low

    def _holds(self, broke: int, flips: int) -> bool:
        return tango_score(broke, flips - broke, self.pairs, -self.margin) >= self.score


def _possible(fixed: int, pairs: int, most: float, aside: float) -> Iterator[float]:
    """Chances of a fixed pair, up to `most`, that leave `fixed` of `pairs` more likely than `aside` (both tails)."""
    room, seen = math.log(2 / aside) / pairs, fixed / pairs

    def far(rate: float) -> bool:
        return _divergence(seen, rate) > room

    low, high = _edge(far, seen, 0.0), min(most, _edge(far, seen, 1.0))
    start, end = math.sqrt(min(low, most)), math.sqrt(high)
    for step in range(_POINTS):
        yield min(most, (start + (end - start) * step / (_POINTS - 1)) ** 2)


def _edge(far: Callable[[float], bool], near: float, end: float) -> float:
    """Between `near` and `end`, the first that is `far`; the `end` where none is."""
    if not far(end):
        return end
    for _ in range(40):
        middle = (near + end) / 2
        near, end = (near, middle) if far(middle) else (middle, end)
    return end


def _divergence(seen: float, rate: float) -> float:
    """Kullback and Leibler's of two coins."""
    if (seen > 0 and rate <= 0) or (seen < 1 and rate >= 1):
        return math.inf
    heads = seen * math.log(seen / rate) if seen > 0 else 0.0
    return heads + ((1 - seen) * math.log((1 - seen) / (1 - rate)) if seen < 1 else 0.0)


def _with_betting(chance: float, better: float, pairs: int, margin: float) -> float:
    """The least level a with `chance` + (what betting can err at `ANYTIME_SHARE` · a within `pairs` pairs) ≤ a."""
    logs = [_wealth_power(power, better, pairs, margin) for power in _POWERS]
    level = chance
    for _ in range(60):
        least = min(power * math.log(ANYTIME_SHARE * level) + log for power, log in zip(_POWERS, logs, strict=True))
        more = chance + math.exp(least)
        if more - level <= 1e-9 * level:
            break
        level = more
    return level


def _wealth_power(power: float, better: float, pairs: int, margin: float) -> float:
    """At least log E[wealth^power] after `pairs` pairs, by Jensen: the mean of the powers of each stake's wealth."""
    if power == 1:
        return 0.0
    cases = ((-1, margin + better), (0, max(0.0, 1 - margin - 2 * better)), (1, better))
    gains = [((d + margin) / (1 - margin), chance) for d, chance in cases]
    logs = [
        (pairs * math.log(sum(chance * (1 + bet * gain) ** power for gain, chance in gains)), weight)
        for bet, weight in BETS
    ]
    top, total = max(log for log, _ in logs), sum(weight for _, weight in BETS)
    return top + math.log(sum(weight * math.exp(log - top) for log, weight in logs) / total)


def _window(trials: int, rate: float) -> tuple[int, int]:
    half = _FLAT * math.sqrt(trials * rate * (1 - rate)) + _FLAT
    return max(0, math.floor(trials * rate - half)), min(trials, math.ceil(trials * rate + half))


def _cumulative(most: int, trials: int, rate: float) -> float:
    low, high = _window(trials, rate)
    if most >= high:
        return 1.0
    return math.fsum(_binomial(count, trials, rate) for count in range(low, most + 1))


def _binomial(count: int, trials: int, rate: float) -> float:
    if not 0 <= count <= trials:
        return 0.0
    if rate >= 1.0:
        return float(count == trials)
    logs = _log_factorials(1 << trials.bit_length())
    ways = logs[trials] - logs[count] - logs[trials - count]
    return math.exp(ways + count * math.log(rate) + (trials - count) * math.log1p(-rate))


@lru_cache(maxsize=32)
def _log_factorials(count: int) -> list[float]:
    return [math.lgamma(number + 1) for number in range(count + 1)]
