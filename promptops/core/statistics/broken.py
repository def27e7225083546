"""Which single cases are broken, where several samples of each were taken."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from promptops.core.statistics.holm import holm
from promptops.core.stats import fisher_exact

LEAST_SAMPLES = 3
"""Samples a side below which a flip proves nothing: it is listed, and nothing is claimed."""


class CaseCounts(Struct, frozen=True):
    """How often one case passed, of how many samples, for baseline and candidate."""

    baseline_passed: int
    baseline: int
    candidate_passed: int
    candidate: int

    @property
    def p_value(self) -> float:
        """One-sided Fisher: the candidate passes this case less often."""
        return fisher_exact(self.candidate_passed, self.candidate, self.baseline_passed, self.baseline)

    @property
    def smallest(self) -> float:
        """The smallest p value that any split of these passes could have."""
        passed = self.baseline_passed + self.candidate_passed
        least = max(0, passed - self.baseline)
        return fisher_exact(least, self.candidate, passed - least, self.baseline)


def broken_cases(counts: Mapping[str, CaseCounts], *, alpha: float = 0.05) -> dict[str, float]:
    """Return the cases that are shown to pass less often than before, with their adjusted p values, worst first.

    H0 of each case: its samples are exchangeable between the versions. Assumes: samples of a case are independent.
    Guarantee: P(a case that is not broken is named) ≤ alpha, whatever the number of cases. Exact, given how often
    each case passed in all: that alone decides, by Tarone's rule, which cases could show anything; Holm's procedure
    is run over these only. Cases with fewer than `LEAST_SAMPLES` on a side are left out.
    Source: Fisher, JRSS 98 (1935), 39-82; Tarone, "A modified Bonferroni method for discrete data", Biometrics 46
    (1990), 515-522; Holm as in `holm`.
    """
    enough = {case: own for case, own in counts.items() if min(own.baseline, own.candidate) >= LEAST_SAMPLES}
    smallest = {case: own.smallest for case, own in enough.items()}
    size = tarone_size(list(smallest.values()), alpha)
    testable = [case for case in enough if smallest[case] <= alpha / size]
    adjusted = dict(zip(testable, holm([enough[case].p_value for case in testable]), strict=True))
    named = {case: p for case, p in adjusted.items() if p <= alpha}
    return dict(sorted(named.items(), key=lambda item: (item[1], item[0])))


def tarone_size(smallest: list[float], alpha: float) -> int:
    """Return the least k ≥ 1 for which at most k of the smallest possible p values are ≤ alpha / k.

    No test, and no H0 of its own: the p values are those of `broken_cases`, and the smallest that each could have had.
    Assumes: that they depend on the margins alone. Guarantee: a Bonferroni correction by k keeps alpha, since no other
    test can reject. Source: Tarone (1990), as above.
    """
    size = 1
    while sum(p <= alpha / size for p in smallest) > size:
        size += 1
    return size
