"""Agreement of a judge with people, and what it lets the judge do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from promptops.core.calibration import agreement_of, confusion, table_lines

WORDS = ("first", "second", "tie")
COUNTS = st.lists(st.integers(0, 30), min_size=9, max_size=9).filter(lambda counts: sum(counts) > 0)


def pairs_of(counts: list[int]) -> dict[tuple[str, str], int]:
    cells = itertools.product(WORDS, WORDS)
    return {cell: count for cell, count in zip(cells, counts, strict=True) if count}


@given(COUNTS)
def test_kappa_is_that_of_statsmodels_and_the_interval_is_never_narrower(counts: list[int]) -> None:
    found = agreement_of(pairs_of(counts))
    if found.kappa is None or found.interval is None:
        return
    theirs = cohens_kappa(np.array(counts).reshape(3, 3))
    assert found.kappa == pytest.approx(theirs.kappa)
    half = 1.959963984540054 * theirs.var_kappa**0.5
    assert found.interval[0] <= max(-1.0, theirs.kappa - half) + 1e-9
    assert found.interval[1] >= min(1.0, theirs.kappa + half) - 1e-9
    assert -1 <= found.interval[0] <= found.kappa <= found.interval[1] <= 1


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ({("pass", "pass"): 30, ("fail", "fail"): 30}, ""),
        ({("pass", "pass"): 25, ("fail", "fail"): 24}, "49 labels, 50 are needed"),
        ({("pass", "pass"): 60}, "always said the same"),
        ({("pass", "pass"): 30, ("fail", "pass"): 30}, "kappa 0.00"),
        ({("pass", "pass"): 25, ("fail", "fail"): 20, ("fail", "pass"): 20}, "is not shown to be 0.4"),
        ({("pass", "pass"): 90, ("fail", "fail"): 80, ("fail", "pass"): 20}, ""),
        ({}, "0 labels"),
    ],
)
def test_a_judge_gates_with_enough_labels_and_agreement_that_is_shown(
    pairs: dict[tuple[str, str], int], why: str
) -> None:
    advises = agreement_of(pairs).advises
    assert (advises == "") == (why == "")
    assert why in advises


def test_the_table_has_people_down_and_the_judge_across() -> None:
    pairs = confusion([("pass", "pass"), ("pass", "fail"), ("fail", "fail")])
    assert table_lines(pairs, ("pass", "fail")) == [
        "people        pass      fail   <- judge",
        "pass             1         1",
        "fail             0         1",
    ]
