"""Puts requests together to batches: one model each, no more and no larger than the vendor takes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from typing import IO

from msgspec import Struct, field

from promptops.models import PlannedSample, Spent
from promptops.providers.batches import BatchApi, Parcel
from promptops.runner.batch_purse import added
from promptops.store.batch_rows import BatchItem


def custom_id(run: str, planned: PlannedSample) -> str:
    """Name what a sample asks within a run: 55 characters of the 64 that Anthropic takes.

    Samples that ask the same and may be answered by one reply have one name, as a run that is no batch asks them once.
    """
    own = str(planned.key) if planned.timed else ""
    name = hashlib.sha256(f"{planned.digest}\0{planned.key.index}\0{own}".encode()).hexdigest()
    return f"{run}-{name[:32]}"


class Box(Struct):
    """One batch while it is filled; its requests stand in a temporary file that has no name."""

    api: BatchApi
    pin: str
    headers: Mapping[str, str]
    items: list[BatchItem] = field(default_factory=list)
    worst: Spent = field(default_factory=Spent)
    count: int = 0
    size: int = 0
    content: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def takes(self, line: bytes) -> bool:
        """Whether there is room for one more request."""
        size = (self.size or len(self.api.head)) + len(self.api.joint) + len(line) + len(self.api.tail)
        return self.count < self.api.most_requests and size <= self.api.most_bytes

    def put(self, item: BatchItem, line: bytes, worst: Spent) -> None:
        """Add one request."""
        self.size += self.content.write((self.api.joint if self.count else self.api.head) + line)
        self.count += 1
        self.items.append(item)
        self.worst = added(self.worst, worst)

    def parcel(self, mark: str) -> Parcel:
        """Close it: what is handed over."""
        self.size += self.content.write(self.api.tail)
        self.content.seek(0)
        return Parcel(self.content, self.size, mark, self.count, self.headers)


class Boxes:
    """The boxes that are being filled, one for each model and kind of request; `full` gets each that is."""

    def __init__(self, full: Callable[[Box], object]) -> None:
        self._full = full
        self._open: dict[tuple[str, ...], Box] = {}
        self._where: dict[str, Box] = {}

    def again(self, item: BatchItem) -> bool:
        """Note a sample whose request is in an open box already; False where it is in none."""
        box = self._where.get(item.custom_id)
        if box is not None:
            box.items.append(item)
        return box is not None

    def put(self, api: BatchApi, planned: PlannedSample, item: BatchItem, line: bytes, worst: Spent) -> None:
        """Put a request into its box, or into the next one where that is full. It must fit into an empty one."""
        headers = api.headers_for(planned.request)
        key = (planned.key.pin, *sorted(f"{name}: {value}" for name, value in headers.items()))
        box = self._open.get(key)
        if box is not None and not box.takes(line):
            self._close(key)
            box = None
        if box is None:
            box = self._open[key] = Box(api, planned.key.pin, headers)
        box.put(item, line, worst)
        self._where[item.custom_id] = box

    def close(self) -> None:
        """Hand over what is left."""
        for key in list(self._open):
            self._close(key)

    def _close(self, key: tuple[str, ...]) -> None:
        box = self._open.pop(key)
        for item in box.items:
            self._where.pop(item.custom_id, None)
        with box.content:
            self._full(box)
