"""The figures of a canary: what each metric is of a case, and how two of them are compared."""

from __future__ import annotations

import pytest

from promptops.core.metrics import (
    METRICS,
    difference_of,
    figure_of,
    is_plain,
    metric_settings,
    title_of,
    wrong_figures,
)
from promptops.core.plan import case_order, cluster_sizes, clustered_order
from promptops.formats import CanarySettings, MetricName, MetricSetting
from promptops.models import Case, CaseResult, CheckResult, Failure, Judgement, Reply, Sample, SampleKey, Turn, Usage

CASE = Case("c1", {}, {"a": 1, "b": 2}, has_expected=True)


def sample(text: str = "{}", **more: object) -> Sample:
    reply = Reply(text, usage=Usage(10, 20), latency=0.5)
    fields: dict[str, object] = {"reply": reply, "cost": 0.25, **more}
    return Sample(SampleKey("p", "v1", "a/b", "c1"), "", **fields)  # type: ignore[arg-type]


PASSED = Judgement(sample(), "pass", {"a": 1, "b": 2}, valid=True, checks=(CheckResult("matches", "pass", score=1.0),))
HALF = Judgement(
    sample("abc"),
    "fail",
    {"a": 1, "b": 3},
    valid=True,
    checks=(CheckResult("matches", "fail", score=0.5), CheckResult("schema", "pass")),
)
INVALID = Judgement(sample("no"), "fail", None, valid=False, checks=(CheckResult("schema", "fail"),))
ASKED_AGAIN = Judgement(sample(earlier=(Turn("no", ("it is no JSON",), "sha256:1"),)), "pass", {}, valid=True)
RAISED = Judgement(sample(), "error", {}, valid=True, checks=(CheckResult("python", "error"),))
DOWN = Judgement(sample(reply=None, cost=None, failure=Failure("timeout", "late")), "unmeasurable")
COPY = Judgement(sample(source="cached"), "pass", {}, valid=True, checks=(CheckResult("schema", "pass"),))


@pytest.mark.parametrize(
    ("judgements", "metric", "baseline", "candidate"),
    [
        ([PASSED], "pass_rate", 1.0, 1.0),
        ([PASSED, HALF, INVALID], "pass_rate", 0.333333333, 0.333333333),
        ([PASSED, RAISED], "pass_rate", None, 0.5),
        ([PASSED, DOWN], "pass_rate", None, None),
        ([HALF], "score", 0.75, 0.75),
        ([RAISED], "score", None, 0.0),
        ([INVALID], "score", 0.0, 0.0),
        ([PASSED, INVALID], "validation", 0.5, 0.5),
        ([PASSED, ASKED_AGAIN], "validation", 1.0, 1.0),
        ([PASSED, ASKED_AGAIN, INVALID], "first_pass", 0.333333333, 0.333333333),
        ([PASSED], "distance", 0.0, 0.0),
        ([HALF], "distance", 0.5, 0.5),
        ([INVALID], "distance", 1.0, 1.0),
        ([PASSED], "judge", None, None),
        ([PASSED, HALF], "cost", 0.25, 0.25),
        ([PASSED], "latency", 0.5, 0.5),
        ([COPY], "latency", None, None),
        ([PASSED], "tokens", 30.0, 30.0),
        ([PASSED, HALF], "length", 2.5, 2.5),
        ([DOWN], "length", None, None),
    ],
)
def test_the_figure_of_a_case(
    judgements: list[Judgement], metric: MetricName, baseline: float | None, candidate: float | None
) -> None:
    result = CaseResult("c1", tuple(judgements))
    assert figure_of(result, metric, CASE, candidate=False) == baseline
    assert figure_of(result, metric, CASE, candidate=True) == candidate


def setting(name: MetricName, worse: str, margin: float, *, relative: bool = False) -> MetricSetting:
    return MetricSetting.model_validate({"name": name, "worse": worse, "margin": margin, "relative": relative})


