"""How many cases a canary needs: the outlook of `promptops estimate`, for suites of many sizes and other margins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptops.core.statistics.planning import NOISE, cases_to_pass, detectable_drop, simulate
from proof.rates import shown, table
from proof.tasks import Task

ROUNDS = 2000
PRICE_IN, PRICE_OUT = 2.0, 8.0
"""Dollars for a million tokens."""
TOKENS_IN, TOKENS_OUT = 500, 100
"""Tokens of a prompt and of an answer, in the example."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of `cases`, margin 5 points: the drop that it finds 4 times in 5, and what an equal candidate gets.

    `passed` has the chance of a PASS for each of `NOISE`, `used` the cases in the mean, at the middle one.
    """

    cases: int
    detectable: float | None
    passed: list[float]
    used: float


@dataclass(frozen=True, slots=True)
class Margin:
    """Cases with which an equal candidate passes 4 times in 5, for each of `NOISE` (None: more than 2,000)."""

    margin: float
    needed: list[int | None]


def cells(*, quick: bool) -> Iterator[Task]:
    for cases in (100,) if quick else (30, 59, 100, 150, 200, 300, 400, 600, 1000):
        yield Task(f"suites: {cases} cases", suite, (cases, 200 if quick else ROUNDS))


def margins(*, quick: bool) -> Iterator[Task]:
    for margin in (0.1,) if quick else (0.03, 0.05, 0.08, 0.1):
        yield Task(f"suites: margin {margin:g}", margin_of, (margin,))


def suite(cases: int, rounds: int) -> Suite:
    found = [simulate(cases, drop=0.0, noise=noise, rounds=rounds) for noise in NOISE]
    return Suite(cases, detectable_drop(cases, noise=NOISE[1]), [one.passed for one in found], found[1].mean_cases)


def margin_of(margin: float) -> Margin:
    return Margin(margin, [cases_to_pass(noise=noise, margin=margin) for noise in NOISE])


def dollars(cases: float) -> float:
    """What asking both sides of `cases` cases costs, in the example."""
    return 2 * cases * (TOKENS_IN * PRICE_IN + TOKENS_OUT * PRICE_OUT) / 1e6


def suite_table(found: Sequence[Suite]) -> str:
    head = ["cases", "finds a drop of", *(f"PASS, {noise:.0%} flips" for noise in NOISE), "cases used", "costs at most"]
    rows = [
        (
            f"{one.cases:,}",
            "nothing" if one.detectable is None else f"{100 * one.detectable:.0f} points",
            *map(shown, one.passed),
            f"{one.used:.0f}",
            f"${dollars(one.cases):.2f}",
        )
        for one in found
    ]
    return table(head, rows)


def margin_table(found: Sequence[Margin]) -> str:
    head = ["margin", *(f"{noise:.0%} flips" for noise in NOISE)]
    rows = [
        (f"{100 * one.margin:g} points", *("over 2,000" if count is None else str(count) for count in one.needed))
        for one in found
    ]
    return table(head, rows)


def page(suites: Sequence[Suite], found: Sequence[Margin]) -> str:
    """`cases.md`."""
    return f"""# How many cases a canary needs

The simulation of `promptops estimate`: pass or fail, one sample a case, alpha .05, looking after every case. *Flips*
are cases that come out differently without a reason, half each way.

## What a suite can decide

Margin 5 points. *Finds a drop of*: with this drop and 4 % flips, 4 canaries of 5 end in REGRESS. *PASS*: how often a
candidate that is neither better nor worse passes ({ROUNDS:,} rounds). *Cases used* by it in the mean, with 4 % flips.
*Costs*: all cases, both sides, {TOKENS_IN} tokens of prompt and {TOKENS_OUT} of answer, at ${PRICE_IN:g} and
${PRICE_OUT:g} per million tokens.

{suite_table(suites)}
## How many for which margin

Cases with which a candidate that is neither better nor worse passes 4 times in 5.

{margin_table(found)}"""
