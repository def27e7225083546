"""How a canary decides that looked once, when all was there; what looks after every case is in `core.sequence`.

A pure function of the outcomes of both sides, so that anybody can recompute the verdict.
Two different questions, two different tests. *Is the candidate worse?* is McNemar's exact test: REGRESS. *Is it shown
to be not worse?* is an exact test with a margin: PASS. Neither: INCONCLUSIVE, never a pass. `docs/canary.md` has
the reasons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from promptops.core.statistics.exact_pairs import exact_non_inferiority, pairs_for_no_flip
from promptops.core.statistics.fixed_power import USUAL_NOISE, detectable_drop, pairs_to_settle
from promptops.core.statistics.tango import tango_interval
from promptops.core.stats import mcnemar_exact
from promptops.formats import CanarySettings, MetricSetting
from promptops.models import Outcome, Verdict

Pairs = Mapping[str, tuple[Outcome, Outcome]]

FEW_CASES = 100
_MOST_MISSING = 0.1
_MANY = 10**9  # attempts: nobody asks more often, a file may say so


class Looks(Struct, frozen=True):
    """How a canary went that looked after every case: it ended after `used` of `cases`.

    `spent` is the error that "is it worse?" has spent of alpha, `wealth` the most that betting against "worse by delta"
    has won (1 / (.2 · alpha) shows not worse), `shown` when that was shown, if it was.
    """

    used: int
    cases: int
    spent: float
    wealth: float
    shown: str | None


class MetricFinding(Struct, frozen=True):
    """What a canary found of one metric, from `measured` cases; `missing` of those that were asked were not measured.

    `baseline` and `candidate` are means between 0 and 1, `change` their difference; of a metric without bounds they are
    medians, `change` is the median ratio (difference, where the margin is not `relative`) of a case. `interval` is the
    anytime-valid one of `change` at 1 - alpha. `worse` and `shown` are what the tests say, `spent` and `wealth` as in
    `Looks`, `p_not_worse` the test at full N, where it was made. `beyond` counts the cases beyond the margin.
    """

    setting: MetricSetting
    title: str
    baseline: float | None
    candidate: float | None
    change: float | None
    interval: tuple[float, float] | None
    measured: int
    missing: int
    worse: bool
    shown: str | None
    spent: float
    wealth: float
    beyond: int
    p_not_worse: float | None = None


class Detects(Struct, frozen=True):
    """What a canary over `cases` could have seen, where the share `noise` of them flips for no reason.

    `looking`: it looks after every case, so that it may end in a PASS before; then `drop` is what `estimate` says, too.
    """

    cases: int
    noise: float
    margin: float
    alpha: float
    looking: bool = False

    @property
    def drop(self) -> float | None:
        """The smallest drop in pass rate that is found 4 times in 5: reckoned when asked for, in a second or less."""
        if not self.looking:
            return detectable_drop(self.cases, self.noise, self.alpha)
        from promptops.core.statistics import planning

        return planning.detectable_drop(self.cases, noise=self.noise, margin=self.margin, alpha=self.alpha)


def noise_of(counts: Counts) -> float:
    """The share of flips that are noise: the usual one, or more where more flipped both ways (to a point, upwards)."""
    both = 2 * min(counts.broke, counts.fixed) / counts.pairs if counts.pairs else 0.0
    return max(USUAL_NOISE, math.ceil(100 * both - 1e-9) / 100)


class CanaryDecision(Struct, frozen=True):
    """What a canary decided, and from what.

    Rates and `difference` (candidate minus baseline) are over `measured` pairs, `interval` is two-sided at
    1 - 2 · alpha. `p_value` is of McNemar's exact test (worse), `p_not_worse` of the exact
    test at the margin (None: it was not made).
    `detects` says which drop such a canary finds 4 times in 5. `broke`, `fixed`
    and `missing` name cases; `settle` says what would end an inconclusive canary. With `looks` it comes from
    `core.sequence`, and `interval` is the anytime-valid one at 1 - alpha. `metrics` has a finding of each metric where
    more than one outcome a case decides; `units` is how many clusters there are (0: cases stand for themselves).
    """

    verdict: Verdict
    reason: str
    p_value: float | None
    p_not_worse: float | None
    difference: float | None
    interval: tuple[float, float] | None
    baseline_rate: float | None
    candidate_rate: float | None
    measured: int
    broke: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    same: int = 0
    improved: bool = False
    detects: Detects | None = None
    settle: str = ""
    warnings: tuple[str, ...] = ()
    looks: Looks | None = None
    metrics: tuple[MetricFinding, ...] = ()
    units: int = 0

    @property
    def detectable(self) -> float | None:
        """The drop in pass rate that such a canary finds 4 times in 5; None: none, or nobody reckoned."""
        return self.detects.drop if self.detects else None

    @property
    def alarms(self) -> tuple[MetricFinding, ...]:
        """The metrics that warn, and decide nothing."""
        return tuple(found for found in self.metrics if found.worse and not found.setting.critical)


class Counts(Struct, frozen=True):
    """The paired counts that the tests see."""

    broke: int
    fixed: int
    pairs: int


def decide(pairs: Pairs, settings: CanarySettings, *, attempt: int = 1, gates: Sequence[str] = ()) -> CanaryDecision:
    """Decide from `(baseline, candidate)` outcomes per case; the same arguments always give the same decision.

    `gates` words the hard limits that the candidate broke (budgets): one is enough for REGRESS. `attempt` counts from
    1; a later one must show more, see `pass_level`. A side is measured where its outcome is `pass` or `fail`; a
    candidate with an `error` counts as failed.
    """
    known = {case: (baseline_passed(base), candidate_passed(cand)) for case, (base, cand) in sorted(pairs.items())}
    measured = {case: pair for case, pair in known.items() if None not in pair}
    missing = tuple(case for case in known if case not in measured)
    broke = tuple(case for case, pair in measured.items() if pair == (True, False))
    fixed = tuple(case for case, pair in measured.items() if pair == (False, True))
    counts = Counts(len(broke), len(fixed), len(measured))
    level = pass_level(settings.alpha, attempt)
    verdict, reason = _verdict(known, counts, settings, level, len(missing), gates)
    n = counts.pairs
    return CanaryDecision(
        verdict=verdict,
        reason=reason,
        p_value=mcnemar_exact(counts.broke, counts.fixed) if n else None,
        p_not_worse=_once(counts, settings.delta, level) if n else None,
        difference=(counts.fixed - counts.broke) / n if n else None,
        interval=tango_interval(counts.broke, counts.fixed, n, confidence=1 - 2 * settings.alpha) if n else None,
        baseline_rate=sum(base is True for base, _ in measured.values()) / n if n else None,
        candidate_rate=sum(cand is True for _, cand in measured.values()) / n if n else None,
        measured=n,
        broke=broke,
        fixed=fixed,
        missing=missing,
        same=n - counts.broke - counts.fixed,
        improved=verdict == "pass" and n > 0 and mcnemar_exact(counts.fixed, counts.broke) <= settings.alpha,
        detects=Detects(n, noise_of(counts), settings.delta, settings.alpha) if n else None,
        settle=what_settles(counts, settings, level) if verdict == "inconclusive" else "",
        warnings=tuple(warnings_of(counts, attempt, settings, level)),
    )


def judge_counts(counts: Counts, settings: CanarySettings, level: float) -> Verdict:
    """Return `regress`, `pass` or `inconclusive` for complete pairs, looked at once.

    Source: docs/canary.md. REGRESS is looked at first: with very many pairs a drop inside the margin is still a drop.
    """
    if not counts.pairs:
        return "unmeasurable"
    if counts.broke > counts.fixed and mcnemar_exact(counts.broke, counts.fixed) <= settings.alpha:
        return "regress"
    return "pass" if _once(counts, settings.delta, level) <= level else "inconclusive"


def _once(counts: Counts, margin: float, level: float) -> float:
    """The p value of "not worse" by counts that were looked at once."""
    return exact_non_inferiority(counts.broke, counts.fixed, counts.pairs, margin, alpha=level)


def pass_level(alpha: float, attempt: int) -> float:
    """Return the error that attempt `attempt` (from 1) may spend on a PASS: alpha / attempt².

    Trying until it passes must not pay: over any number of attempts at one comparison the errors add up to at most
    π²/6 · alpha = 1.64 · alpha. REGRESS keeps alpha each time: a later attempt must not make an alarm harder.
    """
    return alpha / min(max(1, attempt), _MANY) ** 2


def _verdict(
    known: Mapping[str, tuple[bool | None, bool | None]],
    counts: Counts,
    settings: CanarySettings,
    level: float,
    missing: int,
    gates: Sequence[str],
) -> tuple[Verdict, str]:
    if not counts.pairs:
        return "unmeasurable", "not one case could be measured on both sides" if known else "there is no case"
    if gates:
        return "regress", "; ".join(gates)
    found = judge_counts(counts, settings, level)
    if missing:
        extremes = {judge_counts(_filled(known, worst=worst), settings, level) for worst in (True, False)}
        told = f"{missing} of {len(known)} cases could not be measured on both sides"
        if found != "inconclusive" and extremes != {found}:
            return "unmeasurable", f"{told}, and how they come out could change the verdict"
        if found == "inconclusive" and missing > _MOST_MISSING * len(known):
            return "unmeasurable", told
    return found, _words(found, counts, settings, level)


def _filled(known: Mapping[str, tuple[bool | None, bool | None]], *, worst: bool) -> Counts:
    """The counts if every missing side had come out worst (or best) for the candidate.

    A model that fails to answer exactly where it would be wrong must not pass by it.
    """
    sides = [(worst if base is None else base, (not worst) if cand is None else cand) for base, cand in known.values()]
    return Counts(sides.count((True, False)), sides.count((False, True)), len(sides))


def baseline_passed(outcome: Outcome) -> bool | None:
    return {"pass": True, "fail": False}.get(outcome)


def candidate_passed(outcome: Outcome) -> bool | None:
    """A check that raised on the candidate's output is no pass, and no outage either."""
    return False if outcome == "error" else baseline_passed(outcome)


