"""Several candidates against one reference, on the same cases: which are shown to be not worse, which are worse?

The test of one candidate is the canary's: "worse by the margin or more" is to be rejected, by betting at a fifth of
alpha after any case, or at full N at the other four fifths (an exact test for pass and fail, the test of a bounded
mean for several samples a case). As a p value that is the smaller of 5 / wealth and p at full N: for one candidate it
is at most alpha exactly where the canary says "not worse". "Worse" is asked once, when every case is there: McNemar's
exact test, or sign flips.

**Several candidates: Holm, over all that are asked.** Whoever takes the cheapest of those that are shown to be not
worse picks after having seen them, and each further candidate is one more chance to be wrong: of five that are all
worse by the margin, one passes in a sixth of all comparisons. Holm bounds the chance that *any* claim is wrong
by alpha, whatever is picked afterwards and why, and whatever prices have to do with quality. A fixed sequence needs no
smaller levels, and was not taken: from the dearest down it stops at the first that is not shown, so that one dear and
bad model hides all cheaper ones; from the cheapest up it mostly ends at once, since the cheapest is the worst; and its
order must not depend on the data, as measured costs do (how much does a model write?).
`tests/proof/test_against.py` counts the false claims of these rules, and what they find.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.statistics.betting import ANYTIME_SHARE, BettingTest, betting_interval
from promptops.core.statistics.bounded_mean import ORDERS, bounded_mean_test
from promptops.core.statistics.exact_pairs import exact_non_inferiority
from promptops.core.statistics.fixed_power import pairs_to_settle
from promptops.core.statistics.flips import sign_flip_test
from promptops.core.statistics.holm import holm
from promptops.core.statistics.metric import MetricPlan, MetricTest, Units
from promptops.core.statistics.trial import MOST_MISSING
from promptops.core.stats import mcnemar_exact

Shown = Literal["not worse", "worse", "undecided", "unmeasurable"]
Scores = Sequence["float | None"]

_ROOM = 400_000  # numbers in one array of the test of a bounded mean: of more cases, fewer orders are averaged
_MOST_CASES = 1_000_000  # beyond it nobody asks


class Plan(Struct, frozen=True):
    """What is fixed before the first case.

    `cases` are planned (N), each with `samples` (≥ 1) of it; `margin` is the drop of the pass rate that still counts
    as not worse, `alpha` the error of each family of claims. `seed` is that of random numbers in the tests. `clusters`
    are the sizes of the clusters in the order of the cases, which keeps each together (empty: none): they are the units
    then, as in a canary.
    """

    cases: int
    margin: float = 0.05
    alpha: float = 0.05
    samples: int = 1
    seed: int = 0
    clusters: tuple[int, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether one outcome of each case decides, by the tests of pairs."""
        return self.samples == 1 and not self.clusters


class Against(Struct, frozen=True):
    """One candidate against the reference.

    `pairs` cases were measured on both sides: `lower` came out worse than with the reference, `higher` better. Their
    mean `difference` has the anytime-valid `interval` at 1 - alpha, of this candidate alone. The p values are adjusted
    for the number of candidates; `p_worse` and `p_better` are None before full N. `more_cases`: about how many would
    settle what is undecided, if they come out as so far (None: nobody knows).
    """

    shown: Shown
    pairs: int
    lower: int
    higher: int
    missing: int
    difference: float | None
    interval: tuple[float, float] | None
    p_not_worse: float
    p_worse: float | None
    p_better: float | None
    better: bool = False
    more_cases: int | None = None


