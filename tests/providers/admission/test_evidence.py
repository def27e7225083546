from __future__ import annotations

import random

import pytest

from promptops.providers.admission.evidence import Alarm, Trial


@pytest.mark.parametrize(("share", "verdict"), [(0.2, "first"), (0.02, "second")])
def test_a_trial_tells_two_shares_apart_with_few_outcomes_and_few_errors(share: float, verdict: str) -> None:
    chance, right, outcomes = random.Random(3), 0, 0
    for _ in range(200):
        trial = Trial(0.2, 0.02, for_first=2.5, for_second=3.0)
        said = None
        while said is None:
            said = trial.saw(event=chance.random() < share)
            outcomes += 1
        right += said == verdict
    assert right >= 185
    assert outcomes / 200 < 30


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_of_nothing_and_all_prove_nothing_by_one_outcome(share: float) -> None:
    assert Trial(share, 0.5, for_first=10, for_second=10).saw(event=True) is None


def test_an_alarm_sounds_soon_after_a_rise_and_seldom_without() -> None:
    chance = random.Random(3)
    calm = Alarm(0.2, 0.35, threshold=4.0)
    assert sum(calm.saw(event=chance.random() < 0.2) for _ in range(300)) == 0
    rise = Alarm(0.0, 0.1, threshold=4.0)
    assert [rise.saw(event=True) for _ in range(2)] == [False, True]