@pytest.mark.parametrize(
    ("metric", "figure", "difference"),
    [
        (setting("pass_rate", "decrease", 0.05), (1.0, 0.0), -1.0),
        (setting("distance", "increase", 0.05), (0.25, 0.5), -0.25),
        (setting("cost", "increase", 0.1, relative=True), (1.0, 1.1), 0.0),
        (setting("cost", "increase", 0.1, relative=True), (70.0, 77.0), 0.0),
        (setting("cost", "increase", 0.5, relative=True), (0.0, 0.0), 0.0),
        (setting("cost", "increase", 0.5, relative=True), (0.0, 1.0), -1.0),
        (setting("latency", "increase", 0.5), (1.0, 2.0), -0.5),
        (setting("length", "decrease", 1.0, relative=True), (100.0, 40.0), -10.0),
        (setting("length", "decrease", 10.0), (100.0, 95.0), 5.0),
        (setting("length", "decrease", 10.0), (None, 95.0), None),
    ],
)
def test_two_figures_are_compared_in_the_direction_that_is_better(
    metric: MetricSetting, figure: tuple[float | None, float | None], difference: float | None
) -> None:
    assert difference_of(metric, figure) == (pytest.approx(difference) if difference is not None else None)


def test_prompt_yaml_gives_the_metrics_in_order_with_their_usual_margins() -> None:
    settings = CanarySettings.model_validate(
        {"guardrails": {"cost": {}, "length": {"margin": "50%"}, "latency": {"margin": 0.5, "critical": False}}}
    )
    found = metric_settings(settings, samples=1)
    assert [(one.name, one.worse, one.margin, one.relative, one.critical) for one in found] == [
        ("pass_rate", "decrease", 0.05, False, True),
        ("cost", "increase", 0.1, True, True),
        ("length", "increase", 0.5, True, True),
        ("length", "decrease", 0.5, True, True),
        ("latency", "increase", 0.5, False, False),
    ]
    assert [title_of(one, found) for one in found][2:4] == ["length, up", "length, down"]


def test_one_sample_a_case_and_the_pass_rate_alone_are_plain() -> None:
    assert is_plain(metric_settings(CanarySettings(), samples=1), {})
    assert not is_plain(metric_settings(CanarySettings(), samples=3), {})
    assert not is_plain(metric_settings(CanarySettings(), samples=1), {"c1": "x"})
    assert not is_plain(metric_settings(CanarySettings(primary="score"), samples=1), {})


def test_every_metric_that_a_file_can_name_is_there() -> None:
    names = MetricName.__args__  # type: ignore[attr-defined]
    assert set(METRICS) == set(names)


def test_cases_of_a_cluster_stand_together_and_the_clusters_in_the_order_of_the_seed() -> None:
    cases = [f"c{number}" for number in range(30)]
    clusters = {case: f"d{number // 5}" for number, case in enumerate(cases) if number < 20}
    order = clustered_order(cases, clusters, 3)
    assert sorted(order) == sorted(cases)
    assert sorted(cluster_sizes(order, clusters)) == [1] * 10 + [5] * 4
    assert order != clustered_order(cases, clusters, 4)
    assert order == clustered_order(cases[::-1], clusters, 3)
    assert clustered_order(cases, {}, 3) == case_order(cases, 3)
    assert cluster_sizes(order, {}) == ()


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"pass_rate": {"c1": (1.0, 1.0)}}, ""),
        ({"pass_rate": {"c1": (1.0, 0.5)}}, "cannot be"),
        ({"pass_rate": {"c1": (1.0, 0.0)}}, "is not what its outcomes say"),
        ({"pass_rate": {"c1": (1.0, None)}}, "is not what its outcomes say"),
        ({"pass_rate": {"c2": (1.0, 1.0)}}, "of cases that it does not have: c2"),
        ({}, "not those of its metrics"),
    ],
)
def test_figures_that_cannot_be_are_found(figures: dict[MetricName, dict[str, object]], told: str) -> None:
    metrics = metric_settings(CanarySettings(), samples=1)
    found = wrong_figures(metrics, figures, {}, {"c1": ("pass", "pass")})  # type: ignore[arg-type]
    assert told in " ".join(found)
    assert bool(found) == bool(told)
