"""How far a run is, in the words that the command line and pytest share."""

from __future__ import annotations

from collections.abc import Mapping

from promptops.errors import FailureKind
from promptops.runner.events import Progress


def progress_words(progress: Progress) -> str:
    """`312 of 1,000 done, 23.1/s, about 0:25 left, $0.0031, 4 without a reply (4 timeout), 7 retries (7 server)`."""
    of = "" if progress.planned is None else f" of {progress.planned:,}"
    words = [f"{progress.done:,}{of} done"]
    if progress.resumed:
        words.append(f"{progress.resumed:,} of them before")
    if progress.rate:
        words.append(f"{progress.rate:.1f}/s")
    if progress.eta is not None:
        words.append(f"about {minutes(progress.eta)} left")
    if progress.rate:
        words.append("cost unknown" if progress.cost is None else f"${progress.cost:.4f}")
    if progress.cached:
        words.append(cached_words(progress))
    if progress.failures:
        words.append(f"{sum(progress.failures.values()):,} without a reply ({kinds_words(progress.failures)})")
    if progress.retries:
        words.append(f"{sum(progress.retries.values()):,} retries ({kinds_words(progress.retries)})")
    return ", ".join(words)


def cached_words(progress: Progress) -> str:
    """`cached 120 of 1,000 (12 %)`: how many of the samples that were asked for are copies of other replies."""
    wanted = progress.asked + progress.cached + sum(progress.failures.values())
    return f"cached {progress.cached:,} of {wanted:,} ({100 * progress.cached / wanted:.0f} %)"


def kinds_words(counts: Mapping[FailureKind, int]) -> str:
    """`3 timeout, 1 server`: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {kind}" for kind, count in ordered)


def minutes(seconds: float) -> str:
    """`0:40`, `13:05`, `1:02:00`."""
    whole, rest = divmod(round(seconds), 60)
    hours, whole = divmod(whole, 60)
    return f"{hours}:{whole:02}:{rest:02}" if hours else f"{whole}:{rest:02}"
