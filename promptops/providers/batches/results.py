"""The results of a batch that ended: every line of its files, and whether all of them came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.batches.base import BatchStatus, Entry
from promptops.providers.batches.calls import Calls
from promptops.providers.replies import parse_object


def entries_of(calls: Calls, status: BatchStatus, entry: Callable[[Mapping[str, Any]], Entry]) -> Iterator[Entry]:
    """Yield what came of each request; a line that cannot be read has no result.

    Raises `ProviderError` at the end where fewer lines came than the vendor counts requests that came to their end: a
    file that was cut off between two lines looks like a whole one, and what is missing would be asked, and paid, again.
    """
    lines = 0
    for source in status.sources:
        for line in calls.lines(source):
            lines += 1
            with suppress(ProviderError):
                yield entry(parse_object(line))
    counted = status.answered + status.failed
    if lines < counted and status.problem is None:
        raise ProviderError(
            "bad_reply", f"{calls.provider}: {lines:,} of {counted:,} results came: the file is not complete"
        )
