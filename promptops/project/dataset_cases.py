"""The cases of a dataset: in memory while they are few, else read from the file whenever somebody iterates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, overload

from promptops.models import Case

HELD: Final = 20_000  # cases
HELD_BYTES: Final = 32 * 1024 * 1024  # of the file, for cases that are long

Read = Callable[[], Iterator[Case]]


class StreamedCases(Sequence[Case]):
    """Cases that are not held: each iteration reads the file again; a single one is found by iterating up to it."""

    def __init__(self, read: Read, count: int, *, hold: int) -> None:
        """`read` begins to read anew, `count` is how many it yields; a selection of up to `hold` cases is held."""
        self._read, self._count, self._hold = read, count, hold

    def __iter__(self) -> Iterator[Case]:
        return self._read()

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Case: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Case]: ...
    def __getitem__(self, index: int | slice) -> Case | Sequence[Case]:
        if isinstance(index, int):
            return next(islice(self, range(self._count)[index], None))
        wanted = range(self._count)[index]
        if wanted.step < 0:
            raise ValueError("cases that are read from a file are read forwards")
        return gather(lambda: islice(self, wanted.start, wanted.stop, wanted.step), hold=self._hold)

    def where(self, condition: Callable[[Case], bool]) -> Sequence[Case]:
        """The cases that fulfil `condition`."""
        return gather(lambda: filter(condition, self), hold=self._hold)


def gather(read: Read, *, hold: int = HELD) -> Sequence[Case]:
    """What `read` yields: a tuple of up to `hold` cases; of more, their number is all that is held."""
    held: list[Case] = []
    count = 0
    for case in read():
        count += 1
        if count <= hold:
            held.append(case)
        elif held:
            held.clear()
    return tuple(held) if count <= hold else StreamedCases(read, count, hold=hold)


def choose(cases: Sequence[Case], *, tags: Sequence[str] = (), limit: int = 0) -> Sequence[Case]:
    """The cases that have one of `tags` (none given: all), the first `limit` of them (0: all)."""
    if tags:
        wanted = set(tags)
        having = lambda case: not wanted.isdisjoint(case.tags)  # noqa: E731
        cases = cases.where(having) if isinstance(cases, StreamedCases) else tuple(filter(having, cases))
    return cases[:limit] if 0 < limit < len(cases) else cases
