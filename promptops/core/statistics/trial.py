"""A whole trial of a candidate: several metrics, one verdict, looked at after every case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptops.core.statistics.holm import rejected_by_levels
from promptops.core.statistics.metric import MetricPlan, MetricTest, Units
from promptops.models import Verdict

MOST_MISSING = 0.1
"""The share of cases without a measurement beyond which nothing decided is UNMEASURABLE, not INCONCLUSIVE."""


class Trial:
    """Differences of all metrics in, case by case in the stored random order; a verdict out as soon as there is one.

    REGRESS: one of the critical metrics is worse, at family-wise error alpha over all of them (Holm, closed). It stops
    at once. Those that are not critical are a family of their own, with an alpha of their own: `warned`, not decided.
    PASS: every deciding metric is shown to be not worse by its margin; each has its own alpha, since all have to.
    INCONCLUSIVE, or UNMEASURABLE where too much is missing, only when all cases were added.

    H0 of REGRESS: both sides are exchangeable within each unit. H0 of PASS: a deciding metric is worse by its margin or
    more.
    Assumes: the order of cases does not depend on how they come out, and cases are added in that order, not in the
    order in which they were answered (what fails may take longer). The plan is fixed before the first.
    Guarantee: P(REGRESS | nothing changed) ≤ alpha and, for a metric that is worse by its margin or more,
    P(PASS) ≤ alpha: .2 alpha at any time by betting, the rest at full N by a test that keeps its level for every number
    of units (pass and fail: `exact_pairs`; scores and clusters: `bounded_mean`; `typical`: the sign test).
    Stopping for cost is valid at any case. Adding the same differences again gives the same verdict.
    Source: of each test where it stands; of the metrics together, `rejected_by_levels`.
    """

    def __init__(
        self,
        metrics: Sequence[MetricPlan],
        cases: int,
        *,
        alpha: float = 0.05,
        seed: int = 0,
        clusters: tuple[int, ...] = (),
        pass_alpha: float | None = None,
    ) -> None:
        """`pass_alpha` is what a PASS may spend, where that is not `alpha` (a later attempt has to show more)."""
        units, critical = Units(cases, clusters), sum(plan.critical for plan in metrics)
        if not metrics or not metrics[0].critical or len({plan.name for plan in metrics}) != len(metrics):
            raise ValueError("a trial has at least one metric, the first of them critical, and each its own name")
        self.units, self.alpha = units, alpha
        self.metrics = {
            plan.name: MetricTest(
                plan,
                units,
                tuple(alpha / size for size in range(1, 1 + (critical if plan.critical else len(metrics) - critical))),
                alpha=pass_alpha or alpha,
                seed=seed,
            )
            for plan in metrics
        }
        self.seen = 0
        self.worse: tuple[str, ...] = ()
        self.warned: tuple[str, ...] = ()
        self.verdict: Verdict | None = None

    def add(self, differences: Mapping[str, float | None]) -> Verdict | None:
        """Add the next case, the difference of each metric (None: not measured); returns the verdict if there is one.

        What is added after a verdict changes nothing, and neither does a case that raises `ValueError`: one with other
        metrics, or with a difference that is none (NaN, or out of bounds).
        """
        if self.verdict is not None:
            return self.verdict
        if set(differences) != set(self.metrics):
            raise ValueError(f"each case has a difference of each metric: {', '.join(self.metrics)}")
        for name, test in self.metrics.items():
            test.check(differences[name])
        for name, test in self.metrics.items():
            test.add(differences[name])
        self.seen += 1
        self.verdict = self._look()
        return self.verdict

    @property
    def primary(self) -> MetricTest:
        """The metric named first."""
        return next(iter(self.metrics.values()))

    @property
    def improved(self) -> bool:
        """Whether the primary metric is shown to be better, by the mirrored test of "is it worse?"."""
        return self.primary.improved

    @property
    def deciding(self) -> list[MetricTest]:
        """The metrics that have to PASS."""
        return [metric for metric in self.metrics.values() if metric.plan.deciding and metric.plan.critical]

    @property
    def missing(self) -> int:
        """How many of the cases added so far lack a measurement of a metric that has to pass: of the one with most."""
        return max((self.seen - len(metric.measured) for metric in (self.primary, *self.deciding)), default=0)

    def _look(self) -> Verdict | None:
        self.worse, self.warned = self._rejected(critical=True), self._rejected(critical=False)
        if self.worse:
            return "regress"
        deciding = self.deciding
        if deciding and all(metric.passed for metric in deciding):
            return "pass"
        return self._last_look(deciding) if self.seen == self.units.cases else None

    def _rejected(self, *, critical: bool) -> tuple[str, ...]:
        family = [metric for metric in self.metrics.values() if metric.plan.critical == critical]
        rejected = rejected_by_levels([[test.stopped for test in metric.worse] for metric in family])
        return tuple(metric.plan.name for metric, found in zip(family, rejected, strict=True) if found)

    def _last_look(self, deciding: Sequence[MetricTest]) -> Verdict:
        if self.missing == self.seen:
            return "unmeasurable"
        for metric in deciding:
            metric.finish()
        for metric in self.metrics.values():
            if not metric.plan.critical:
                metric.finish()
        if deciding and all(metric.passed for metric in deciding):
            return "pass"
        return "unmeasurable" if self.missing > MOST_MISSING * self.seen else "inconclusive"
