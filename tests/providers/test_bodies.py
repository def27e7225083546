from __future__ import annotations

import gzip
import zlib

import pytest

from promptops.errors import ProviderError
from promptops.providers.bodies import PART, Room, Whole, unpacker

TEXT = b'{"a": "' + bytes(range(97, 123)) * 1000 + b'"}'
PACKED = {"gzip": gzip.compress(TEXT), "x-gzip": gzip.compress(TEXT), " Deflate ": zlib.compress(TEXT)}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_packed_body_is_unpacked_wherever_it_is_cut(encoding: str, size: int) -> None:
    packed, whole = PACKED[encoding], Whole()
    own = unpacker({"content-encoding": encoding}, limit=10**6)
    assert own is not None
    for start in range(0, len(packed), size):
        for part in own.feed(packed[start : start + size]):
            whole.feed(part)
    own.finish()
    assert whole.body == TEXT


def test_a_bomb_is_unpacked_part_by_part_and_no_further_than_the_limit() -> None:
    own = unpacker({"content-encoding": "gzip"}, limit=3 * PART)
    assert own is not None
    parts = own.feed(gzip.compress(bytes(2**24)))
    assert [len(next(parts)) for _ in range(3)] == [PART] * 3
    with pytest.raises(ProviderError, match="larger than"):
        next(parts)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_body_that_is_not_packed_is_left_alone(encoding: str) -> None:
    assert unpacker({"content-encoding": encoding}, limit=1) is None


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip,identity", "aes128gcm", "x" * 1000])
def test_another_packing_is_refused_by_name(encoding: str) -> None:
    with pytest.raises(ProviderError, match="not asked for") as caught:
        unpacker({"content-encoding": encoding}, limit=1)
    assert encoding[:10] in str(caught.value)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("cut", [0, 1, 10, -1])
def test_a_packed_body_that_ends_early_is_refused(cut: int) -> None:
    own = unpacker({"content-encoding": "gzip"}, limit=10**6)
    assert own is not None
    list(own.feed(PACKED["gzip"][:cut]))
    with pytest.raises(ProviderError, match="ends in the middle"):
        own.finish()


def test_a_body_is_kept_up_to_its_limit_and_refused_past_it() -> None:
    whole = Whole(10)
    for piece in (b"12345", b"67890"):
        whole.feed(piece)
    assert (bytes(whole.body), whole.complete) == (b"1234567890", False)
    with pytest.raises(ProviderError, match="larger than"):
        whole.feed(b"1")


def test_of_the_body_of_an_error_the_beginning_is_enough() -> None:
    whole = Whole(10, cut=True)
    whole.feed(b"1234567")
    assert not whole.complete
    whole.feed(b"8901234")
    assert (bytes(whole.body), whole.complete) == (b"1234567890", True)


def test_small_replies_always_have_room_and_large_ones_only_so_much_together() -> None:
    room = Room(100, small=10)
    room.take(0, 60)
    room.take(0, 50)
    with pytest.raises(ProviderError, match="together larger"):
        room.take(0, 30)
    room.leave(30)
    for _ in range(100):
        room.take(0, 10)
    room.leave(60)
    room.take(50, 50)
