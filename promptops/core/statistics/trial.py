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

    REGRESS: one of the metrics is worse, at family-wise error alpha over all of them (Holm, closed). It stops at once.
    PASS: every deciding metric is shown to be not worse by its margin; each has its own alpha, since all have to.
    INCONCLUSIVE, or UNMEASURABLE where too much is missing, only when all cases were added.

    Assumes: the order of cases does not depend on how they come out, and cases are added in that order, not in the
    order in which they were answered (what fails may take longer). The plan is fixed before the first.
    Guarantee: P(REGRESS | nothing changed) ≤ alpha and, for a metric that is worse by its margin or more,
    P(PASS) ≤ alpha: .2 alpha at any time by betting, .8 alpha at full N (Tango's test keeps its level asymptotically,
    `docs/proof/pass.md` has its exact size; the test for scores keeps it always).
    Stopping for cost is valid at any case. Adding the same differences again gives the same verdict.
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
        units, total = Units(cases, clusters), len(metrics)
        if not metrics or len({plan.name for plan in metrics}) != total:
            raise ValueError("a trial has at least one metric, and each its own name")
        levels = tuple(alpha / size for size in range(1, total + 1))
        self.units, self.alpha = units, alpha
        self.metrics = {
            plan.name: MetricTest(plan, units, levels, alpha=pass_alpha or alpha, seed=seed) for plan in metrics
        }
        self.seen = 0
        self.worse: tuple[str, ...] = ()
        self.verdict: Verdict | None = None

    def add(self, differences: Mapping[str, float | None]) -> Verdict | None:
        """Add the next case, the difference of each metric (None: not measured); returns the verdict if there is one.

        What is added after a verdict changes nothing.
        """
        if self.verdict is not None:
            return self.verdict
        if set(differences) != set(self.metrics):
            raise ValueError(f"each case has a difference of each metric: {', '.join(self.metrics)}")
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
    def missing(self) -> int:
        """How many of the cases added so far lack a measurement of the primary metric."""
        return self.seen - len(self.primary.measured)

    def _look(self) -> Verdict | None:
        tests = list(self.metrics.values())
        rejected = rejected_by_levels([[test.stopped for test in metric.worse] for metric in tests])
        self.worse = tuple(metric.plan.name for metric, found in zip(tests, rejected, strict=True) if found)
        if self.worse:
            return "regress"
        deciding = [metric for metric in tests if metric.plan.deciding]
        if deciding and all(metric.passed for metric in deciding):
            return "pass"
        return self._last_look(deciding) if self.seen == self.units.cases else None

    def _last_look(self, deciding: Sequence[MetricTest]) -> Verdict:
        if self.missing == self.seen:
            return "unmeasurable"
        for metric in deciding:
            metric.finish()
        if deciding and all(metric.passed for metric in deciding):
            return "pass"
        return "unmeasurable" if self.missing > MOST_MISSING * self.seen else "inconclusive"
