"""How a canary decides that looks after every case: a pure function of order and outcomes, recomputed by `verify`.

The tests are those of `core.statistics.trial`: REGRESS by the exact sequential sign test, PASS by betting at any time
or by the exact test of pairs at full N. What was not asked because it had ended is neither missing nor counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptops.core.canary import (
    CanaryDecision,
    Counts,
    Detects,
    Looks,
    Pairs,
    baseline_passed,
    candidate_passed,
    noise_of,
    pass_level,
    warnings_of,
    what_settles,
)
from promptops.core.metrics import Figures, Measured
from promptops.core.statistics.betting import betting_interval
from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.sign_test import SequentialSignTest
from promptops.core.statistics.trial import Trial
from promptops.core.stats import mcnemar_exact
from promptops.formats import CanarySettings
from promptops.models import Outcome, Verdict

Known = Mapping[str, tuple[bool | None, bool | None]]
METRIC = "pass rate"


class PairTrial:
    """The trial of one canary, fed pair by pair in the order in which the cases were drawn."""

    def __init__(self, cases: int, settings: CanarySettings, attempt: int) -> None:
        level = pass_level(settings.alpha, attempt)
        self.trial = Trial([MetricPlan(METRIC, settings.delta)], cases, alpha=settings.alpha, pass_alpha=level)

    def add(self, baseline: Outcome, candidate: Outcome) -> Verdict | None:
        """Add the next case and return the verdict, if there is one; a side that was not measured makes it missing."""
        before, after = baseline_passed(baseline), candidate_passed(candidate)
        known = before is not None and after is not None
        return self.trial.add({METRIC: _difference((before, after)) if known else None})


def decide_in_order(
    pairs: Pairs,
    settings: CanarySettings,
    order: Sequence[str],
    *,
    asked: int,
    attempt: int = 1,
    gates: Sequence[str] = (),
    evidence: Measured | None = None,
) -> CanaryDecision:
    """Decide from `(baseline, candidate)` outcomes of the first `asked` cases of `order`, all cases of the canary.

    Pairs that were on their way when it ended are shown among broken and fixed, and in the figures; the verdict does
    not rest on them. `gates` and `attempt` are what they are for `core.canary.decide`. With `evidence` the figures in
    it decide, and the outcomes say only what broke and what was fixed.
    """
    if evidence is not None:
        return _by_figures(pairs, settings, order, evidence, asked=asked, attempt=attempt, gates=gates)
    running = PairTrial(len(order), settings, attempt) if order else None
    for case in order[:asked]:
        if running is not None and running.add(*pairs[case]) is not None:
            break
    known = {case: (baseline_passed(pairs[case][0]), candidate_passed(pairs[case][1])) for case in order}
    measured = {case: pair for case, pair in known.items() if None not in pair}
    if running is None or not measured:
        return _nothing(known, order[:asked], gates)
    return _decision(running.trial, known, measured, settings, order[:asked], attempt, gates)


def _by_figures(
    pairs: Pairs,
    settings: CanarySettings,
    order: Sequence[str],
    evidence: Measured,
    *,
    asked: int,
    attempt: int,
    gates: Sequence[str],
) -> CanaryDecision:
    """By several metrics, several samples a case, or clusters."""
    from promptops.core import sequence_metrics as by

    known = {case: (baseline_passed(pairs[case][0]), candidate_passed(pairs[case][1])) for case in order}
    counted = {case: pair for case, pair in known.items() if None not in pair}
    running = by.FigureTrial.of(order, evidence, settings, attempt) if order else None
    seen = order[:asked]
    figures = evidence.figures
    if running is None or not any(by.measured(own, seen) for own in figures.values()):
        return _nothing(known, seen, gates)
    trial = running.run(seen, figures).trial
    verdict: Verdict = "regress" if gates else trial.verdict or "inconclusive"
    found = by.findings(running, _shown(order, asked, figures), figures, settings)
    broke = tuple(sorted(case for case, pair in counted.items() if pair == (True, False)))
    fixed = tuple(sorted(case for case, pair in counted.items() if pair == (False, True)))
    n, primary = len(counted), found[0]
    level = pass_level(settings.alpha, attempt)
    return CanaryDecision(
        verdict=verdict,
        reason="; ".join(gates) or by.reason(running, verdict, found, settings),
        p_value=mcnemar_exact(len(broke), len(fixed)) if n else None,
        p_not_worse=primary.p_not_worse,
        difference=(len(fixed) - len(broke)) / n if n else None,
        interval=primary.interval,
        baseline_rate=sum(base is True for base, _ in counted.values()) / n if n else None,
        candidate_rate=sum(cand is True for _, cand in counted.values()) / n if n else None,
        measured=n,
        broke=broke,
        fixed=fixed,
        missing=tuple(sorted(case for case in order[: trial.seen] if case not in counted)),
        same=n - len(broke) - len(fixed),
        improved=verdict == "pass" and trial.improved,
        settle=by.settle(found, figures, seen, level, unasked=len(order) - asked) if verdict == "inconclusive" else "",
        warnings=tuple(by.warnings(running, found, attempt, settings)),
        looks=_looks(trial),
        metrics=found,
        units=len(trial.units.clusters),
    )


def _shown(order: Sequence[str], asked: int, figures: Figures) -> list[str]:
    """The cases that were asked, and those that came on their own before it ended."""
    came = set().union(*figures.values()) if figures else set()
    return [*order[:asked], *(case for case in order[asked:] if case in came)]


def _decision(
    trial: Trial,
    known: Known,
    measured: Known,
    settings: CanarySettings,
    asked: Sequence[str],
    attempt: int,
    gates: Sequence[str],
) -> CanaryDecision:
    broke = tuple(sorted(case for case, pair in measured.items() if pair == (True, False)))
    fixed = tuple(sorted(case for case, pair in measured.items() if pair == (False, True)))
    counts, n = Counts(len(broke), len(fixed), len(measured)), len(measured)
    level = pass_level(settings.alpha, attempt)
    verdict: Verdict = "regress" if gates else trial.verdict or "inconclusive"
    looks = _looks(trial)
    return CanaryDecision(
        verdict=verdict,
        reason="; ".join(gates) or _words(verdict, trial, settings, level),
        p_value=mcnemar_exact(counts.broke, counts.fixed),
        p_not_worse=_at_full_n(trial),
        difference=(counts.fixed - counts.broke) / n,
        interval=betting_interval(
            [-1] * counts.broke + [1] * counts.fixed + [0] * (n - counts.broke - counts.fixed),
            confidence=1 - settings.alpha,
        ),
        baseline_rate=sum(base is True for base, _ in measured.values()) / n,
        candidate_rate=sum(cand is True for _, cand in measured.values()) / n,
        measured=n,
        broke=broke,
        fixed=fixed,
        missing=tuple(sorted(case for case in asked[: looks.used] if case not in measured)),
        same=n - counts.broke - counts.fixed,
        improved=verdict == "pass" and _improved(measured, asked, len(known), settings.alpha),
        detects=Detects(len(known), noise_of(counts), settings.delta, settings.alpha, looking=True),
        settle=what_settles(counts, settings, level, after_betting=True, unasked=len(known) - len(asked))
        if verdict == "inconclusive"
        else "",
        warnings=tuple(
            warnings_of(
                Counts(0, 0, len(known)),
                attempt,
                settings,
                level,
                passed=trial.verdict == "pass",
                after_betting=True,
            )
        ),
        looks=looks,
    )


def _improved(measured: Known, asked: Sequence[str], cases: int, alpha: float) -> bool:
    """Whether it is better beyond chance: the mirrored test, over all that was asked, in the same order."""
    mirrored = SequentialSignTest(cases, alpha)
    return any(mirrored.add(-_difference(measured[case])) for case in asked if case in measured)


def _difference(pair: tuple[bool | None, bool | None]) -> int:
    before, after = pair
    return bool(after) - bool(before)


def _at_full_n(trial: Trial) -> float | None:
    """The p value of "not worse", where every case was asked."""
    return trial.primary.at_full_n() if trial.seen == trial.units.cases else None


def _looks(trial: Trial) -> Looks:
    primary = trial.primary
    return Looks(trial.seen, trial.units.cases, primary.worse[0].spent, primary.betting.most, primary.passed)


def _nothing(known: Known, asked: Sequence[str], gates: Sequence[str]) -> CanaryDecision:
    """Nothing to compare: a limit that was broken before that is a REGRESS all the same."""
    why = "; ".join(gates) or ("not one case could be measured on both sides" if known else "there is no case")
    missing = tuple(sorted(asked))
    return CanaryDecision(
        "regress" if gates else "unmeasurable", why, None, None, None, None, None, None, 0, missing=missing
    )


def _words(verdict: Verdict, trial: Trial, settings: CanarySettings, level: float) -> str:
    seen = [difference for difference in trial.primary.measured if difference]
    flips = f"{sum(d < 0 for d in seen)} broke and {sum(d > 0 for d in seen)} fixed"
    used, margin = f"{trial.seen} of {trial.units.cases} cases", f"{100 * settings.delta:g} points"
    spent = f"error spent {trial.primary.worse[0].spent:.2g} of {settings.alpha:g}"
    if verdict == "regress":
        return f"{flips} after {used}: beyond chance, however often one looks ({spent})"
    if verdict == "unmeasurable":
        return f"{trial.missing} cases could not be measured on both sides, after {used}"
    p = _at_full_n(trial) or 0.0
    if verdict == "pass" and trial.primary.passed == "at full N":
        return f"shown to be not worse by {margin} at all {used}: p = {p:.3g} (at most {level:.3g}), {flips}"
    if verdict == "pass":
        return f"shown to be not worse by {margin} after {used}, {flips} (by betting, valid at any time)"
    if trial.seen < trial.units.cases:
        return f"stopped after {used}, {flips}: nothing was shown by then ({spent})"
    shown = f"p = {p:.3g}, where a PASS takes at most {level:.3g}"
    return f"neither worse ({flips}, {spent}) nor shown to be not worse by {margin} ({shown})"
