"""Times as files have them: durations as people write them (`800ms`, `60s`, `2m`, `1h`), moments as we do; clocks."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

from pydantic import AfterValidator

_DURATION = re.compile(r"(\d+\.?\d*|\.\d+) ?(ms|s|m|h)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Return seconds for `"60s"`, `"800ms"`, `"2m"`, `"1h"`; raises `ValueError` for anything else, 0 included."""
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{text[:40]!r} is not a duration: write 60s, 800ms, 2m or 1h")
    return seconds


def timestamp(moment: datetime) -> str:
    """Return a moment as every file has it: ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _checked(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[str, AfterValidator(_checked)]
"""A duration in a file, kept as it was written."""


class Clock(Protocol):
    """What time it is, and waiting: an argument of whatever depends on it."""

    def now(self) -> datetime:
        """The moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Come back after so many seconds."""
        ...


class SystemClock:
    """The machine's own."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class SimulatedClock:
    """Begins at a moment, and moves only while somebody sleeps: nights that take no time."""

    def __init__(self, begin: datetime) -> None:
        self._now = begin.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def clock_of(environ: Mapping[str, str]) -> Clock:
    """Return the clock of a process: simulated where `$PROMPTOPS_NOW` names a moment (ISO 8601, in UTC by default).

    Raises `ValueError` for anything else in it.
    """
    text = environ.get("PROMPTOPS_NOW", "")
    if not text:
        return SystemClock()
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"PROMPTOPS_NOW={text[:60]!r} is no moment: write 2026-11-22T03:17:00Z") from None
    return SimulatedClock(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
