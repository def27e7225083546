from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.store.limits.shares import TURN, Claim, shares

A, B, C, D = b"a", b"b", b"c", b"d"


@pytest.mark.parametrize(
    ("places", "wanted", "expected"),
    [
        (16, [100], [16]),
        (16, [3], [3]),
        (16, [100, 100], [8, 8]),
        (16, [3, 100], [3, 13]),
        (16, [3, 3, 3], [3, 3, 3]),
        (16, [1, 6, 100], [1, 6, 9]),
        (4, [9, 9, 9, 9], [1, 1, 1, 1]),
        (5, [9, 9, 9, 9], [2, 1, 1, 1]),
        (2, [9, 9, 9, 9], [1, 1, 0, 0]),
        (0, [9, 9], [0, 0]),
        (16, [], []),
    ],
)
def test_places_are_divided_evenly_and_nobody_has_more_than_wanted(
    places: int, wanted: list[int], expected: list[int]
) -> None:
    claims = {bytes([index]): Claim(number) for index, number in enumerate(wanted)}
    assert list(shares(places, claims, now=0.0).of.values()) == expected


@pytest.mark.parametrize(
    ("claims", "gets"),
    [
        ({A: Claim(5, odd=True, since=10.0), B: Claim(5, since=0.0)}, A),
        ({A: Claim(5, odd=True, since=10.0 - TURN), B: Claim(5, since=10.0)}, B),
        ({A: Claim(5, since=3.0), B: Claim(5, since=2.0), C: Claim(5, since=4.0)}, B),
        ({A: Claim(5, odd=True, since=0.0), B: Claim(1, since=0.0), C: Claim(0)}, B),
    ],
)
def test_one_place_goes_round_and_stays_with_whoever_has_it_for_a_turn(claims: dict[bytes, Claim], gets: bytes) -> None:
    found = shares(1, claims, now=10.0)
    assert found.each == 0
    assert [name for name, share in found.of.items() if share] == [gets]


@given(
    st.integers(0, 40),
    st.lists(st.builds(Claim, st.integers(0, 50), st.booleans(), st.floats(0, 20)), max_size=8),
    st.floats(0, 20),
)
def test_all_places_are_used_where_they_are_wanted_and_no_two_differ_by_more_than_one(
    places: int, wanted: list[Claim], now: float
) -> None:
    claims = {bytes([index]): claim for index, claim in enumerate(wanted)}
    found = shares(places, claims, now=now)
    assert sum(found.of.values()) == min(places, sum(claim.wanted for claim in wanted))
    for name, claim in claims.items():
        assert 0 <= found.of[name] <= claim.wanted
        if found.of[name] < claim.wanted:
            assert found.of[name] in (found.each, found.each + 1)
            assert max(found.of.values()) <= found.of[name] + 1
