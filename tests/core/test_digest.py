"""One value has one spelling, and a digest of what is sent."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.digest import canonical_json, request_digest, sample_seed, sha256_of, version_digest
from promptops.formats import Closure
from promptops.models import Message, Pin, Request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_json_reads_back_and_is_a_fixed_point(value: Any) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_keys_is_no_part_of_the_value(value: dict[str, int], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical_json({key: value[key] for key in keys}) == canonical_json(value)


@given(JSON, JSON)
def test_two_values_share_a_digest_only_if_they_are_spelt_alike(one: Any, other: Any) -> None:
    assert (sha256_of(one) == sha256_of(other)) == (canonical_json(one) == canonical_json(other))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1.0, None, True]}, b'{"a":[1.0,null,true],"b":1}'),
        ("é", '"é"'.encode()),
        ("e\u0301", '"e\u0301"'.encode()),
        ("a\r\nb\x00", b'"a\\r\\nb\\u0000"'),
        (1, b"1"),
        (1.0, b"1.0"),
        (0.1, b"0.1"),
        ((1, 2), b"[1,2]"),
        (MappingProxyType({"a": 1}), b'{"a":1}'),
    ],
)
def test_the_spelling(value: Any, text: bytes) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x", "\ud800", object(), {"a": {3: {4}}}])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json(value)


def test_nesting_without_end_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match=r".+"):
        canonical_json(value)


REQUEST = Request(Pin("openai", "m-1"), (Message("user", "hi"),), {"temperature": 0.0}, ({"type": "function"},))


@pytest.mark.parametrize(
    "other",
    [
        Request(Pin("openai", "m-2"), REQUEST.messages, REQUEST.params, REQUEST.tools),
        Request(REQUEST.pin, (Message("system", "hi"),), REQUEST.params, REQUEST.tools),
        Request(REQUEST.pin, (Message("user", "hi "),), REQUEST.params, REQUEST.tools),
        Request(REQUEST.pin, REQUEST.messages, {"temperature": 0.1}, REQUEST.tools),
        Request(REQUEST.pin, REQUEST.messages, {"temperature": 0.0, "seed": 1}, REQUEST.tools),
        Request(REQUEST.pin, REQUEST.messages, REQUEST.params, ()),
    ],
)
def test_everything_that_is_sent_is_in_the_request_digest(other: Request) -> None:
    assert request_digest(other) != request_digest(REQUEST)


def test_digests_never_change_between_releases() -> None:
    """These key recordings in users' repositories: a change here makes all of them stale."""
    closure = Closure(prompt="p", version="v1", model="openai/m-1", template="{{ text }}", inputs={"text": {}})
    assert request_digest(REQUEST) == "sha256:7e99bf51ac1c8fd98324c29d137aed2a75ac25f43a2d59e78b1ba1f0367c31a0"
    assert version_digest(closure) == "sha256:300250037db9c576c5dc326bcb0a63f950f41e6f2832c1a9393f51f36455b0a3"
    assert sample_seed("c17", 0) == 273525862


@given(st.text(), st.integers(0, 1000))
def test_seeds_are_31_bits_and_differ_by_case_and_index(case: str, index: int) -> None:
    seed = sample_seed(case, index)
    assert 0 <= seed < 2**31
    assert seed == sample_seed(case, index) != sample_seed(case, index + 1)
    assert seed != sample_seed(case + "x", index)
