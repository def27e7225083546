"""A canary asked again and again until it passes: does alpha / k² keep the error of all attempts together?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptops.core.canary import pass_level
from proof.passing import ALPHA, enumerate_pass
from proof.rates import table
from proof.tasks import Task

MOST = 12
"""Attempts that are computed; those beyond are bounded by their levels."""
PROMISED = ALPHA * math.pi**2 / 6


@dataclass(frozen=True, slots=True)
class Attempts:
    """A candidate that is worse by the margin, asked until it passes, each time anew.

    `first` is the exact chance of a PASS at the first attempt, `worst` the largest ratio of a later one's chance to
    its level alpha / k², `ever` at most the chance that any attempt passes (the sum over attempts: whatever the
    dependence between them; beyond `MOST`, the levels).
    """

    cases: int
    margin: float
    noise: float
    first: float
    worst: float
    ever: float


def cells(*, quick: bool) -> Iterator[Task]:
    for cases in (60,) if quick else (60, 100, 200, 400):
        for noise in (0.0, 0.05) if quick else (0.0, 0.01, 0.05, 0.25):
            yield Task(f"attempts: {cases} cases, {noise:g}", again, (cases, 0.05, noise))


def again(cases: int, margin: float, noise: float) -> Attempts:
    levels = [pass_level(ALPHA, attempt) for attempt in range(1, MOST + 1)]
    chances = [enumerate_pass(cases, margin, noise, alpha=level).total for level in levels]
    rest = PROMISED - math.fsum(levels)
    worst = max(chance / level for chance, level in zip(chances[1:], levels[1:], strict=True))
    return Attempts(cases, margin, noise, chances[0], worst, math.fsum(chances) + rest)


def goals(found: Sequence[Attempts]) -> Iterator[tuple[str, str, str, bool]]:
    if found:
        most = max(cell.ever for cell in found)
        yield (
            "false PASS of any attempt, asked until it passes",
            f"≤ {PROMISED:.4f}",
            f"at most {most:.4f}",
            most <= PROMISED,
        )


def section(found: Sequence[Attempts]) -> str:
    """The part of `pass.md` about canaries that are asked again."""
    rows = [
        (cell.cases, f"{cell.noise:g}", f"{cell.first:.4f}", f"{cell.worst:.2f}", f"{cell.ever:.4f}") for cell in found
    ]
    return f"""## Asked again until it passes

Attempt k has to show its PASS at alpha / k². The levels of all attempts add up to π²/6 · alpha = {PROMISED:.4f}, which
bounds the chance that *any* attempt passes a candidate that is worse by the margin, however the attempts hang together:
it is not alpha, which holds for the first. By enumeration, at the margin .05: the chance at the first attempt, the
largest share of its level that a later one uses, and the sum over all attempts.

{table(["cases", "noise", "first attempt", "later, share of level", "any attempt, at most"], rows)}"""
