"""The yardstick of a replay: pytest, and as many parametrised tests that do nothing as there are cases."""

from __future__ import annotations

import os

import pytest


@pytest.mark.parametrize("number", range(int(os.environ["BENCH_COUNT"])))
def test_nothing(number: int) -> None:
    assert number >= 0
