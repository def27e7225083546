"""What a batch API is, whatever the vendor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from msgspec import Struct

from promptops.errors import ProviderError
from promptops.models import Reply, Request


class BatchStatus(Struct, frozen=True):
    """How far a batch is, as the vendor says it.

    `state` is the vendor's own word, `ended` says that nothing more will come. Of `total` requests `answered` have a
    reply and `failed` have none (0 while the vendor does not say). `sources` are the paths of its results, below the
    base URL. `problem` is why nothing of it was worked on, `left` what became of a request that the results do not
    name.
    """

    batch: str
    state: str
    ended: bool
    answered: int = 0
    failed: int = 0
    total: int = 0
    sources: tuple[str, ...] = ()
    problem: ProviderError | None = None
    left: ProviderError | None = None


class Entry(Struct, frozen=True):
    """One line of the results: exactly one of `reply` and `error` is set."""

    custom_id: str
    reply: Reply | None = None
    error: ProviderError | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is handed over: a file with everything in it, at its beginning, of `size` bytes.

    `mark` is our own name of the batch, `count` how many requests it has; `headers` go with the requests.
    """

    content: IO[bytes] = field(repr=False)
    size: int
    mark: str
    count: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class BatchApi(Protocol):
    """One vendor's batches, with one key. Every method raises `ProviderError`, and nothing else.

    `most_requests` and `most_bytes` bound one batch; its file is `head`, the lines with `joint` between them, `tail`.
    """

    most_requests: int
    most_bytes: int
    head: bytes
    joint: bytes
    tail: bytes

    def line(self, custom_id: str, request: Request, seed: int | None) -> bytes:
        """Write one request as it stands in the file."""
        ...

    def headers_for(self, request: Request) -> Mapping[str, str]:
        """What all requests of one batch have to have in common, beside their model. No key is in it."""
        ...

    def upload(self, parcel: Parcel) -> str:
        """Hand the file over, where that is a step of its own; returns the vendor's name of it, or an empty text.

        Nothing is worked on, and nothing costs anything, before `create`.
        """
        ...

    def create(self, parcel: Parcel, uploaded: str) -> BatchStatus:
        """Make the batch: from now on it costs money. Sent once; whether an error left one behind, `find` says."""
        ...

    def find(self, mark: str, *, since: float, count: int) -> Iterator[tuple[str, bool]]:
        """Yield the batches that may be ours, each with whether that is certain. `since` is seconds since 1970."""
        ...

    def status(self, batch: str) -> BatchStatus:
        """Ask how far a batch is."""
        ...

    def cancel(self, batch: str) -> BatchStatus:
        """Let nothing more of a batch be worked on; what was answered is there, and costs."""
        ...

    def results(self, status: BatchStatus) -> Iterator[Entry]:
        """Fetch what came of a batch that ended, line by line, in any order."""
        ...


def count_of(value: Any) -> int:
    """A count as an endpoint sent it; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40 else 0
