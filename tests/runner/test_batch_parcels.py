"""Requests are put together by model, as many and as large as the vendor takes, and caps are held before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from promptops.models import Caps, Failure, Message, Pin, PlannedSample, Request, SampleKey, Spent
from promptops.providers.batches import BatchApi
from promptops.runner.batch_parcels import Box, Boxes, custom_id
from promptops.runner.batch_purse import Purse
from promptops.store.batch_rows import BatchItem

RUN = "20261122T071500-ab12cd"


class Api:
    most_requests, most_bytes = 3, 60
    head, joint, tail = b"[", b",", b"]"

    def headers_for(self, request: Request) -> Mapping[str, str]:
        return {"version": "old"} if request.params.get("temperature") else {}


def planned(case: str, *, model: str = "m", index: int = 0, timed: bool = False, **params: Any) -> PlannedSample:
    request = Request(Pin("acme", model), (Message("user", case),), params)
    key = SampleKey("p", "v1", f"acme/{model}", case, index)
    return PlannedSample(key, request, f"sha256:{case}{model}", timed=timed)


def filled(samples: list[tuple[PlannedSample, bytes]]) -> list[tuple[str, Mapping[str, str], bytes]]:
    made: list[tuple[str, Mapping[str, str], bytes]] = []

    def full(box: Box) -> None:
        parcel = box.parcel("mark")
        content = parcel.content.read()
        assert (len(content), parcel.count) == (parcel.size, box.count)
        made.append((box.pin, parcel.headers, content))

    boxes = Boxes(full)
    for sample, line in samples:
        item = BatchItem(custom_id(RUN, sample), sample.key, sample.digest)
        if not boxes.again(item):
            boxes.put(cast("BatchApi", Api()), sample, item, line, Spent(1.0, 10, 1))
    boxes.close()
    return made


@pytest.mark.parametrize(
    ("samples", "contents"),
    [
        ([(planned("a"), b"1")], [b"[1]"]),
        ([(planned(c), c.encode()) for c in "abcd"], [b"[a,b,c]", b"[d]"]),
        ([(planned("a"), b"x" * 40), (planned("b"), b"y" * 30)], [b"[" + b"x" * 40 + b"]", b"[" + b"y" * 30 + b"]"]),
        ([(planned("a"), b"x" * 28), (planned("b"), b"y" * 28)], [b"[" + b"x" * 28 + b"," + b"y" * 28 + b"]"]),
        ([(planned("a"), b"1"), (planned("a"), b"1")], [b"[1]"]),
        ([(planned("a"), b"1"), (planned("b", model="n"), b"2"), (planned("c"), b"3")], [b"[1,3]", b"[2]"]),
        ([(planned("a"), b"1"), (planned("b", temperature=1), b"2")], [b"[1]", b"[2]"]),
    ],
    ids=["one", "too many", "too large", "as large as may be", "equal ones", "two models", "two versions of the API"],
)
def test_batches_are_as_the_vendor_takes_them(
    samples: list[tuple[PlannedSample, bytes]], contents: list[bytes]
) -> None:
    assert [content for _, _, content in filled(samples)] == contents


def test_a_name_is_what_anthropic_takes_and_that_of_the_request() -> None:
    name = custom_id(RUN, planned("a"))
    assert len(name) <= 64
    assert name.replace("-", "").isalnum()
    assert name == custom_id(RUN, planned("a"))
    others = [planned("b"), planned("a", index=1), planned("a", model="n"), planned("a", timed=True)]
    assert len({name, *(custom_id(RUN, other) for other in others)}) == 5


@pytest.mark.parametrize(
    ("caps", "spent", "allowed"),
    [
        (Caps(), Spent(), 5),
        (Caps(dollars=3.0), Spent(), 3),
        (Caps(dollars=3.0), Spent(dollars=1.5), 1),
        (Caps(tokens=100), Spent(), 0),
        (Caps(requests=2), Spent(requests=1), 1),
    ],
)
def test_a_cap_holds_for_the_worst_case(caps: Caps, spent: Spent, allowed: int) -> None:
    purse = Purse(caps, lambda _: 1.0, spent)
    taken = [purse.take(planned("a", max_tokens=100).request) for _ in range(5)]
    assert [isinstance(one, Failure) for one in taken] == [False] * allowed + [True] * (5 - allowed)
