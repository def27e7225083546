"""The body of a reply, piece by piece: unpacked, and never larger than it may be."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from promptops.errors import ProviderError

MAX_BODY = 16 * 1024 * 1024  # bytes of a reply, as sent and unpacked
MAX_EXCUSE = 64 * 1024  # bytes of an error's body: it is read for its message only
PART = 256 * 1024  # bytes that are unpacked at once
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Room:
    """What all replies of a process may hold together: each a small one, and beyond that `limit` bytes in all.

    Any thread may use it.
    """

    def __init__(self, limit: int = 64 * 1024 * 1024, *, small: int = 2 * 1024 * 1024) -> None:
        self._limit, self._small = limit, small
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, before: int, more: int) -> None:
        """A reply of `before` bytes grows by `more`; raises `ProviderError` where there is no room."""
        if before + more <= self._small:
            return
        with self._lock:
            self._taken += self._beyond(before + more) - self._beyond(before)
            full = self._taken > self._limit
        if full:
            text = f"the replies in flight are together larger than {self._limit // 2**20} MB, and this is a large one"
            raise ProviderError("bad_reply", text)

    def leave(self, size: int) -> None:
        """A reply that had taken `size` bytes is gone."""
        if size > self._small:
            with self._lock:
                self._taken -= self._beyond(size)

    def _beyond(self, size: int) -> int:
        return max(0, size - self._small)


class Receiver(Protocol):
    """Takes the pieces of one body, in order. Every method raises `ProviderError` for what must not be."""

    @property
    def limit(self) -> int:
        """How many bytes it takes."""
        ...

    @property
    def pieces(self) -> int:
        """How many pieces of what the model wrote are in: 0 before the first token; without a stream, 1 at most."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the first token is in; for a body that is no stream, the first byte."""
        ...

    @property
    def complete(self) -> bool:
        """Whether nothing more is wanted, although the body has not ended yet."""
        ...

    def feed(self, piece: bytes) -> None:
        """Take the next bytes, unpacked."""
        ...

    def finish(self) -> None:
        """Note that the body has ended."""
        ...


class Whole:
    """Keeps a body in `body`. `cut` takes the first `limit` bytes of a larger one, and is content with them."""

    def __init__(self, limit: int = MAX_BODY, *, cut: bool = False) -> None:
        self.body = bytearray()
        self.limit = limit
        self.begun = self.complete = False
        self.pieces = 0
        self._cut = cut

    def feed(self, piece: bytes) -> None:
        """Keep `piece`."""
        self.begun, self.pieces = True, 1
        if len(self.body) + len(piece) > self.limit:
            if not self._cut:
                raise too_large(self.limit)
            self.complete = True
        self.body += piece[: self.limit - len(self.body)]

    def finish(self) -> None:
        """Nothing is left to do."""


class Unpacker:
    """Undoes the `Content-Encoding` of a body of at most `limit` bytes, packed and unpacked.

    A few kilobytes that unpack to gigabytes cost nothing: they are unpacked part by part, and never past the limit.
    """

    def __init__(self, encoding: str, *, limit: int) -> None:
        """Raises `ProviderError` for an encoding that is not known: none was asked for."""
        if encoding not in _WINDOW_BITS:
            raise ProviderError("bad_reply", f"the reply is packed by {encoding[:40]!r}, which was not asked for")
        self._zlib = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._encoding, self._limit = encoding, limit
        self._packed = self._unpacked = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what `piece` unpacks to."""
        self._packed += len(piece)
        while piece:
            try:
                part = self._zlib.decompress(piece, PART)
            except zlib.error:
                text = f"the reply says that it is packed by {self._encoding}, and is not"
                raise ProviderError("bad_reply", text) from None
            self._unpacked += len(part)
            if max(self._packed, self._unpacked) > self._limit:
                raise too_large(self._limit)
            if self._zlib.unused_data:
                raise ProviderError("bad_reply", "the packed reply goes on after its end")
            yield part
            piece = self._zlib.unconsumed_tail

    def finish(self) -> None:
        """Raise `ProviderError` where the packed body ended in the middle."""
        if not self._zlib.eof:
            raise ProviderError("bad_reply", "the packed reply ends in the middle")


def unpacker(headers: Mapping[str, str], *, limit: int) -> Unpacker | None:
    """Return what undoes the encoding that `headers` (names lower-case) name, None where the body is sent as it is."""
    encoding = headers.get("content-encoding", "").strip().lower()
    return None if encoding in ("", "identity") else Unpacker(encoding, limit=limit)


def too_large(limit: int) -> ProviderError:
    """The error for a body of more than `limit` bytes."""
    return ProviderError("bad_reply", f"the reply is larger than {limit // 2**20} MB")
