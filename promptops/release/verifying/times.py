"""The times that files state, and how far two machines may disagree about them."""

from __future__ import annotations

from datetime import datetime, timedelta

SKEW = timedelta(days=1)


def time_of(text: str) -> datetime | None:
    """The time in `text` (ISO 8601 with its zone); None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def is_before(one: str, other: str) -> bool:
    """Whether `one` is before `other` beyond what two clocks may disagree; False where one of them is no time."""
    first, second = time_of(one), time_of(other)
    return first is not None and second is not None and first + SKEW < second