def _words(verdict: Verdict, counts: Counts, settings: CanarySettings, level: float) -> str:
    broke, fixed, n = counts.broke, counts.fixed, counts.pairs
    if verdict == "regress":
        p = mcnemar_exact(broke, fixed)
        return f"{broke} broke and {fixed} fixed of {n}: by chance alone p = {p:.2g} (at most {settings.alpha:g})"
    p = _once(counts, settings.delta, level)
    margin = f"{100 * settings.delta:g} points"
    if verdict == "pass":
        return f"shown to be not worse by {margin}: p = {p:.3g} (at most {level:.3g}), {broke} broke, {fixed} fixed"
    return f"neither worse (p = {mcnemar_exact(broke, fixed):.2g}) nor shown to be not worse by {margin} (p = {p:.2g})"


def what_settles(
    counts: Counts, settings: CanarySettings, level: float, *, after_betting: bool = False, unasked: int = 0
) -> str:
    """What would end this: how many more cases if flips go on as so far, or which margin these cases do show.

    `after_betting`: the canary looks after every case. `unasked`: it was stopped before so many cases of its dataset;
    no margin is named then, for the test that would show it is made when all cases are there.
    """
    ways, numbers = [], (counts.broke, counts.fixed, counts.pairs)

    def shown(margin: float) -> bool:
        return exact_non_inferiority(*numbers, margin, alpha=level, after_betting=after_betting) <= level

    if total := pairs_to_settle(*numbers, settings.delta, level, after_betting=after_betting):
        ways.append(further_cases(total - counts.pairs, unasked))
    if not unasked and counts.pairs and not shown(settings.delta):
        about = math.ceil(-1000 * tango_interval(*numbers, confidence=1 - 2 * level)[0])
        thousandths = max(about, math.floor(1000 * settings.delta) + 1)
        while thousandths < 500 and not shown(thousandths / 1000):
            thousandths += 1  # the interval is approximate: the margin named is one that passes
        if thousandths < 500:
            ways.append(f"a margin of {thousandths / 10:g} points (canary.delta)")
    return ", or ".join(ways) or "more cases: these show nothing either way"


