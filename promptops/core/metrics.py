"""What a canary compares: one figure of each case and side, by metric.

Metrics between 0 and 1 are compared by their mean difference; costs, seconds, tokens and characters have no bound, and
are compared case by case with the baseline's figure (see `MetricPlan.typical`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Final

from msgspec import Struct

from promptops.core.comparison import Comparison
from promptops.core.distance import measure
from promptops.core.statistics.metric import MetricPlan
from promptops.formats import UNBOUNDED, CanaryEvidence, CanarySettings, MetricName, MetricSetting, Worse
from promptops.models import Case, CaseResult, CheckResult, Judgement, Outcome

Figure = tuple[float | None, float | None]
"""What baseline and candidate have of a metric in one case; None: it could not be measured."""
Pairs = Mapping[str, tuple[Outcome, Outcome]]
Figures = Mapping[MetricName, Mapping[str, Figure]]
JUDGES: Final = ("judge",)
"""Labels of the checks whose verdict is the metric `judge`."""


class Measured(Struct, frozen=True):
    """What a canary by figures decides from: its metrics, the primary one first, their figures, clusters and seed."""

    metrics: tuple[MetricSetting, ...]
    figures: Figures
    clusters: Mapping[str, str]
    seed: int


class Metric(Struct, frozen=True):
    """`of` is the figure of one judged sample with a reply (None: it cannot be measured); `worse` the usual direction.

    `graded`: a single sample can be anything between 0 and 1. `margin` is the usual one, see `Guardrail`.
    """

    name: MetricName
    label: str
    worse: Worse | str
    margin: float | str
    of: Callable[[Judgement, Case], float | None]
    graded: bool = True


def metric_settings(settings: CanarySettings, *, samples: int) -> tuple[MetricSetting, ...]:
    """The metrics that a canary with `samples` (≥ 1) a case decides by, the primary one first."""
    primary = METRICS[settings.primary]
    worse: Worse = "increase" if primary.worse == "increase" else "decrease"
    graded = primary.graded or samples > 1
    found = [MetricSetting(name=primary.name, worse=worse, margin=settings.delta, graded=graded)]
    for name, guardrail in settings.guardrails.items():
        metric = METRICS[name]
        margin = metric.margin if guardrail.margin is None else guardrail.margin
        direction = guardrail.direction or metric.worse
        ways: tuple[Worse, ...] = ("increase", "decrease")
        found += [
            MetricSetting(
                name=name,
                worse=way,
                margin=float(margin[:-1]) / 100 if isinstance(margin, str) else margin,
                relative=isinstance(margin, str),
                graded=metric.graded or samples > 1,
                critical=guardrail.critical,
            )
            for way in ways
            if direction in (way, "either")
        ]
    return tuple(found)


def is_plain(settings: Sequence[MetricSetting], clusters: Mapping[str, str]) -> bool:
    """Whether outcomes alone decide: one sample a case, the pass rate, no clusters."""
    return len(settings) == 1 and settings[0].name == "pass_rate" and not settings[0].graded and not clusters


def decided_by(record: CanaryEvidence, settings: CanarySettings) -> bool:
    """Whether a canary decided by the metrics that `settings` name; how many samples it took is its own affair."""
    now = metric_settings(settings, samples=1)
    then = record.metrics or metric_settings(CanarySettings(alpha=record.alpha, delta=record.delta), samples=1)
    return [one.model_copy(update={"graded": True}) for one in then] == [
        one.model_copy(update={"graded": True}) for one in now
    ]


def plan_of(setting: MetricSetting) -> MetricPlan:
    """How the trial tests a metric."""
    typical = setting.name in UNBOUNDED
    margin = 0.5 if typical else setting.margin  # in the room already
    return MetricPlan(key_of(setting), margin, setting.graded, critical=setting.critical, typical=typical)


def key_of(setting: MetricSetting) -> str:
    """What tells two tests apart: a metric of which both directions are worse has two."""
    return f"{setting.name} {setting.worse}"


def title_of(setting: MetricSetting, among: Sequence[MetricSetting]) -> str:
    """`latency`; of a metric with two directions `length, up`."""
    label = METRICS[setting.name].label
    if sum(other.name == setting.name for other in among) == 1:
        return label
    return f"{label}, {'up' if setting.worse == 'increase' else 'down'}"


def difference_of(setting: MetricSetting, figure: Figure) -> float | None:
    """What the trial is fed for one case: candidate minus baseline, above 0 where that is better.

    For a metric without bounds it is the room below (or above) what the margin allows.
    """
    before, after = figure
    if before is None or after is None:
        return None
    if setting.name not in UNBOUNDED:
        return after - before if setting.worse == "decrease" else before - after
    if setting.worse == "increase":
        limit = before * (1 + setting.margin) if setting.relative else before + setting.margin
        return _room(limit, after)
    limit = before / (1 + setting.margin) if setting.relative else before - setting.margin
    return _room(after, limit)


def _room(high: float, low: float) -> float:
    """`high - low`; what is equal but for rounding has no room, and is not beyond."""
    return 0.0 if math.isclose(high, low, rel_tol=1e-9) else high - low


def figure_of(result: CaseResult, name: MetricName, case: Case, *, candidate: bool) -> float | None:
    """The mean of the metric over the samples of a case; None where one of them could not be measured.

    A check that raised on the candidate's output is no pass and scores nothing; on the baseline's, nothing was
    measured.
    """
    values = [_of_sample(judgement, name, case, candidate=candidate) for judgement in result.judgements]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return float(f"{fmean(known):.9g}")


def wrong_figures(
    metrics: Sequence[MetricSetting], figures: Figures, clusters: Mapping[str, str], pairs: Pairs
) -> list[str]:
    """What does not hold together in evidence that figures decide; nothing where outcomes alone do."""
    wrong = []
    if len({key_of(setting) for setting in metrics}) < len(metrics) or (metrics and not metrics[0].critical):
        wrong.append("names a metric twice, or a primary one that is not critical")
    if set(figures) != {setting.name for setting in metrics}:
        wrong.append("its figures are not those of its metrics")
    if cases := sorted({*clusters, *(case for own in figures.values() for case in own)} - set(pairs)):
        wrong.append(f"has figures or clusters of cases that it does not have: {', '.join(cases[:5])}")
    for setting in metrics:
        values = [value for pair in figures.get(setting.name, {}).values() for value in pair if value is not None]
        if not all(_possible(setting, value) for value in values):
            wrong.append(f"has figures of {setting.name} that cannot be")
    for case, figure in figures.get("pass_rate", {}).items():
        if case in pairs and not all(map(_agrees, pairs[case], figure)):
            wrong.append(f"its pass rate of {case} is not what its outcomes say")
    return wrong


def _possible(setting: MetricSetting, value: float) -> bool:
    if setting.name in UNBOUNDED:
        return value >= 0
    return 0 <= value <= 1 if setting.graded else value in (0, 1)


def _agrees(outcome: Outcome, rate: float | None) -> bool:
    """A case passes when all of its samples do."""
    return (rate == 1.0) == (outcome == "pass") and (outcome != "unmeasurable" or rate is None)


def _of_sample(judgement: Judgement, name: MetricName, case: Case, *, candidate: bool) -> float | None:
    if judgement.sample.reply is None or (judgement.outcome == "unmeasurable" and name in ("pass_rate", "score")):
        return None
    if judgement.outcome == "error" and name in ("pass_rate", "score"):
        return 0.0 if candidate else None
    return METRICS[name].of(judgement, case)


def _passed(judgement: Judgement, _: Case) -> float | None:
    return float(judgement.outcome == "pass")


def _score(judgement: Judgement, _: Case) -> float | None:
    decide = [check for check in judgement.checks if check.status != "advice"]
    return fmean(map(_score_of, decide)) if decide else None


def _score_of(check: CheckResult) -> float:
    return float(check.status == "pass") if check.score is None else min(1.0, max(0.0, check.score))


def _valid(judgement: Judgement, _: Case) -> float | None:
    return None if judgement.valid is None else float(judgement.valid)


def _first_valid(judgement: Judgement, _: Case) -> float | None:
    return None if judgement.first_valid is None else float(judgement.first_valid)


def _judged(judgement: Judgement, _: Case) -> float | None:
    checks = [check for check in judgement.checks if check.label in JUDGES]
    if not checks or any(check.status in ("error", "unmeasured", "advice") for check in checks):
        return None
    return fmean(map(_score_of, checks))


def _distance(judgement: Judgement, case: Case) -> float | None:
    if not case.has_expected:
        return None
    if judgement.valid is False:
        return 1.0
    return measure(case.expected, judgement.value, Comparison(subset=True)).value


def _cost(judgement: Judgement, _: Case) -> float | None:
    return judgement.sample.cost


def _latency(judgement: Judgement, _: Case) -> float | None:
    reply = judgement.sample.reply
    if reply is None or reply.batch or judgement.sample.source == "cached":
        return None
    return reply.latency


def _tokens(judgement: Judgement, _: Case) -> float | None:
    usage = judgement.sample.reply.usage if judgement.sample.reply is not None else None
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    return float(usage.input_tokens + usage.output_tokens)


def _length(judgement: Judgement, _: Case) -> float | None:
    return float(len(judgement.sample.reply.text)) if judgement.sample.reply is not None else None


_ALL = (
    Metric("pass_rate", "pass rate", "decrease", 0.05, _passed, graded=False),
    Metric("score", "score", "decrease", 0.05, _score),
    Metric("validation", "valid outputs", "decrease", 0.05, _valid, graded=False),
    Metric("first_pass", "valid at first", "decrease", 0.05, _first_valid, graded=False),
    Metric("distance", "distance", "increase", 0.05, _distance),
    Metric("judge", "judge", "decrease", 0.05, _judged),
    Metric("cost", "cost", "increase", "10%", _cost),
    Metric("latency", "latency", "increase", "20%", _latency),
    Metric("tokens", "tokens", "increase", "10%", _tokens),
    Metric("length", "length", "either", "25%", _length),
)
METRICS: Final[Mapping[MetricName, Metric]] = {metric.name: metric for metric in _ALL}
