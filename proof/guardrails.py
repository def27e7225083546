"""Canaries with guardrails: false REGRESS of the whole family, and false PASS of the typical case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log1p
from random import Random

from promptops.core.metrics import Figure, difference_of, key_of, metric_settings, plan_of
from promptops.core.statistics.betting import ANYTIME_SHARE, BETS
from promptops.core.statistics.trial import Trial
from promptops.core.stats import fair_coin_tail
from promptops.formats import CanarySettings, MetricName
from proof.rates import Rate, table
from proof.tasks import Task

ALPHA = 0.05
CaseFigures = Mapping[MetricName, Figure]


@dataclass(frozen=True, slots=True)
class Setup:
    """A canary as prompt.yaml has it, with so many samples a case; `size` cases make a cluster that comes out alike.

    `sizes` are the numbers of cases it is simulated with.
    """

    name: str
    guardrails: Mapping[str, Mapping[str, object]]
    samples: int = 1
    size: int = 1
    sizes: tuple[int, ...] = (50,)


@dataclass(frozen=True, slots=True)
class Cell:
    """False REGRESS of one setup, `tests` in the family."""

    setup: str
    cases: int
    tests: int
    false: Rate

    @property
    def fine(self) -> bool:
        """Whether it does not contradict alpha."""
        return self.false.within(ALPHA)


@dataclass(frozen=True, slots=True)
class Typical:
    """The exact chance of a false PASS where half of the cases are beyond the margin: by betting, and in all."""

    cases: int
    anytime: float
    total: float


_TIGHT = {"margin": "1%"}
SETUPS = (
    Setup("cost, margin 1%", {"cost": _TIGHT}, sizes=(50, 200)),
    Setup("cost, margin 10%", {"cost": {"margin": "10%"}}, sizes=(50, 200)),
    Setup(
        "valid outputs, cost, latency, tokens, length both ways",
        {"validation": {}, "cost": _TIGHT, "latency": _TIGHT, "tokens": _TIGHT, "length": _TIGHT},
    ),
    Setup("3 samples, cost", {"cost": _TIGHT}, samples=3),
    Setup("clusters of 5, latency", {"latency": _TIGHT}, size=5),
)


def cells(*, quick: bool) -> Iterator[Task]:
    for setup in SETUPS:
        for cases in (40,) if quick else setup.sizes:
            name = f"false REGRESS with guardrails: {setup.name}, {cases} cases"
            yield Task(name, cell, (setup, cases, 100 if quick else 2000))


def cell(setup: Setup, cases: int, rounds: int) -> Cell:
    """Nothing changed: each case's two sides are exchangeable, and one cost in thirty is a thousand times as large."""
    rng, alarms = Random(f"metrics {setup.name} {cases}"), 0
    settings = CanarySettings.model_validate({"guardrails": setup.guardrails})
    metrics = metric_settings(settings, samples=setup.samples)
    clusters = (setup.size,) * (cases // setup.size) if setup.size > 1 else ()
    for seed in range(rounds):
        trial = Trial([plan_of(one) for one in metrics], cases, alpha=ALPHA, seed=seed, clusters=clusters)
        figures: CaseFigures = {}
        while trial.verdict is None:
            if trial.seen % setup.size == 0:
                figures = equal(rng, setup)
            trial.add({key_of(one): difference_of(one, figures[one.name]) for one in metrics})
        alarms += trial.verdict == "regress"
    return Cell(setup.name, cases, len(metrics), Rate(alarms, rounds))


def equal(rng: Random, setup: Setup) -> CaseFigures:
    """The figures of one case that the two sides could exchange."""
    rate = rng.choice((1.0, 1.0, 1.0, 0.8, 0.5))
    shares = [sum(rng.random() < rate for _ in range(setup.samples)) / setup.samples for _ in range(4)]
    found: dict[MetricName, Figure] = {"pass_rate": (shares[0], shares[1]), "validation": (shares[2], shares[3])}
    names: tuple[MetricName, ...] = ("cost", "latency", "tokens", "length")
    for name in names:
        base = rng.lognormvariate(0, 1)
        found[name] = (base * _figure(rng), base * _figure(rng))
    return found


def _figure(rng: Random) -> float:
    return rng.lognormvariate(0, 0.3) * (1000.0 if rng.random() < 1 / 30 else 1.0)


def typical_cells(*, quick: bool) -> Iterator[Task]:
    for cases in (9, 40) if quick else (8, 9, 20, 40, 60, 100, 200, 400, 1000):
        yield Task(f"false PASS of a metric without bounds: {cases} cases", typical, (cases,))


def typical(cases: int) -> Typical:
    """Sum over all paths of fair signs: what has passed by betting is taken out, what is left meets the sign test."""
    alive, anytime = {0: 1.0}, 0.0
    for seen in range(1, cases + 1):
        moved: dict[int, float] = {}
        for within, chance in alive.items():
            for more in (0, 1):
                moved[within + more] = moved.get(within + more, 0.0) + chance / 2
        won = {within for within in moved if _wealth(within, seen - within) >= 1 / (ANYTIME_SHARE * ALPHA)}
        anytime += sum(moved[within] for within in won)
        alive = {within: chance for within, chance in moved.items() if within not in won}
    level = (1 - ANYTIME_SHARE) * ALPHA
    late = sum(chance for within, chance in alive.items() if fair_coin_tail(within, cases) <= level)
    return Typical(cases, anytime, anytime + late)


def _wealth(within: int, beyond: int) -> float:
    total = sum(weight for _, weight in BETS)
    logs = [(min(600.0, within * log1p(bet) + beyond * log1p(-bet)), weight) for bet, weight in BETS]
    return sum(weight * exp(log) for log, weight in logs) / total


def goals(families: Sequence[Cell], exact: Sequence[Typical]) -> Iterator[tuple[str, str, str, bool]]:
    """What was promised of canaries with guardrails."""
    if families:
        loud, fine = max(families, key=lambda cell: cell.false.low).false, all(cell.fine for cell in families)
        what = f"false REGRESS with guardrails, {len(families)} cells"
        yield what, "lower 99 % limit ≤ .05", f"at most {loud}", fine
    if exact:
        most = max(exact, key=lambda cell: cell.total)
        text = f"at most {most.total:.4f} ({most.cases} cases)"
        yield "false PASS of a metric without bounds, exact", "≤ .05", text, most.total <= 0.05


def page(families: Sequence[Cell], exact: Sequence[Typical]) -> str:
    """The page of canaries with guardrails."""
    rows = [(cell.setup, cell.cases, cell.tests, cell.false) for cell in families]
    chances = [(cell.cases, f"{cell.anytime:.4f}", f"{cell.total:.4f}") for cell in exact]
    return f"""# Guardrails

## False REGRESS

Nothing changed: in every case both sides come from one source, and one figure in thirty is a thousand times as large.
The settings are those of prompt.yaml; the pass rate is the primary metric, and one of *tests* is its. All of them share
one alpha.

{table(["guardrails", "cases", "tests", "false REGRESS"], rows)}
## False PASS of a metric without bounds, by enumeration

Half of the cases are beyond the margin, the least that must not pass. *Betting* may spend .01 at any time; *in all* is
with the exact sign test at .04 when all cases are there.

{table(["cases", "betting", "in all"], chances)}"""
