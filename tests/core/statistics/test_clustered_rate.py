"""The interval of a pass rate whose samples come several to a case."""

from __future__ import annotations

import pytest

from promptops.core.statistics.clustered_rate import clustered_interval
from promptops.core.stats import wilson_interval


def test_one_sample_a_case_is_wilsons_interval() -> None:
    shares = [1.0] * 45 + [0.0] * 5
    assert clustered_interval(shares, 1) == wilson_interval(45, 50)


def test_samples_that_agree_are_no_more_than_their_case() -> None:
    shares = [1.0] * 45 + [0.0] * 5
    assert clustered_interval(shares, 10) == wilson_interval(45, 50)


def test_samples_that_differ_as_if_alone_count_each() -> None:
    shares = [2 / 3, 1 / 3] * 25
    assert clustered_interval(shares, 3) == pytest.approx(wilson_interval(75, 150))


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_or_nothing_is_as_sure_as_the_number_of_cases(rate: float) -> None:
    assert clustered_interval([rate] * 30, 5) == wilson_interval(30 * rate, 30)


def test_a_single_case_is_one_case() -> None:
    assert clustered_interval([0.5], 4) == wilson_interval(0.5, 1)


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        clustered_interval([], 1)
