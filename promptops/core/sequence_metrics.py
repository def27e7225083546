"""How a canary decides by several metrics, several samples a case, or clusters of cases; `core.sequence` by one outcome
of each case.

A pure function of the order, the figures and the settings, recomputed by `verify`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median, pstdev

from promptops.core.canary import MetricFinding, further_cases, pass_level
from promptops.core.metrics import Figure, Figures, Measured, difference_of, key_of, plan_of, title_of
from promptops.core.plan import cluster_sizes
from promptops.core.statistics.betting import ANYTIME_SHARE, betting_interval, typical_interval
from promptops.core.statistics.exact_pairs import pairs_for_no_flip
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.core.statistics.trial import MOST_MISSING, Trial
from promptops.core.stats import z_value
from promptops.formats import UNBOUNDED, CanarySettings, MetricName, MetricSetting
from promptops.models import Verdict

_POWER = 0.8
_MOST_CASES = 1_000_000


class FigureTrial:
    """The trial of one canary, fed with the figures of case after case in the order in which they were drawn."""

    def __init__(
        self,
        order: Sequence[str],
        metrics: Sequence[MetricSetting],
        settings: CanarySettings,
        *,
        attempt: int,
        seed: int,
        clusters: Mapping[str, str],
    ) -> None:
        self.metrics, self.clusters = tuple(metrics), dict(clusters)
        self.trial = Trial(
            [plan_of(setting) for setting in metrics],
            len(order),
            alpha=settings.alpha,
            seed=seed,
            clusters=cluster_sizes(order, clusters),
            pass_alpha=pass_level(settings.alpha, attempt),
        )

    @classmethod
    def of(cls, order: Sequence[str], evidence: Measured, settings: CanarySettings, attempt: int) -> FigureTrial:
        """The trial over what is measured, before its first case."""
        metrics, clusters, seed = evidence.metrics, evidence.clusters, evidence.seed
        return cls(order, metrics, settings, attempt=attempt, seed=seed, clusters=clusters)

    def add(self, figures: Mapping[MetricName, Figure]) -> Verdict | None:
        """Add the next case and return the verdict, if there is one; a metric that is not there is missing."""
        return self.trial.add(
            {
                key_of(setting): difference_of(setting, figures.get(setting.name, (None, None)))
                for setting in self.metrics
            }
        )

    def run(self, asked: Sequence[str], figures: Figures) -> FigureTrial:
        """Feed the cases `asked`, up to the verdict."""
        for case in asked:
            if self.add({name: own[case] for name, own in figures.items() if case in own}) is not None:
                break
        return self


def findings(
    running: FigureTrial, asked: Sequence[str], figures: Figures, settings: CanarySettings
) -> tuple[MetricFinding, ...]:
    """What was found of each metric, over the cases `asked`; the verdict rests on those that the trial has seen."""
    return tuple(_finding(running, setting, asked, figures, settings) for setting in running.metrics)


def _finding(
    running: FigureTrial, setting: MetricSetting, asked: Sequence[str], figures: Figures, settings: CanarySettings
) -> MetricFinding:
    test, trial = running.trial.metrics[key_of(setting)], running.trial
    known = measured(figures.get(setting.name, {}), asked)
    middle = median if setting.name in UNBOUNDED else fmean
    change, interval = _change(setting, _units(known, running.clusters), settings.alpha)
    return MetricFinding(
        setting=setting,
        title=title_of(setting, running.metrics),
        baseline=middle([before for before, _ in known.values()]) if known else None,
        candidate=middle([after for _, after in known.values()]) if known else None,
        change=change,
        interval=interval,
        measured=len(known),
        missing=len(asked) - len(known),
        worse=key_of(setting) in (*trial.worse, *trial.warned),
        shown=test.passed,
        spent=test.worse[0].spent,
        wealth=test.betting.most,
        beyond=sum((difference_of(setting, pair) or 0.0) < 0 for pair in known.values()),
        p_not_worse=test.at_full_n() if trial.seen == trial.units.cases else None,
    )


def measured(own: Mapping[str, Figure], asked: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The cases that have a figure on both sides."""
    found = {}
    for case in asked:
        before, after = own.get(case, (None, None))
        if before is not None and after is not None:
            found[case] = (before, after)
    return found


def _units(known: Mapping[str, tuple[float, float]], clusters: Mapping[str, str]) -> list[tuple[float, float, int]]:
    """Sums of both sides over the cases of each cluster, and their number."""
    sums: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for case, pair in known.items():
        sums["cluster" if case in clusters else "case", clusters.get(case, case)].append(pair)
    return [(math.fsum(b for b, _ in own), math.fsum(c for _, c in own), len(own)) for own in sums.values()]


def _change(
    setting: MetricSetting, units: Sequence[tuple[float, float, int]], alpha: float
) -> tuple[float | None, tuple[float, float] | None]:
    """The change from baseline to candidate, and its anytime-valid interval (None: too few to say anything)."""
    if not units:
        return None, None
    if setting.name in UNBOUNDED:
        values = [_ratio(b, c) if setting.relative else (c - b) / size for b, c, size in units]
        interval = typical_interval(values, confidence=1 - alpha)
        return median(values), interval if all(map(math.isfinite, interval)) else None
    most, total = max(size for *_, size in units), sum(size for *_, size in units)
    means = [max(-1.0, min(1.0, (c - b) / size)) for b, c, size in units]
    weights = [size / most for *_, size in units]
    change = math.fsum(c - b for b, c, _ in units) / total
    return change, betting_interval(means, confidence=1 - alpha, weights=weights)


