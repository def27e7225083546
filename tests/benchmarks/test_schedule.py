from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.schedule import Step, best_schedule, chain, in_order, lower_bound

CHAINS = st.lists(
    st.lists(st.builds(Step, st.integers(1, 9).map(float), st.integers(0, 9).map(float)), min_size=1, max_size=4),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize(
    ("chains", "places", "seconds"),
    [
        ([], 4, 0.0),
        ([[Step(2.0)]], 4, 2.0),
        ([[Step(1.0)]] * 8, 4, 2.0),
        ([[Step(1.0)]] * 9, 4, 3.0),
        ([[Step(1.0, rest=5.0), Step(1.0)]], 1, 7.0),
        # While one rests the others have its place.
        ([[Step(1.0, rest=5.0), Step(1.0)], [Step(1.0)], [Step(1.0)]], 1, 7.0),
        # The longest chain goes first: begun last, it would end at 4.
        ([[Step(1.0)], [Step(1.0)], [Step(1.0), Step(1.0), Step(1.0)]], 2, 3.0),
    ],
)
def test_the_best_schedule_of(chains: list[list[Step]], places: int, seconds: float) -> None:
    assert best_schedule(chains, places) == seconds


@given(CHAINS, st.integers(1, 5))
def test_no_schedule_beats_the_lower_bound_and_none_is_longer_than_one_after_the_other(
    chains: list[list[Step]], places: int
) -> None:
    best = best_schedule(chains, places)
    assert best >= lower_bound(chains, places) - 1e-9
    assert in_order(chains, places) >= lower_bound(chains, places) - 1e-9
    assert best <= sum(step.busy + step.rest for steps in chains for step in steps)


def test_who_does_not_know_what_comes_takes_the_cases_in_order_and_retries_first() -> None:
    chains = [[Step(1.0)], [Step(1.0)], [Step(1.0), Step(1.0), Step(1.0)]]
    assert in_order(chains, 2) == 4.0
    assert in_order([[Step(1.0), Step(1.0)], [Step(1.0)], [Step(1.0)]], 1) == 4.0
    assert in_order([[Step(1.0, rest=1.0), Step(1.0)], [Step(1.0)], [Step(5.0)]], 1) == 8.0


@given(CHAINS)
def test_with_a_place_for_each_the_longest_chain_decides(chains: list[list[Step]]) -> None:
    assert best_schedule(chains, len(chains)) == lower_bound(chains, len(chains) * 1000)


def test_the_conduct_is_the_same_every_time_and_has_the_shares_it_was_told() -> None:
    conduct = Conduct(refused=0.2, broken=0.05, dropped=0.02, slow=0.05)
    fates = [conduct.fate(case, attempt) for case in range(2000) for attempt in range(3)]
    assert fates == [conduct.fate(case, attempt) for case in range(2000) for attempt in range(3)]
    shares = {fate: fates.count(fate) / len(fates) for fate in set(fates)}
    assert shares == {
        "good": pytest.approx(0.68, abs=0.02),
        "refused": pytest.approx(0.20, abs=0.02),
        "broken": pytest.approx(0.05, abs=0.01),
        "dropped": pytest.approx(0.02, abs=0.01),
        "slow": pytest.approx(0.05, abs=0.01),
    }


def test_a_chain_is_the_failures_of_a_case_with_the_wait_that_a_refusal_demands_and_its_answer() -> None:
    conduct = Conduct(latency=0.05, refused=0.5, headers={"retry-after-ms": "200"})
    chains = [chain(conduct, case) for case in range(50)]
    assert {steps[-1] for steps in chains} == {Step(0.05)}
    assert {step for steps in chains for step in steps[:-1]} == {Step(0.05, rest=0.2)}
    assert any(len(steps) == 1 for steps in chains)
    assert any(len(steps) > 2 for steps in chains)
