"""Several tests at once: how many alarms are allowed, so that the chance of a single false one stays alpha."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values, in the order given: those ≤ alpha are rejected at family-wise error alpha.

    H0 of each: its own. Assumes: each p value is valid by itself; nothing about how they hang together.
    Guarantee: P(a true H0 is among the rejected) ≤ alpha.
    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979), 65-70.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def rejected_by_levels(stopped: Sequence[Sequence[bool]]) -> list[bool]:
    """Return which of m sequential tests are rejected, where each runs m times side by side, at alpha/1 … alpha/m.

    `stopped[i][k - 1]` says whether test i has stopped at level alpha / k. It is Holm's procedure for tests that give
    decisions and no p values, closed over all subsets: test i is rejected when every subset that contains it has a
    member that stopped at alpha over the subset's size.
    H0 of each: its own.
    Assumes: test i at level a stops under its H0 with probability ≤ a. That it stops at .05 whenever it stops at .01
    is not needed (a discrete sequential test may not).
    Guarantee: P(a true H0 is ever rejected) ≤ alpha, at any time.
    Source: Marcus, Peritz & Gabriel, "On closed testing procedures", Biometrika 63 (1976), 655-660, with Bonferroni's
    test for each subset.
    """
    total = len(stopped)
    if any(len(levels) != total for levels in stopped):
        raise ValueError("each of m tests needs its decision at m levels")
    going = [sum(not levels[size] for levels in stopped) for size in range(total)]
    return [all(levels[size] or going[size] <= size for size in range(total)) for levels in stopped]
