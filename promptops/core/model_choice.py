"""Which model is enough: the cheapest that is shown to be not worse than the current one, and the Pareto set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.model_figures import Figures
from promptops.core.statistics.against import Against, Plan, Scores, stand_against
from promptops.core.statistics.clustered_rate import clustered_interval
from promptops.models import Verdict

CONFIDENCE = 0.95


class Model(Struct, frozen=True):
    """One model as it came out: its scores in the order of the comparison, and its figures.

    `problem` says why it was not asked (empty: it was), `hint` what mends that; then it has neither.
    """

    pin: str
    scores: Scores = ()
    figures: Figures | None = None
    problem: str = ""
    hint: str = ""


class Row(Struct, frozen=True):
    """One model in the comparison.

    `quality` is the mean over `measured` cases of the share of samples that passed, with its 95 % `interval`;
    `against` compares it with the current model (None: it is that one, or was not asked). On the Pareto set
    (`pareto`) no other model is as good or better for as much or less, by what was measured: a model whose quality or
    cost is not known is not on it.
    """

    model: Model
    current: bool
    quality: float | None
    interval: tuple[float, float] | None
    measured: int
    against: Against | None = None
    pareto: bool = False

    @property
    def pin(self) -> str:
        return self.model.pin

    @property
    def cost(self) -> float | None:
        """US dollars for 1,000 requests; None where a price is unknown."""
        return self.model.figures.cost_per_1000 if self.model.figures else None

    @property
    def enough(self) -> bool:
        """Whether it may be taken: the current model, or one that is shown to be not worse."""
        return (
            self.quality is not None if self.current else self.against is not None and self.against.shown == "not worse"
        )


class Open(Struct, frozen=True):
    """A model that could still be a cheaper answer, and `why` in words."""

    pin: str
    why: str


class Choice(Struct, frozen=True):
    """A whole comparison: `rows` from the cheapest to the dearest (unknown costs last, then what was not measured).

    `enough` is the pin of the cheapest model that may be taken; None where the current one was not measured, or no
    cost is known. `open` are the models that could still be a cheaper answer, with the reason; `unmeasured` the pins
    that could not be measured. `plan` has margin, alpha and N; the claims rest on the first `asked` cases.
    """

    rows: tuple[Row, ...]
    plan: Plan
    asked: int
    enough: str | None
    open: tuple[Open, ...]
    unmeasured: tuple[str, ...]

    @property
    def current(self) -> Row:
        return next(row for row in self.rows if row.current)

    @property
    def verdict(self) -> Verdict:
        """`pass` where the question is answered; `inconclusive` where another model could be a cheaper answer;
        `unmeasurable` where a model that was named, or the current one, could not be measured.
        """
        return "unmeasurable" if self.unmeasured else "inconclusive" if self.open else "pass"


def choose_model(current: Model, others: Sequence[Model], plan: Plan) -> Choice:
    """Compare `others` with `current`; their scores are of the same first cases of the plan.

    Candidates that were asked share the error (see `core.statistics.against`), whether or not they answered; those with
    a `problem` were never tested and take no share of it.
    """
    asked = len(current.scores)
    tested = {model.pin: model.scores for model in others if not model.problem}
    against = stand_against(current.scores, tested, plan)
    rows = [_row(current, plan, current=True)]
    rows += [_row(model, plan, against=against.get(model.pin)) for model in others]
    rows = _with_pareto(rows)
    enough = _cheapest([row for row in rows if row.enough])
    return Choice(
        rows=tuple(sorted(rows, key=_place)),
        plan=plan,
        asked=asked,
        enough=enough.pin if enough else None,
        open=tuple(Open(row.pin, why) for row in rows if (why := _why_open(row, enough))),
        unmeasured=tuple(row.pin for row in rows if _is_unmeasured(row)),
    )


def _row(model: Model, plan: Plan, *, against: Against | None = None, current: bool = False) -> Row:
    shares = [score for score in model.scores if score is not None]
    interval = clustered_interval(shares, plan.samples, confidence=CONFIDENCE) if shares else None
    return Row(model, current, fmean(shares) if shares else None, interval, len(shares), against)


def _with_pareto(rows: Sequence[Row]) -> list[Row]:
    points = {row.pin: point for row in rows if (point := _point(row)) is not None}
    return [replace(row, pareto=row.pin in points and not _dominated(points[row.pin], points.values())) for row in rows]


def _point(row: Row) -> tuple[float, float] | None:
    return None if row.cost is None or row.quality is None else (row.cost, row.quality)


def _dominated(point: tuple[float, float], points: Iterable[tuple[float, float]]) -> bool:
    cost, quality = point
    return any(c <= cost and q >= quality and (c < cost or q > quality) for c, q in points)


def _cheapest(rows: Sequence[Row]) -> Row | None:
    """The current model where no other is cheaper: nobody changes for nothing."""
    priced = [row for row in rows if row.cost is not None]
    return min(priced, key=lambda row: (row.cost or 0.0, not row.current, row.pin)) if priced else None


def _why_open(row: Row, enough: Row | None) -> str:
    """An unknown price may be the lowest of all; empty where a model cannot be a cheaper answer."""
    shown = row.against.shown if row.against else ""
    if shown not in ("undecided", "not worse"):
        return ""
    if row.cost is None:
        return f"{shown}, and its price is not known"
    if shown == "undecided" and (enough is None or enough.cost is None or row.cost < enough.cost):
        return "cheaper, and undecided"
    return ""


def _is_unmeasured(row: Row) -> bool:
    if row.current:
        return row.quality is None
    return row.against is None or row.against.shown == "unmeasurable"


def _place(row: Row) -> tuple[bool, bool, float, str]:
    """From the cheapest to the dearest; what was not measured comes last, before it what has no known cost."""
    return row.quality is None, row.cost is None, row.cost or 0.0, row.pin
