"""The pure parts of the nightly watch: profiles, border inputs, rotation, attribution, messages."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.nightly.attribution import judging_factor, route_and_pin, version_factor
from promptops.core.nightly.messages import Kind, Told, payload, signature
from promptops.core.nightly.profiles import (
    border_inputs,
    calls_of,
    deviance,
    distance,
    mean_profile,
    profile_of,
    share_distance,
    shares_of,
)
from promptops.core.nightly.rotation import turn_of
from promptops.core.nightly.sizes import SIZES, candidates
from promptops.core.nightly.texts import PROMPTS, texts_p_value


def test_a_token_that_a_call_does_not_list_counts_as_its_lowest() -> None:
    profile = profile_of([{"a": -1.0, "b": -2.0}, {"a": -1.5, "c": -4.0}])
    assert profile.tokens == {"a": -1.25, "b": -3.0, "c": -3.0}
    assert profile.floor == -3.0


def test_a_distance_is_nought_for_itself_and_counts_what_only_one_of_both_lists() -> None:
    one, other = profile_of([{"a": -1.0, "b": -2.0}]), profile_of([{"a": -1.0, "c": -3.0}])
    assert distance(one, one) == 0
    assert distance(one, other) == pytest.approx((0 + 1 + 1) / 3)
    assert mean_profile([one, other]).tokens == {"a": -1.0, "b": -2.5, "c": -2.5}


def test_border_inputs_are_those_that_vary_most() -> None:
    answers = {"fixed": ["a"] * 4, "even": ["a", "b", "a", "b"], "odd": ["a", "a", "a", "b"], "mute": [""] * 4}
    assert border_inputs(answers, most=2) == ["even", "odd"]
    assert border_inputs(answers, most=4) == ["even", "odd", "fixed"]


def test_the_distance_of_shares_is_that_of_the_top_token_over_all_inputs() -> None:
    reference = {"x": shares_of(["a"] * 8 + ["b"] * 2), "y": shares_of(["c"] * 10)}
    now = {"x": shares_of(["a"] * 3 + ["b"] * 7), "y": shares_of(["c"] * 10)}
    assert share_distance(reference, now) == pytest.approx(0.25)


def test_the_deviance_is_twice_the_log_likelihood_ratio_by_hand() -> None:
    """Counts of the reference 6, 2 and none of anything else, a half more for each, of 9.5; tonight 1, 2 and 1."""
    reference = {"x": mean_profile([shares_of(["a", "a", "b", "a"]), shares_of(["a", "b", "a", "a"])])}
    now = {"x": shares_of(["b", "a", "c", "b"])}
    expected = 2 * (math.log(0.25 / (6.5 / 9.5)) + 2 * math.log(0.5 / (2.5 / 9.5)) + math.log(0.25 / (0.5 / 9.5)))
    assert deviance(reference, now) == pytest.approx(expected)


def test_a_deviance_weighs_what_was_never_seen_more_than_a_tie_that_leans() -> None:
    reference = {"tie": shares_of(["a", "b"] * 40), "steady": shares_of(["c"] * 80)}
    same = {"tie": shares_of(["a", "b"] * 5), "steady": shares_of(["c"] * 10)}
    leans = {**same, "tie": shares_of(["a"] * 6 + ["b"] * 4)}
    new = {**same, "steady": shares_of(["c"] * 9 + ["d"])}
    assert 0 < deviance(reference, same) < deviance(reference, leans) < deviance(reference, new)


def test_a_deviance_of_equal_counts_is_equal_to_the_last_bit_in_any_order() -> None:
    said = ["a"] * 5 + ["b"] * 4 + ["c"] * 3
    reference = {f"x{n}": shares_of(said * 8) for n in range(15)}
    orders = [random.Random(n).sample(said, len(said)) for n in range(50)]
    assert len({deviance(reference, {name: shares_of(order) for name in reference}) for order in orders}) == 1


@given(st.lists(st.sampled_from("abc"), min_size=1), st.lists(st.sampled_from("abcd"), min_size=1))
def test_a_deviance_is_never_below_nought(before: list[str], now: list[str]) -> None:
    assert deviance({"x": shares_of(before)}, {"x": shares_of(now)}) >= 0


def test_what_is_no_log_probability_is_left_out() -> None:
    tops: list[dict[str, object]] = [
        {"token": "a", "logprob": -1},
        {"token": "b", "logprob": float("-inf")},
        {"token": 3, "logprob": -1.0},
        {"token": "c", "logprob": "x"},
        {"token": "d", "logprob": -9999.0},
    ]
    assert calls_of(tops) == {"a": -1.0, "d": -100.0}


def test_candidates_differ_and_prompts_are_as_many_as_the_sizes_want() -> None:
    assert len(set(candidates(208))) == 208
    assert len(set(PROMPTS)) == SIZES["standard"].texts


def test_texts_of_another_distribution_are_told_from_the_same() -> None:
    def texts(words: str) -> dict[str, list[str]]:
        return {
            f"p{n}": [" ".join(words[(n + k + j) % len(words)] for j in range(8)) for k in range(5)] for n in range(5)
        }

    same = texts_p_value(texts("abc"), texts("abc"), seed=1, words=20)
    other = texts_p_value(texts("abc"), texts("xyz"), seed=1, words=20)
    assert same is not None
    assert other is not None
    assert other < 0.001 < same
    assert texts_p_value({}, {}, seed=1, words=20) is None


@pytest.mark.parametrize(
    ("costs", "last", "first", "chosen", "waiting", "unpriced"),
    [
        ({"a": 0.2, "b": 0.2, "c": 0.2}, {}, (), ("a", "b"), ("c",), ()),
        ({"a": 0.2, "b": 0.2, "c": 0.2}, {"a": "2026-11-02", "b": "2026-11-01"}, (), ("c", "b"), ("a",), ()),
        ({"a": 0.2, "b": 0.2, "c": 0.2}, {}, ("c",), ("c", "a"), ("b",), ()),
        ({"a": 9.0, "b": 0.2}, {}, (), ("b",), ("a",), ()),
        ({"a": None, "b": 0.0}, {}, (), ("b",), (), ("a",)),
        ({"a": None, "b": None}, {}, ("b",), ("b",), (), ("a",)),
    ],
)
def test_datasets_take_turns_within_the_money(
    costs: dict[str, float | None],
    last: dict[str, str],
    first: tuple[str, ...],
    chosen: tuple[str, ...],
    waiting: tuple[str, ...],
    unpriced: tuple[str, ...],
) -> None:
    turn = turn_of(costs, last, dollars=0.5, first=first)
    assert (turn.chosen, turn.waiting, turn.unpriced) == (chosen, waiting, unpriced)


def test_where_no_night_is_remembered_every_dataset_has_its_turn_all_the_same() -> None:
    costs = dict.fromkeys(["a@v1", "b@v1", "c@v1"], 0.2)
    turns = [turn_of(costs, {}, dollars=0.5, night=night).chosen for night in range(3)]
    assert turns == [("a@v1", "b@v1"), ("b@v1", "c@v1"), ("c@v1", "a@v1")]


@pytest.mark.parametrize(
    ("far", "routes", "neighbours", "route", "pin"),
    [
        (False, {}, {}, "not tested", "did not move"),
        (True, {"direct": False}, {}, "moved", "did not move"),
        (True, {"direct": True}, {}, "did not move", "moved"),
        (True, {}, {"b": True, "c": True}, "moved", "not tested"),
        (True, {}, {"b": False}, "did not move", "moved"),
        (True, {}, {}, "not tested", "moved"),
    ],
)
def test_what_moved_is_what_differs_when_the_rest_is_held(
    far: bool, routes: dict[str, bool], neighbours: dict[str, bool], route: str, pin: str
) -> None:
    found = route_and_pin(
        far=far, plain=True, renamed=False, readdressed=False, other_routes=routes, neighbours=neighbours
    )
    assert [factor.said for factor in found] == [route, pin]


@pytest.mark.parametrize(
    ("plain", "renamed", "pin", "how"),
    [
        (False, True, "moved", "replies name another model, and the probes answer as the reference does"),
        (True, True, "moved", "replies name another model, and the probes answer as the reference does"),
        (False, False, "not tested", "too small to show in one reading"),
        (True, False, "did not move", "back where the reference is"),
    ],
)
def test_probes_that_are_near_again_clear_a_pin_only_of_what_one_reading_shows(
    plain: bool, renamed: bool, pin: str, how: str
) -> None:
    routes, found = route_and_pin(
        far=False, plain=plain, renamed=renamed, readdressed=False, other_routes={}, neighbours={}
    )
    assert (routes.said, found.said) == ("not tested", pin)
    assert how in found.how


def test_recorded_texts_say_whether_version_dataset_or_judge_moved() -> None:
    assert [version_factor(*counts).said for counts in ((0, 0), (0, 5), (1, 4))] == [
        "not tested",
        "did not move",
        "moved",
    ]
    assert judging_factor("dataset", tested=5, other=0).said == "did not move"
    assert judging_factor("judge", tested=5, other=2).said == "moved"
    assert judging_factor("judge", tested=0, other=0).said == "not tested"
    assert judging_factor("dataset", tested=2, other=0, edited=1).how.startswith("1 of 3 cases were edited")


@pytest.mark.parametrize(
    ("routes", "route", "pin"),
    [({}, "moved", "not tested"), ({"b": True}, "did not move", "moved"), ({"b": False}, "moved", "did not move")],
)
def test_another_address_is_the_route_unless_a_further_one_says_otherwise(
    routes: dict[str, bool], route: str, pin: str
) -> None:
    found = route_and_pin(
        far=True, plain=True, renamed=False, readdressed=True, other_routes=routes, neighbours={"other": False}
    )
    assert [factor.said for factor in found] == [route, pin]


HOSTILE = Told("test/m", ("greet@v1",), "2026-11-01T00:00:00Z", "fast", "<!channel> [x](http://evil) & `code`", 1)


@pytest.mark.parametrize("kind", ["slack", "teams", "generic"])
def test_a_fleet_is_one_message(kind: Kind) -> None:
    document = json.loads(payload(kind, [HOSTILE] * 60))
    assert "60 endpoints answer differently" in json.dumps(document)
    assert len(payload(kind, [HOSTILE] * 60)) < 28_000


def test_what_a_provider_said_is_no_markup_in_a_message() -> None:
    slack: dict[str, Any] = json.loads(payload("slack", [HOSTILE]))
    assert "&lt;!channel&gt;" in slack["blocks"][1]["text"]["text"]
    teams: dict[str, Any] = json.loads(payload("teams", [HOSTILE]))
    (card,) = teams["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert "\\[x\\]\\(http" in card["content"]["body"][1]["text"]


def test_a_signature_is_one_that_anybody_with_the_key_recomputes() -> None:
    expected = hmac.new(b"secret", b"v1:1700000000:" + b"{}", hashlib.sha256).hexdigest()
    assert signature("secret", 1_700_000_000, b"{}") == f"v1={expected}"
