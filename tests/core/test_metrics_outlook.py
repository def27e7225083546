"""What a suite can decide of each metric: against simulation of the canary's own tests."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from promptops.core.metrics import metric_settings
from promptops.core.metrics_outlook import MetricOutlook, metrics_outlook
from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from promptops.formats import CanarySettings

COST: Mapping[str, object] = {"guardrails": {"cost": {}}}


def outlook(
    settings: Mapping[str, object], cases: int, *, samples: int = 1, clusters: tuple[int, ...] = ()
) -> list[MetricOutlook]:
    metrics = metric_settings(CanarySettings.model_validate(settings), samples=samples)
    return metrics_outlook(metrics, cases, alpha=0.05, samples=samples, clusters=clusters)


def share_of(verdict: str, beyond: float, units: int, *, alpha: float = 0.05) -> float:
    rng, plan, rounds = random.Random(4), MetricPlan("cost", typical=True), 300
    found = 0
    for _ in range(rounds):
        trial = Trial([plan], units, alpha=alpha)
        while trial.verdict is None:
            trial.add({"cost": -1.0 if rng.random() < beyond else 1.0})
        found += trial.verdict == verdict
    return found / rounds


def test_a_typical_metric_is_found_and_passes_about_four_times_in_five() -> None:
    cost = outlook(COST, 120)[1]
    assert cost.finds is not None
    assert cost.passes is not None
    assert share_of("regress", cost.finds, 120, alpha=0.025) == pytest.approx(0.8, abs=0.08)
    assert share_of("pass", cost.passes, 120) == pytest.approx(0.8, abs=0.08)


def test_more_cases_find_less_and_let_more_pass() -> None:
    few, many = outlook(COST, 30), outlook(COST, 3000)
    assert few[0].finds > many[0].finds  # type: ignore[operator]
    assert few[1].finds > many[1].finds  # type: ignore[operator]
    assert few[1].passes < many[1].passes  # type: ignore[operator]


@pytest.mark.parametrize("units", [0, 1, 4])
def test_a_handful_of_cases_decides_nothing(units: int) -> None:
    rate, cost = outlook(COST, units)
    assert (rate.finds, cost.finds, cost.passes) == (None, None, None)


def test_several_samples_find_smaller_drops() -> None:
    once, thrice = (outlook({"primary": "pass_rate"}, 100, samples=samples)[0] for samples in (1, 3))
    assert thrice.finds < once.finds  # type: ignore[operator]


def test_few_clusters_never_pass() -> None:
    assert outlook(COST, 38, clusters=(2,) * 19)[1].passes is None
    assert outlook(COST, 40, clusters=(2,) * 20)[1].passes is not None
