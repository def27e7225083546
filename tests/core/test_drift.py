"""The drift test: exact by enumeration, quiet under nulls, honest about what it cannot see."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.drift import (
    CHANGED_LEVEL,
    Answer,
    CaseSamples,
    agreement,
    changed_cases_needed,
    decide_drift,
    own_agreement,
    pair_splits,
    texts_p_value,
)
from promptops.core.stats import mcnemar_exact


def case(number: int, recorded: Sequence[str], tonight: Sequence[str], **more: int) -> CaseSamples:
    return CaseSamples(f"c{number}", [Answer(text) for text in recorded], [Answer(text) for text in tonight], **more)


def judged(number: int, *, recorded: str, tonight: str) -> CaseSamples:
    """`p` and `f` for passed and failed samples; every text is the same."""
    return CaseSamples(
        f"c{number}", [Answer("", passed=o == "p") for o in recorded], [Answer("", passed=o == "p") for o in tonight]
    )


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=7), st.integers(1, 4))
def test_the_splits_are_those_of_enumeration(texts: list[str], tonight: int) -> None:
    tonight = min(tonight, len(texts) - 1)
    counted: Counter[int] = Counter()
    for chosen in itertools.combinations(range(len(texts)), tonight):
        rest = [text for index, text in enumerate(texts) if index not in chosen]
        counted[sum(texts[index] == text for index in chosen for text in rest)] += 1
    assert pair_splits(Counter(texts), tonight) == counted


def test_a_case_recorded_once_says_nothing_about_texts() -> None:
    assert texts_p_value([case(n, "a", "b") for n in range(50)]) is None


@pytest.mark.parametrize(("cases", "expected"), [(1, 1 / 4), (2, 1 / 16), (3, 1 / 64)])
def test_a_new_text_has_the_chance_of_one_split(cases: int, expected: float) -> None:
    assert texts_p_value([case(n, "aaa", "b") for n in range(cases)]) == pytest.approx(expected)


def test_outcomes_recorded_once_are_judged_by_mcnemars_test() -> None:
    cases = [judged(n, recorded="p", tonight="f") for n in range(9)] + [judged(9, recorded="f", tonight="p")]
    assert decide_drift(cases).p_outcomes == pytest.approx(2 * mcnemar_exact(9, 1))


@pytest.mark.parametrize(
    ("recorded", "tonight", "changed", "state"),
    [
        ("aaa", "a", 0, "stable"),
        ("aaa", "b", 7, "changed"),  # 4 ** -7 is below .1 / 365 / 3
        ("aaa", "b", 5, "watch"),
        ("aaa", "b", 3, "stable"),
        ("a", "b", 0, "stable"),
        ("a", "b", 1, "watch"),  # nobody can tell: recorded once
    ],
)
def test_states_by_texts(recorded: str, tonight: str, changed: int, state: str) -> None:
    cases = [case(n, recorded, tonight if n < changed else "a") for n in range(30)]
    assert decide_drift(cases).state == state


def test_white_space_is_no_change() -> None:
    assert decide_drift([case(n, ["a b", "a  b"], [" a\nb "]) for n in range(20)]).state == "stable"


def test_a_model_that_always_varied_is_stable_when_it_varies_on() -> None:
    rng = random.Random(5)
    cases = [case(n, [rng.choice("abcdef") for _ in range(3)], [rng.choice("abcdef")]) for n in range(60)]
    decision = decide_drift(cases)
    assert decision.state == "stable"
    assert decision.agreement is not None
    assert decision.agreement < 0.5


def test_a_model_that_never_said_the_same_twice_is_stable_when_it_says_something_else() -> None:
    decision = decide_drift([case(number, "abc", "d") for number in range(40)])
    assert (decision.state, decision.p_texts, decision.own_agreement) == ("stable", None, 0)
    told = decide_drift([case(0, "abc", "d"), case(1, "a", "b")])
    assert told.state == "watch"
    assert told.reasons[0].startswith("1 of 2 cases answered in other words than their only recorded sample")


def test_another_model_is_a_change_whatever_it_said() -> None:
    decision = decide_drift([case(0, "aaa", "", identity=1), case(1, "aaa", "a")])
    assert decision.state == "changed"
    assert "another model" in decision.reasons[0]


@pytest.mark.parametrize(("down", "state"), [(0, "stable"), (3, "stable"), (4, "unmeasurable"), (30, "unmeasurable")])
def test_an_outage_is_no_drift_and_no_health(down: int, state: str) -> None:
    cases = [case(n, "aaa", "" if n < down else "a") for n in range(30)]
    decision = decide_drift(cases)
    assert (decision.state, decision.missing) == (state, down)


def test_a_change_that_is_proven_is_told_in_spite_of_an_outage() -> None:
    cases = [case(n, "aaa", "" if n < 10 else "b") for n in range(30)]
    assert decide_drift(cases).state == "changed"


def test_what_the_provider_says_of_itself_is_watched() -> None:
    old = [Answer("a", served="m-1", tokens=10)] * 2
    told = decide_drift([CaseSamples("c", old, [Answer("a", served="m-2", tokens=10)])])
    counted = decide_drift([CaseSamples("c", old, [Answer("a", served="m-1", tokens=11)])])
    assert (told.state, counted.state) == ("watch", "watch")
    assert "m-2" in told.notices[0]
    assert "prompt tokens" in counted.notices[0]


def test_nothing_to_compare_is_unmeasurable() -> None:
    assert decide_drift([]).state == "unmeasurable"
    assert decide_drift([case(0, "", "a")]).state == "unmeasurable"


def test_it_says_how_much_must_change_to_be_seen() -> None:
    cases = [case(n, "aaa", "a") for n in range(30)]
    needed = changed_cases_needed(cases)
    assert needed is not None
    swapped = [case(n, "aaa", ["never"] if n < needed else "a") for n in range(30)]
    assert decide_drift(swapped).state == "changed"
    fewer = [case(n, "aaa", ["never"] if n < needed - 1 else "a") for n in range(30)]
    assert decide_drift(fewer).state != "changed"
    assert changed_cases_needed([case(n, "a", "a") for n in range(30)]) is None


@pytest.mark.parametrize("kinds", ["a", "aab", "abc", "abcdefgh"])
def test_nights_without_a_change_raise_no_more_alarms_than_claimed(kinds: str) -> None:
    """600 nights of a null: p ≤ .05 in at most its share, and no night CHANGED."""
    rng = random.Random(11)
    small = changed = 0
    for _ in range(600):
        cases = [case(n, [rng.choice(kinds) for _ in range(3)], [rng.choice(kinds)]) for n in range(8)]
        p_value = texts_p_value(cases)
        small += p_value is not None and p_value <= 0.05
        changed += p_value is not None and p_value <= CHANGED_LEVEL
    assert small / 600 <= 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5
    assert changed <= 1


def test_agreement_is_over_pairs() -> None:
    assert agreement([Answer("a"), Answer("b")], [Answer("a"), Answer("a")]) == 0.5
    assert own_agreement([Answer("a"), Answer("a"), Answer("b")]) == pytest.approx(1 / 3)
    assert own_agreement([Answer("a")]) is None