def further_cases(more: int, unasked: int = 0) -> str:
    """`about 56 more cases`; or to ask on, where a canary was stopped before `unasked` of its dataset.

    Not fewer than those then: the test that needs the fewest cases is made when all of them are there.
    """
    if not unasked:
        return f"about {more} more case{'s' * (more != 1)}"
    if more <= unasked:
        return f"asking on: {unasked} case{'s' * (unasked != 1)} of the dataset {_were(unasked)} not asked yet"
    return f"about {more} more cases; {unasked} of the dataset {_were(unasked)} not asked yet"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _cases(number: int) -> str:
    return "1 case is" if number == 1 else f"{number} cases are"


def warnings_of(
    counts: Counts,
    attempt: int,
    settings: CanarySettings,
    level: float,
    *,
    passed: bool = False,
    after_betting: bool = False,
) -> list[str]:
    """What a reader has to know before believing it; a candidate that fixed enough has `passed` with few cases."""
    told, n = [], counts.pairs
    least = pairs_for_no_flip(settings.delta, level, after_betting=after_betting)
    if 0 < n < least and not passed:
        told.append(
            f"{_cases(n)} too few for a PASS: without a single flip it takes {least} to show not worse by "
            f"{100 * settings.delta:g} points"
        )
    elif 0 < n < FEW_CASES:
        told.append(f"{_cases(n)} few: a smaller drop than it detects may well stay unseen")
    if attempt > 1:
        told.append(
            f"this is attempt {attempt} at the same comparison: the error rate of alpha = {settings.alpha:g} holds for "
            f"the first only, so a pass now needs p ≤ {level:.3g}"
        )
    return told
