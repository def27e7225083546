"""How often "the cheapest that is shown to be not worse" is wrong, by four rules: comparisons of several models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from statistics import NormalDist

from msgspec import Struct

from promptops.core.statistics.against import Plan, p_not_worse
from promptops.core.statistics.holm import holm
from proof.rates import Rate, shown, table
from proof.tasks import Task

ALPHA = MARGIN = 0.05
ROUNDS = 800
Claims = Sequence[bool]


class Truth(Struct, frozen=True):
    """Models from the cheapest to the dearest: how much lower the pass rate of each is than the current one's.

    `alike` is how much of what makes a case hard is the same for all of them (0: nothing, 1: everything).
    """

    name: str
    drops: tuple[float, ...]
    alike: float = 0.5
    rate: float = 0.95
    cases: int = 300
    samples: int = 1

    @property
    def wrong(self) -> list[bool]:
        """Of which models "not worse" is a false claim."""
        return [drop >= MARGIN for drop in self.drops]

    @property
    def best(self) -> int | None:
        """The place of the cheapest model that is as good as the current one."""
        return next((place for place, drop in enumerate(self.drops) if drop <= 0), None)


WORSE = tuple(
    Truth(f"{models} worse by the margin, {how}", (MARGIN,) * models, alike, rate=0.9, cases=200, samples=k)
    for models, alike, how, k in (
        (1, 0.5, "alone", 1),
        (5, 0.0, "unlike", 1),
        (5, 0.5, "half alike", 1),
        (5, 0.95, "alike", 1),
        (10, 0.5, "half alike", 1),
        (5, 0.5, "half alike, 3 samples a case", 3),
    )
)
MIXED = (
    Truth("the cheaper the worse: -30, -10, -5, 0, 0", (0.3, 0.1, 0.05, 0.0, 0.0)),
    Truth("a dear bad one: -30, -5, 0, 0, -20", (0.3, 0.05, 0.0, 0.0, 0.2)),
    Truth("a cheap good one: 0, -5, -5, -5, -5", (0.0, 0.05, 0.05, 0.05, 0.05)),
    Truth("all as good: 0, 0, 0, 0, 0", (0.0,) * 5),
)


class Cell(Struct):
    """What each rule came to: comparisons with a false claim, and those whose answer was the best model."""

    truth: Truth
    rounds: int
    false: dict[str, Rate]
    found: dict[str, Rate]


def cells(*, quick: bool) -> Iterator[Task]:
    for truth in (WORSE[0], MIXED[0]) if quick else (*WORSE, *MIXED):
        yield Task(f"which model is enough: {truth.name}", simulate, (truth, 20 if quick else ROUNDS))


def goals(found: Sequence[Cell]) -> Iterator[tuple[str, str, str, bool]]:
    """What was promised of comparisons."""
    if found:
        rates = [cell.false["Holm"] for cell in found]
        loud, fine = max(rates, key=lambda rate: rate.low), all(rate.within(ALPHA) for rate in rates)
        yield (
            f"a false 'not worse' in a comparison, {len(rates)} cells",
            "lower 99 % limit ≤ .05",
            f"at most {loud}",
            fine,
        )


def uncorrected(p_values: Sequence[float]) -> Claims:
    return [p <= ALPHA for p in p_values]


def by_holm(p_values: Sequence[float]) -> Claims:
    return [p <= ALPHA for p in holm(p_values)]


def from_the_cheapest(p_values: Sequence[float]) -> Claims:
    """A fixed sequence at the whole alpha each: it ends at the first that is not shown."""
    stop = next((place for place, p in enumerate(p_values) if p > ALPHA), len(p_values))
    return [place < stop for place in range(len(p_values))]


def from_the_dearest(p_values: Sequence[float]) -> Claims:
    return from_the_cheapest(p_values[::-1])[::-1]


RULES: Mapping[str, Callable[[Sequence[float]], Claims]] = {
    "uncorrected": uncorrected,
    "Holm": by_holm,
    "dearest first": from_the_dearest,
    "cheapest first": from_the_cheapest,
}


def simulate(truth: Truth, rounds: int) -> Cell:
    """Whole comparisons, each judged by every rule."""
    rng, wrong = Random(f"choosing {truth.name}"), truth.wrong
    false, found = dict.fromkeys(RULES, 0), dict.fromkeys(RULES, 0)
    for _ in range(rounds):
        p_values = single(draw(truth, rng), truth)
        for rule, claims_of in RULES.items():
            claims = claims_of(p_values)
            false[rule] += any(claim and bad for claim, bad in zip(claims, wrong, strict=True))
            answer = next((place for place, claim in enumerate(claims) if claim), None)
            found[rule] += answer is not None and answer == truth.best
    return Cell(
        truth,
        rounds,
        {rule: Rate(count, rounds) for rule, count in false.items()},
        {rule: Rate(count, rounds) for rule, count in found.items()},
    )


def single(scores: Sequence[Sequence[float]], truth: Truth) -> list[float]:
    """The p value of each model alone; the current one comes first."""
    current, *others = scores
    plan = Plan(truth.cases, MARGIN, ALPHA, truth.samples)
    pairs = [[after - before for before, after in zip(current, side, strict=True)] for side in others]
    return [p_not_worse(differences, plan, candidates=len(others)) for differences in pairs]


def draw(truth: Truth, rng: Random) -> list[list[float]]:
    """The scores of all models, the current one first: a case is passed where it is not too hard for the model."""
    shared, own = math.sqrt(truth.alike), math.sqrt(1 - truth.alike)
    limits = [NormalDist().inv_cdf(min(1 - 1e-9, max(1e-9, truth.rate - drop))) for drop in (0.0, *truth.drops)]
    scores: list[list[float]] = [[] for _ in limits]
    for _ in range(truth.cases):
        hard = shared * rng.gauss(0, 1)
        for side, limit in zip(scores, limits, strict=True):
            passed = sum(hard + own * rng.gauss(0, 1) < limit for _ in range(truth.samples))
            side.append(passed / truth.samples)
    return scores


def page(cells: Sequence[Cell]) -> str:
    """The page of the proof, in Markdown."""
    rounds = max(cell.rounds for cell in cells)
    worse = [cell for cell in cells if not any(drop < MARGIN for drop in cell.truth.drops)]
    mixed = [cell for cell in cells if cell not in worse]
    rules = list(RULES)
    false = [
        [cell.truth.name, cell.truth.cases, *(shown(cell.false[rule].value) for rule in rules), _range(cell)]
        for cell in (*worse, *mixed)
    ]
    found = [[cell.truth.name, cell.truth.cases, *(shown(cell.found[rule].value) for rule in rules)] for cell in mixed]
    return "\n".join(
        [
            "# Which model is enough: how often is the answer wrong?",
            "",
            f"Whole comparisons, {rounds:,} a row, by the tests of `promptops compare`:",
            f"margin {100 * MARGIN:g} points, alpha {ALPHA:g}. [Why Holm](../compare.md).",
            "",
            "## At least one model is called not worse that is worse by the margin or more",
            "",
            table(["truth, from the cheapest to the dearest", "cases", *rules, "Holm, 99 % limits"], false),
            "## The answer is the cheapest model that is as good",
            "",
            table(["truth, from the cheapest to the dearest", "cases", *rules], found),
        ]
    )


def _range(cell: Cell) -> str:
    rate = cell.false["Holm"]
    return f"{shown(rate.low)} to {shown(rate.high)}"