def stand_against(reference: Scores, candidates: Mapping[str, Scores], plan: Plan) -> dict[str, Against]:
    """Judge every candidate by its scores and those of the reference.

    Scores are the share of a case's samples that passed (None: not measured), in the order in which the cases were
    drawn, which must not depend on how they come out; all of the same first cases of the plan, at most `plan.cases`.
    What is missing counts as lost where "not worse" has to be shown, and is no evidence of "worse".

    H0 of each claim "not worse": its mean difference is `-plan.margin` or less; of "worse" and "better": the two are
    exchangeable within each case.
    Assumes: units are independent and alike, and are in an order that does not depend on how they come out; nothing of
    how candidates hang together.
    Guarantee: P(any false claim "not worse") ≤ alpha, and the same for "worse", over all candidates together, at
    whatever case it was stopped; exactly. Picking one costs nothing.
    Source: of the tests, `BettingTest`, `exact_non_inferiority`, `bounded_mean_test`, `sign_flip_test`; of the levels,
    `holm`.
    """
    seen = len(reference)
    if seen > plan.cases or any(len(scores) != seen for scores in candidates.values()):
        raise ValueError("all sides have a score, or None, of the same first cases of the plan")
    differences = {
        name: [_difference(*pair) for pair in zip(reference, scores, strict=True)]
        for name, scores in candidates.items()
    }
    found = {name: _alone(values, plan, len(candidates)) for name, values in differences.items()}
    return _together(found, differences, plan)


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _alone(differences: Scores, plan: Plan, candidates: int) -> Against:
    """One candidate with raw p values."""
    known = [value for value in differences if value is not None]
    missing = len(differences) - len(known)
    lower, higher = sum(value < 0 for value in known), sum(value > 0 for value in known)
    if not known:
        return Against("unmeasurable", 0, 0, 0, missing, None, None, 1.0, None, None)
    full, p = len(differences) == plan.cases, p_not_worse(differences, plan, candidates=candidates)
    return Against(
        shown="undecided",
        pairs=len(known),
        lower=lower,
        higher=higher,
        missing=missing,
        difference=math.fsum(known) / len(known),
        interval=_interval(differences, plan),
        p_not_worse=p,
        p_worse=_p_worse(differences, plan) if full else None,
        p_better=_p_worse([None if value is None else -value for value in differences], plan) if full else None,
    )


def _together(found: Mapping[str, Against], differences: Mapping[str, Scores], plan: Plan) -> dict[str, Against]:
    """The candidates with adjusted p values, and what is shown of each."""
    adjusted = holm([one.p_not_worse for one in found.values()])
    worse = holm([1.0 if one.p_worse is None else one.p_worse for one in found.values()])
    better = holm([1.0 if one.p_better is None else one.p_better for one in found.values()])
    left = sum(p > plan.alpha for p in adjusted)
    judged: dict[str, Against] = {}
    for name, p_not_worse, p_worse, p_better in zip(found, adjusted, worse, better, strict=True):
        one = found[name]
        shown = _shown(one, p_not_worse, p_worse, plan)
        judged[name] = replace(
            one,
            shown=shown,
            p_not_worse=p_not_worse,
            p_worse=None if one.p_worse is None else p_worse,
            p_better=None if one.p_better is None else p_better,
            better=shown == "not worse" and p_better <= plan.alpha,
            more_cases=_more_cases(one, differences[name], plan, left) if shown == "undecided" else None,
        )
    return judged


def _shown(one: Against, p_not_worse: float, p_worse: float, plan: Plan) -> Shown:
    """Worse is looked at first: with very many cases a drop inside the margin is still a drop."""
    if not one.pairs:
        return "unmeasurable"
    if p_worse <= plan.alpha:
        return "worse"
    if p_not_worse <= plan.alpha:
        return "not worse"
    return "unmeasurable" if one.missing > MOST_MISSING * (one.pairs + one.missing) else "undecided"


def p_not_worse(differences: Scores, plan: Plan, *, candidates: int = 1) -> float:
    """Return the p value of one candidate's "not worse", not yet corrected: of betting, and at full N of both tests.

    `differences` are those of the first cases of the plan (None: not measured); `candidates` is how many there are, for
    which the stakes of the test at full N are made.
    H0: the mean difference is `-plan.margin` or less. Assumes, and source: as `stand_against`.
    Guarantee: P(p ≤ a | H0) ≤ a for each a at which the stakes are made, after any case.
    Raises `ValueError` for what is no difference; with one sample a case and no clusters it is -1, 0 or 1.
    """
    known = [value for value in differences if value is not None]
    if not all(value in (-1, 0, 1) if plan.plain else abs(value) <= 1 for value in known):
        raise ValueError("scores lie in [0, 1], and with one sample a case they are 0 or 1: shares need `Plan.samples`")
    if plan.clusters:
        return _clusters_not_worse(differences, plan, candidates)
    filled = [-1.0 if value is None else value for value in differences]
    betting = BettingTest(plan.margin, ANYTIME_SHARE * plan.alpha)
    for value in filled:
        betting.add(value)
    anytime = 1 / (ANYTIME_SHARE * betting.most)
    if len(filled) < plan.cases:
        return min(1.0, anytime)
    return min(1.0, anytime, _at_full_n(filled, plan, candidates))


