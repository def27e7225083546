"""Canaries with guardrails: false REGRESS of the whole family, and false PASS of the typical case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log1p
from random import Random

from promptops.core.metrics import Figure, difference_of, key_of, metric_settings, plan_of
from promptops.core.statistics.betting import ANYTIME_SHARE, BETS
from promptops.core.statistics.planning_units import Shape
from promptops.core.statistics.trial import Trial
from promptops.core.stats import fair_coin_tail
from promptops.formats import CanarySettings, MetricName
from proof.families import TIGHT, Family, family, grid
from proof.rates import Rate, table
from proof.tasks import Task

ALPHA = 0.05
_SLOW = 30.0  # seconds: nine figures in ten are below
CaseFigures = Mapping[MetricName, Figure]


@dataclass(frozen=True, slots=True)
class Setup:
    """A canary as prompt.yaml has it, with so many `samples` a case, simulated by `Trial` with each number of cases.

    The cases of a cluster come out alike; `clusters` are their sizes, over and over. The share `missing` of the figures
    of a side is lost, and `slow` ones (of either side) always. `warned` counts what a family that is not critical says.
    """

    name: str
    guardrails: Mapping[str, Mapping[str, object]]
    samples: int = 1
    clusters: tuple[int, ...] = ()
    sizes: tuple[int, ...] = (50,)
    missing: float = 0.0
    slow: bool = False
    warned: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """False REGRESS (or warnings) of one setup, `tests` in the family."""

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


_UNEQUAL = (1, 9, 2, 7, 1)
_LOOSE: Mapping[str, Mapping[str, object]] = {
    "cost": TIGHT,
    "latency": {**TIGHT, "critical": False},
    "length": {**TIGHT, "critical": False},
}
SETUPS = (
    Setup("3 samples, cost", {"cost": TIGHT}, samples=3),
    Setup("5 samples, cost, latency", {"cost": TIGHT, "latency": TIGHT}, samples=5, sizes=(33,)),
    Setup("clusters of 5, latency", {"latency": TIGHT}, clusters=(5,), sizes=(100, 200)),
    Setup("clusters of 1 to 9, latency", {"latency": TIGHT}, clusters=_UNEQUAL, sizes=(76, 80, 160)),
    Setup("2 samples, clusters of 1 to 9, latency", {"latency": TIGHT}, samples=2, clusters=_UNEQUAL, sizes=(80,)),
    Setup("a score, cost", {"score": {}, "cost": TIGHT}, sizes=(40,)),
    Setup("a tenth is missing, cost", {"cost": TIGHT}, missing=0.1, sizes=(50, 137)),
    Setup("what is slow is missing, latency", {"latency": TIGHT}, slow=True, sizes=(50, 137)),
    Setup("warnings of latency and length both ways, not critical", _LOOSE, warned=True, sizes=(50, 137)),
)


def cells(*, quick: bool) -> Iterator[Task]:
    for name, together, cases in grid(quick=quick):
        told = f"false REGRESS with guardrails: {name}, {together}, {cases} cases"
        yield Task(told, family, (name, together, cases, 200 if quick else 2000))


def trials(*, quick: bool) -> Iterator[Task]:
    for setup in SETUPS:
        for cases in (40,) if quick else setup.sizes:
            name = f"false REGRESS with guardrails: {setup.name}, {cases} cases"
            yield Task(name, cell, (setup, cases, 100 if quick else 2000))


def cell(setup: Setup, cases: int, rounds: int) -> Cell:
    """Nothing changed: each case's two sides are exchangeable, and one cost in thirty is a thousand times as large."""
    rng, alarms = Random(f"metrics {setup.name} {cases}"), 0
    settings = CanarySettings.model_validate({"guardrails": setup.guardrails})
    metrics = metric_settings(settings, samples=setup.samples)
    clusters = Shape(clusters=setup.clusters).sizes(cases) if setup.clusters else ()
    for seed in range(rounds):
        trial = Trial([plan_of(one) for one in metrics], cases, alpha=ALPHA, seed=seed, clusters=clusters)
        warned = False
        for size in clusters or (1,) * cases:
            figures = lost(rng, setup, equal(rng, setup))
            for _ in range(size):
                trial.add({key_of(one): difference_of(one, figures[one.name]) for one in metrics})
                warned = warned or bool(trial.warned)
        alarms += warned if setup.warned else trial.verdict == "regress"
    tests = sum(one.critical is not setup.warned for one in metrics)
    return Cell(setup.name, cases, tests, Rate(alarms, rounds))


