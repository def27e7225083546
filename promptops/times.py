"""Times as files have them: durations as people write them (`800ms`, `60s`, `2m`, `1h`), moments as we do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

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
