"""Plans of metrics, and streams of their differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from promptops.models import Verdict

RATE = MetricPlan("pass rate")
SCORE = MetricPlan("score", graded=True)
COST = MetricPlan("cost", margin=0.1, typical=True)
"""What is added of it is the room below its limit."""


def run(trial: Trial, differences: Iterable[float | None]) -> Verdict | None:
    """Add the differences of the only metric, all of them, and return the verdict."""
    for difference in differences:
        trial.add({trial.primary.plan.name: difference})
    return trial.verdict


def decided(trial: Trial, differences: Mapping[str, float | None]) -> Verdict:
    """Add the same case again and again until there is a verdict."""
    while trial.verdict is None:
        trial.add(differences)
    return trial.verdict