def _at_full_n(filled: Sequence[float], plan: Plan, candidates: int) -> float:
    if plan.samples == 1:
        broke, fixed = filled.count(-1), filled.count(1)
        alpha = plan.alpha / candidates
        return exact_non_inferiority(broke, fixed, len(filled), plan.margin, alpha=alpha, after_betting=True)
    level = (1 - ANYTIME_SHARE) * plan.alpha / candidates
    orders = max(1, min(ORDERS, _ROOM // len(filled)))
    alone = bounded_mean_test(filled, plan.margin, alpha=level, seed=plan.seed, orders=orders)
    return alone / (1 - ANYTIME_SHARE)


def _clusters_not_worse(differences: Scores, plan: Plan, candidates: int) -> float:
    """By the canary's own test of clusters: only those that are complete count, and fewer than 20 show nothing."""
    metric, units = MetricPlan("pass rate", plan.margin, graded=True), Units(plan.cases, plan.clusters)
    test = MetricTest(metric, units, (), alpha=plan.alpha / candidates, seed=plan.seed)
    for value in differences:
        test.add(value)
    anytime = 1 / (ANYTIME_SHARE * test.betting.most)
    return min(1.0, anytime, test.at_full_n() if len(differences) == plan.cases else 1.0)


def _p_worse(differences: Scores, plan: Plan) -> float:
    known = [value for value in differences if value is not None]
    if plan.plain:
        return mcnemar_exact(known.count(-1), known.count(1))
    return sign_flip_test([mean * size for mean, size in _units(differences, plan)], seed=plan.seed)


def _interval(differences: Scores, plan: Plan) -> tuple[float, float]:
    units = _units(differences, plan)
    most = max(size for _, size in units)
    means, weights = [mean for mean, _ in units], [size / most for _, size in units]
    return betting_interval(means, confidence=1 - plan.alpha, weights=weights)


def _units(differences: Scores, plan: Plan) -> list[tuple[float, int]]:
    """The mean difference of what was measured of each unit, and how many cases that were."""
    found, start = [], 0
    for size in plan.clusters or (1,) * len(differences):
        known = [value for value in differences[start : start + size] if value is not None]
        start += size
        if known:
            found.append((math.fsum(known) / len(known), len(known)))
    return found


def _more_cases(one: Against, differences: Scores, plan: Plan, left: int) -> int | None:
    """About how many more cases would settle it at the level that is left to `left` undecided candidates."""
    level = (1 - ANYTIME_SHARE) * plan.alpha / max(1, left)
    if plan.plain:
        alpha, counts = plan.alpha / max(1, left), (one.lower, one.higher, one.pairs)
        total = pairs_to_settle(*counts, plan.margin, alpha, after_betting=True, most=_MOST_CASES)
    else:
        units = _units(differences, plan)
        most = max(size for _, size in units)
        total = _cases_by_betting(units, plan.margin, level, most)
    return None if total is None else max(1, total - one.pairs)


def _cases_by_betting(units: Sequence[tuple[float, int]], margin: float, level: float, most: int) -> int | None:
    """The cases after which a gambler with the best constant stake has won 1 / `level`, one way or the other."""
    ways = (
        [size / most * (mean + margin) / (1 - margin) for mean, size in units],
        [-size / most * mean for mean, size in units],
    )
    growth = max(_best_growth(gains) for gains in ways)
    if growth <= 0:
        return None
    total = math.ceil(math.log(1 / level) / growth * sum(size for _, size in units) / len(units))
    return total if total <= _MOST_CASES else None


def _best_growth(gains: Sequence[float]) -> float:
    """The most that the log of the capital grows in the mean of a unit, over constant stakes."""
    counts, stakes = Counter(gains), [step / 50 for step in range(1, 50)]
    return max(sum(n * math.log1p(stake * gain) for gain, n in counts.items()) / len(gains) for stake in stakes)