def lost(rng: Random, setup: Setup, figures: CaseFigures) -> CaseFigures:
    """The figures without what is missing: it does not tell which side is which."""
    if not setup.missing and not setup.slow:
        return figures
    kept: dict[MetricName, Figure] = {}
    for name, (before, after) in figures.items():
        slow = setup.slow and name == "latency" and max(before or 0.0, after or 0.0) > _SLOW
        sides = [None if slow or rng.random() < setup.missing else side for side in (before, after)]
        kept[name] = (sides[0], sides[1])
    return kept


def equal(rng: Random, setup: Setup) -> CaseFigures:
    """The figures of one case that the two sides could exchange."""
    rate = rng.choice((1.0, 1.0, 1.0, 0.8, 0.5))
    shares = [sum(rng.random() < rate for _ in range(setup.samples)) / setup.samples for _ in range(4)]
    found: dict[MetricName, Figure] = {"pass_rate": (shares[0], shares[1]), "validation": (shares[2], shares[3])}
    found["score"] = (min(1.0, rng.betavariate(8, 1)), rng.betavariate(8, 1)) if rng.random() < 0.3 else (1.0, 1.0)
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


def goals(
    families: Sequence[Family], trials: Sequence[Cell], exact: Sequence[Typical]
) -> Iterator[tuple[str, str, str, bool]]:
    """What was promised of canaries with guardrails."""
    rates = [*(one.false for one in families), *(one.false for one in trials)]
    if rates:
        loud, fine = max(rates, key=lambda rate: rate.low), all(rate.within(ALPHA) for rate in rates)
        yield f"false REGRESS with guardrails, {len(rates)} cells", "lower 99 % limit ≤ .05", f"at most {loud}", fine
    if exact:
        most = max(exact, key=lambda cell: cell.total)
        text = f"at most {most.total:.4f} ({most.cases} cases)"
        yield "false PASS of a metric without bounds, exact", "≤ .05", text, most.total <= 0.05


def page(families: Sequence[Family], trials: Sequence[Cell], exact: Sequence[Typical]) -> str:
    """The page of canaries with guardrails."""
    grid_rows = [(one.guardrails, one.together, one.cases, one.tests, one.false) for one in families]
    rows = [(cell.setup, cell.cases, cell.tests, cell.false) for cell in trials]
    chances = [(cell.cases, f"{cell.anytime:.4f}", f"{cell.total:.4f}") for cell in exact]
    return f"""# Guardrails

## False REGRESS

Nothing changed: in every case both sides come from one source, and one figure in thirty is a thousand times as large.
The settings are those of prompt.yaml, with margins of 1 % where nothing else is said; the pass rate is the primary
metric, and one of *tests* is its. All of them share one alpha. {len(families)} cells of 2,000 canaries that look after
every case and go on after a PASS. *Alike*: what makes a sample dear makes it slow, long and wrong, too (correlation .9
within a sample); *opposite*: every second metric the other way.

{table(["guardrails", "metrics are", "cases", "tests", "false REGRESS"], grid_rows)}
With samples, clusters, scores, missing figures and metrics that only warn, whole canaries one by one. With *clusters of
1 to 9* 80 cases are just 20 clusters, and 76 are 19. *What is slow is missing*: a figure beyond {_SLOW:g} seconds, of
either side.

{table(["canary", "cases", "tests", "false REGRESS"], rows)}
## False PASS of a metric without bounds, by enumeration

Half of the cases are beyond the margin, the least that must not pass. *Betting* may spend .01 at any time; *in all* is
with the exact sign test at .04 when all cases are there.

{table(["cases", "betting", "in all"], chances)}"""
