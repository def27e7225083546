"""How far a judge agrees with people: Cohen's kappa with an interval, flips, and what that lets it do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from promptops.core.stats import wilson_interval, z_value

MIN_LABELS: Final = 50
"""Labels of people below which a judge advises."""
FLOOR: Final = 0.4
"""The lower end of kappa's interval has to reach this; from there on agreement is called moderate."""

NONE: Final = "no verdict"
"""What a judge said whose answer is not what it was asked for: never agreement."""

Pairs = Mapping[tuple[str, str], int]
"""How often (what people said, what the judge said) came together."""


class Agreement(Struct, frozen=True):
    """`agreement` is the share of equal verdicts, `kappa` what of it chance does not explain, in [-1, 1].

    `kappa` and `interval` are None where both always said the same: then chance explains everything.
    """

    labels: int
    agreement: float
    kappa: float | None
    interval: tuple[float, float] | None

    @property
    def advises(self) -> str:
        """Why a judge with this agreement may not gate; empty where it may."""
        if self.labels < MIN_LABELS:
            return f"{self.labels} labels, {MIN_LABELS} are needed"
        if self.kappa is None or self.interval is None:
            return "people and judge always said the same, so agreement beyond chance cannot be told"
        if self.interval[0] < FLOOR:
            low, high = self.interval
            return f"kappa {self.kappa:.2f} ({low:.2f} to {high:.2f}) is not shown to be {FLOOR} or more"
        return ""


def agreement_of(pairs: Pairs, *, confidence: float = 0.95) -> Agreement:
    """Return Cohen's kappa of a square table, with a two-sided interval.

    Assumes: independent outputs, labelled by people who did not see the judge's verdict.
    Guarantee: asymptotic, by the large-sample standard error; it is widened where the Wilson interval of the agreement
    (at the margins seen) says less, so that few labels that all agree are not taken for certainty.
    Source: Cohen, "A Coefficient of Agreement for Nominal Scales", 1960; standard error of Fleiss, Cohen & Everitt,
    "Large Sample Standard Errors of Kappa and Weighted Kappa", 1969, equation 13.
    """
    total = sum(pairs.values())
    if total == 0:
        return Agreement(0, 0.0, None, None)
    share = {pair: count / total for pair, count in pairs.items()}
    people = _margin(share, 0)
    judge = _margin(share, 1)
    agreed = math.fsum(value for (one, other), value in share.items() if one == other)
    chance = math.fsum(people[label] * judge[label] for label in people)
    if math.isclose(chance, 1.0):
        return Agreement(total, agreed, None, None)
    kappa = (agreed - chance) / (1 - chance)
    half = z_value((1 - confidence) / 2) * math.sqrt(_variance(share, people, judge, kappa, chance) / total)
    bounds = [
        (end - chance) / (1 - chance) for end in wilson_interval(round(agreed * total), total, confidence=confidence)
    ]
    interval = max(-1.0, min(kappa - half, bounds[0])), min(1.0, max(kappa + half, bounds[1]))
    return Agreement(total, agreed, kappa, interval)


def _margin(share: Mapping[tuple[str, str], float], side: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for pair, value in share.items():
        found[pair[side]] += value  # type: ignore[assignment]
    return found


def _variance(
    share: Mapping[tuple[str, str], float], people: Counter[str], judge: Counter[str], kappa: float, chance: float
) -> float:
    """N times the square of kappa's standard error."""
    alike = math.fsum(
        value * (1 - (people[one] + judge[one]) * (1 - kappa)) ** 2
        for (one, other), value in share.items()
        if one == other
    )
    apart = math.fsum(
        value * (judge[one] + people[other]) ** 2 for (one, other), value in share.items() if one != other
    )
    rest = (kappa - chance * (1 - kappa)) ** 2
    return max(0.0, alike + (1 - kappa) ** 2 * apart - rest) / (1 - chance) ** 2


def confusion(said: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Count (what people said, what the judge said)."""
    return dict(Counter(said))


def table_lines(pairs: Pairs, labels: Sequence[str]) -> list[str]:
    """The table in words, people down and the judge across."""
    width = max(8, *(len(label) for label in labels))
    lines = [f"{'people':<{width}}  " + "  ".join(f"{label:>{width}}" for label in labels) + "   <- judge"]
    for one in labels:
        if one == NONE:
            continue  # people always say something
        row = "  ".join(f"{pairs.get((one, other), 0):>{width}}" for other in labels)
        lines.append(f"{one:<{width}}  {row}")
    return lines
