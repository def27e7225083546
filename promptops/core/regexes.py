"""Regular expressions that end: patterns meet hostile text, and Python's `re` has no time-out.

The `regex` library takes `re`'s syntax, and a time limit for each search. A search that runs into the limit raises
`TimeoutError`: the check is then an error, never a pass and never a hang.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

TIME_LIMIT = 1.0  # seconds for one search
MAX_PATTERN = 10_000  # characters


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """Compile `pattern`; raises `ValueError` that says what is wrong with it, and where."""
    import regex  # costs 15 ms; only where a regex is used

    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern has {len(pattern):,} characters; at most {MAX_PATTERN:,}")
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(f"{pattern[:200]!r} is not a regular expression: {error}") from None


def search(pattern: str, text: str) -> bool:
    """Whether `pattern` is found in `text`; raises `TimeoutError` after `TIME_LIMIT` seconds."""
    try:
        return compile_pattern(pattern).search(text, timeout=TIME_LIMIT) is not None
    except TimeoutError:
        raise TimeoutError(
            f"{pattern[:200]!r} took longer than {TIME_LIMIT:g} s on this output: it backtracks; make it simpler"
        ) from None
