"""Which model is enough: choice, Pareto set and verdict as tables."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from promptops.core.model_choice import Choice, Model, choose_model
from promptops.core.model_figures import Figures
from promptops.core.statistics.against import Plan

CASES = 100
FIGURES = Figures(CASES, CASES, 1.0, 0.2, 0.5, 1.0, "live", 0, 0, 0, 0, 1, 1)


def model(pin: str, failed: int, cost: float | None) -> Model:
    scores = [0.0] * failed + [1.0] * (CASES - failed)
    return Model(pin, scores, replace(FIGURES, cost_per_1000=cost))


def chosen(*others: Model, current: Model | None = None) -> Choice:
    return choose_model(current or model("now", 0, 10.0), others, Plan(CASES))


def silent(pin: str) -> Model:
    return Model(pin, [None] * CASES, replace(FIGURES, answered=0, cost_per_1000=None, p50=None, p95=None))


REFUSED = Model("refused", problem="does not take temperature", hint="drop it")


@pytest.mark.parametrize(
    ("others", "enough", "verdict"),
    [
        ([model("a", 0, 1.0)], "a", "pass"),
        ([model("a", 0, 1.0), model("b", 0, 0.5)], "b", "pass"),
        ([model("a", 0, 1.0), model("bad", 50, 0.1)], "a", "pass"),
        ([model("bad", 50, 0.1)], "now", "pass"),
        ([model("a", 0, 20.0)], "now", "pass"),
        ([model("a", 0, 10.0)], "now", "pass"),
        ([model("unsure", 3, 0.1)], "now", "inconclusive"),
        ([model("unsure", 3, 0.5), model("a", 0, 1.0)], "a", "inconclusive"),
        ([model("unsure", 3, 2.0), model("a", 0, 1.0)], "a", "pass"),
        ([model("unsure", 3, None), model("a", 0, 1.0)], "a", "inconclusive"),
        ([model("bad", 50, None), model("a", 0, 1.0)], "a", "pass"),
        ([model("unpriced", 0, None)], "now", "inconclusive"),
        ([model("a", 0, 1.0), silent("down")], "a", "unmeasurable"),
        ([model("a", 0, 1.0), REFUSED], "a", "unmeasurable"),
        ([silent("down")], "now", "unmeasurable"),
    ],
)
def test_the_cheapest_that_is_shown_to_be_not_worse_is_enough(others: list[Model], enough: str, verdict: str) -> None:
    found = chosen(*others)
    assert (found.enough, found.verdict) == (enough, verdict)


def test_without_the_current_model_nothing_can_be_said() -> None:
    found = chosen(model("a", 0, 1.0), current=silent("now"))
    assert (found.enough, found.verdict, set(found.unmeasured)) == (None, "unmeasurable", {"now", "a"})


def test_where_no_price_is_known_nothing_is_the_cheapest() -> None:
    found = chosen(model("a", 0, None), current=model("now", 0, None))
    assert (found.enough, found.verdict) == (None, "inconclusive")
    assert [(model.pin, model.why) for model in found.open] == [("a", "not worse, and its price is not known")]
    assert not any(row.pareto for row in found.rows)


def test_a_known_price_is_taken_where_the_current_one_is_unknown() -> None:
    assert chosen(model("a", 0, 5.0), current=model("now", 0, None)).enough == "a"


@pytest.mark.parametrize(
    ("points", "pareto"),
    [
        ({"a": (50, 1.0), "b": (60, 2.0)}, {"a", "now"}),
        ({"a": (50, 1.0), "b": (40, 2.0)}, {"a", "b", "now"}),
        ({"a": (50, 1.0), "b": (50, 1.0)}, {"a", "b", "now"}),
        ({"a": (0, 1.0)}, {"a"}),
        ({"a": (0, 10.0)}, {"a", "now"}),
        ({"a": (0, None)}, {"now"}),
    ],
)
def test_the_pareto_set_is_what_nothing_beats_in_both(
    points: dict[str, tuple[int, float | None]], pareto: set[str]
) -> None:
    found = chosen(*(model(pin, failed, cost) for pin, (failed, cost) in points.items()))
    assert {row.pin for row in found.rows if row.pareto} == pareto


def test_rows_go_from_the_cheapest_to_the_dearest_with_the_unknown_last() -> None:
    found = chosen(model("unpriced", 0, None), silent("down"), model("z", 0, 1.0), model("a", 0, 20.0))
    assert [row.pin for row in found.rows] == ["z", "now", "a", "unpriced", "down"]


def test_a_model_that_was_never_asked_takes_no_share_of_the_error() -> None:
    with_refused = chosen(model("a", 0, 1.0), REFUSED)
    row = next(row for row in with_refused.rows if row.pin == "a")
    alone = next(row for row in chosen(model("a", 0, 1.0)).rows if row.pin == "a")
    assert row.against == alone.against
