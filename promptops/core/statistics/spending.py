"""How much of the allowed error a sequence may have spent after how many cases."""

from __future__ import annotations


def allowed_error(alpha: float, seen: int, cases: int) -> float:
    """Return `alpha · (n / N)²`: what may be spent after `seen` of `cases` (≥ 1) cases; never more than `alpha`.

    No H0 of its own. Assumes: `cases` is fixed before the first look.
    Guarantee: a test that has erred with at most this by each look errs with at most `alpha` in all.
    Spending little at the start keeps the power of the test at full N nearly whole, and still ends a gross regression
    after a few dozen cases. Fewer cases than planned (a cost cap, outages) spend less than `alpha`, which is always
    valid; a sequence that goes on where it stopped spends the rest.
    Source: Lan & DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983), 659-663; the power
    family with exponent 2 is of Kim & DeMets, Biometrika 74 (1987), 149-154.
    """
    if cases < 1 or seen < 0:
        raise ValueError("a sequence has at least one case, and has seen none or some")
    return alpha * min(1.0, seen / cases) ** 2