def _ratio(before: float, after: float) -> float:
    if before > 0:
        return after / before
    return 1.0 if after == before else math.inf


def reason(running: FigureTrial, verdict: Verdict, found: Sequence[MetricFinding], settings: CanarySettings) -> str:
    """Why the verdict is what it is, in a sentence that names the metric."""
    trial = running.trial
    used = f"{trial.seen} of {trial.units.cases} cases"
    critical = [one for one in found if one.setting.critical]
    if verdict == "regress":
        told = [
            f"{_worse_words(one, trial)} (error spent {one.spent:.2g} of {settings.alpha:g})"
            for one in critical
            if one.worse
        ]
        return f"{'; '.join(told)} after {used}: beyond chance, however often one looks"
    if verdict == "pass":
        return f"shown to be not worse after {used}: {', '.join(map(margin_words, critical))}"
    most = max(critical, key=lambda one: one.missing)
    if verdict == "unmeasurable":
        return f"{most.title} could not be measured on both sides in {most.missing} cases, after {used}"
    if trial.seen < trial.units.cases:
        return f"stopped after {used}: nothing was shown by then"
    unshown = [one for one in critical if one.shown is None]
    if not trial.units.can_pass:
        return f"not worse beyond chance; {len(trial.units.clusters)} clusters are too few to show more"
    return f"not worse beyond chance, and not shown to be within its margin: {', '.join(map(margin_words, unshown))}"


def margin_words(found: MetricFinding) -> str:
    """`pass rate (by 5 points)`, `cost (by 10%)`, `latency (by 0.5)`."""
    return f"{found.title} (by {margin_of(found.setting)})"


def margin_of(setting: MetricSetting) -> str:
    """`5 points`, `10%`, or the number in the metric's own unit."""
    if setting.name not in UNBOUNDED:
        return f"{100 * setting.margin:g} points"
    return f"{100 * setting.margin:g}%" if setting.relative else f"{setting.margin:g}"


def _worse_words(found: MetricFinding, trial: Trial) -> str:
    """What the trial has seen of a metric; what was on its way when it ended is not in it."""
    setting = found.setting
    seen = trial.metrics[key_of(setting)].measured
    if setting.name in UNBOUNDED:
        side = "above" if setting.worse == "increase" else "below"
        beyond = f"in {sum(room < 0 for room in seen)} of {len(seen)} cases"
        return f"{found.title} is more than {margin_of(setting)} {side} the baseline's {beyond}"
    way = "rose" if setting.worse == "increase" else "fell"
    return f"{found.title} {way} by {100 * abs(math.fsum(seen)) / max(len(seen), 1):.1f} points"


def settle(
    found: Sequence[MetricFinding], figures: Figures, asked: Sequence[str], level: float, *, unasked: int = 0
) -> str:
    """What would end an inconclusive canary, metric by metric: about how many more cases, by what was seen so far.

    `unasked` are those of the dataset before which it was stopped.
    A normal approximation of the tests at full N; it plans, and decides nothing.
    """
    told = []
    for one in found:
        if one.shown is None and one.setting.critical:
            known = measured(figures.get(one.setting.name, {}), asked)
            more = _more_cases(one.setting, list(known.values()), level)
            told.append(
                f"{one.title}: {further_cases(more, unasked) if more else 'a wider margin, or a better candidate'}"
            )
    return "; ".join(told)


def warnings(
    running: FigureTrial, found: Sequence[MetricFinding], attempt: int, settings: CanarySettings
) -> Iterator[str]:
    """What a reader has to know before believing it."""
    units = running.trial.units
    if not units.can_pass:
        few = f"{len(units.clusters)} clusters are too few for a PASS"
        yield f"{few}: it takes {FEWEST_CLUSTERS}, and the cases of one count once"
    elif units.clusters and max(units.clusters) > units.cases / 5:
        yield f"one cluster holds {max(units.clusters)} of {units.cases} cases, and weighs as much as they do"
    for one in found:
        if one.setting.critical:
            continue
        if one.worse:
            yield f"{_worse_words(one, running.trial)}: beyond chance, and not critical, so it stops nothing"
        elif one.missing > MOST_MISSING * (one.measured + one.missing):
            yield f"{one.title} could not be measured in {one.missing} of {one.measured + one.missing} cases"
    if attempt > 1:
        yield (
            f"this is attempt {attempt} at the same comparison: the error rate of alpha = {settings.alpha:g} holds for "
            f"the first only, so a pass may now err at most {pass_level(settings.alpha, attempt):.3g}"
        )


def _more_cases(setting: MetricSetting, known: Sequence[tuple[float, float]], level: float) -> int | None:
    differences = [difference for pair in known if (difference := difference_of(setting, pair)) is not None]
    if len(differences) < 2:
        return None
    own = level * (1 - ANYTIME_SHARE)
    if setting.name in UNBOUNDED:
        differences, margin = [1.0 if room >= 0 else -1.0 for room in differences], 0.0
        least = math.ceil(math.log2(1 / own))
    else:
        margin, least = setting.margin, pairs_for_no_flip(setting.margin, own)
    room = fmean(differences) + margin
    if room <= 0:
        return None
    wanted = max(least, ((z_value(own) + z_value(1 - _POWER)) * pstdev(differences) / room) ** 2)
    more = max(math.ceil(wanted) - len(known), len(known) // 10 + 1)
    return more if more < _MOST_CASES else None
