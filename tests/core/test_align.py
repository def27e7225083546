"""Which items of two lists belong together."""

from __future__ import annotations

import copy
import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.align import pair_any_order
from promptops.core.align_in_order import pair_in_order
from promptops.core.assignment import assign
from promptops.core.comparison import Comparison, Prints
from promptops.core.diff import differences
from promptops.core.distance import distance

ANY_ORDER = Comparison(ignore_order=True)
GAINS = st.integers(1, 5).flatmap(
    lambda columns: st.lists(st.lists(st.integers(0, 4), min_size=columns, max_size=columns), min_size=1, max_size=5)
)


@given(GAINS)
def test_the_assignment_gains_as_much_as_the_best_of_all(gains: list[list[int]]) -> None:
    pairs = assign(gains)
    rows, columns = len(gains), len(gains[0])
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs) == min(rows, columns)
    if rows <= columns:
        best = max(
            sum(gains[a][b] for a, b in enumerate(each)) for each in itertools.permutations(range(columns), rows)
        )
    else:
        best = max(
            sum(gains[a][b] for b, a in enumerate(each)) for each in itertools.permutations(range(rows), columns)
        )
    assert sum(gains[a][b] for a, b in pairs) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(20))
def test_few_records_are_paired_so_that_least_is_lost(seed: int) -> None:
    dice = random.Random(seed)
    one = [{name: dice.randrange(3) for name in "abcd"} for _ in range(5)]
    other = [{name: dice.randrange(3) for name in "abcd"} for _ in range(5)]
    least = min(
        sum(one[a][name] != each[name] for a, each in enumerate(order) for name in "abcd")
        for order in itertools.permutations(other)
    )
    assert distance(one, other, ignore_order=True).value * 20 == pytest.approx(least)


def test_many_records_of_which_each_changed_in_one_field_find_their_own() -> None:
    dice = random.Random(3)
    one: list[Any] = [
        {"city": dice.choice("abc"), "price": dice.randrange(10**6), "note": f"w{dice.randrange(500)} x{n}"}
        for n in range(400)
    ]
    other = copy.deepcopy(one)
    for record in other:
        name = dice.choice(["city", "price", "note"])
        record[name] = "new words" if name != "price" else -1
    order = list(range(400))
    dice.shuffle(order)
    pairs = pair_any_order(one, [other[at] for at in order], Prints(ANY_ORDER, one, other))
    assert sum(order[b] == a for a, b in pairs) >= 395


def test_groups_of_records_that_differ_in_one_text_stay_together() -> None:
    one: list[Any] = [{"group": n // 20, "more": n // 20, "text": f"one{n}"} for n in range(400)]
    other: list[Any] = [{"group": n // 20, "more": n // 20, "text": f"other{n}"} for n in range(400)][::-1]
    pairs = pair_any_order(one, other, Prints(ANY_ORDER, one, other))
    assert all(one[a]["group"] == other[b]["group"] for a, b in pairs)
    assert distance(one, other, ignore_order=True).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", ["id", "key", "name"])
def test_an_inserted_record_shifts_nothing_where_all_others_changed(name: str) -> None:
    one: list[Any] = [{name: f"k{n}", "v": n, "w": n} for n in range(60)]
    other = [{name: "new", "v": 0, "w": 0}, *({**record, "v": -1} for record in one)]
    found = differences(one, other)
    assert [each.kind for each in found].count("iterable_item_added") == 1
    assert len(found) == 61
    assert found[0].path == "root[0]"


def test_an_inserted_record_without_id_shifts_nothing_in_a_short_list() -> None:
    one: list[Any] = [{"city": f"c{n}", "v": n} for n in range(10)]
    other = [{"city": "new", "v": 77}, *({**record, "v": -1} for record in one)]
    assert len(differences(one, other)) == 11


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_pairs_in_order_do_not_cross(one: list[int], other: list[int]) -> None:
    pairs = pair_in_order(one, other, Prints(Comparison(), one, other))
    assert pairs == sorted(pairs)
    assert [b for _, b in pairs] == sorted({b for _, b in pairs})


def test_texts_with_a_nul_are_told_from_others() -> None:
    assert differences(["a\0", "b"], ["a", "\0b"]) != ()
    assert differences(["a\0s", "b"], ["a", "\0sb"]) != ()
    assert differences(["a\0"], ["a\0"]) == ()
