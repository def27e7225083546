"""The summary after a run: one block for each version and pin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from promptops.core.report import VersionSummary
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line

_SHOWN: tuple[tuple[str, Style], ...] = (
    ("broke", "bad"),
    ("error", "bad"),
    ("fixed", "good"),
    ("known", "warn"),
    ("unmeasurable", "warn"),
)


def summary_lines(summaries: Iterable[VersionSummary]) -> list[Line]:
    """The block of every version, in order."""
    return [line for summary in summaries for line in _block(summary)]


def headline(summary: VersionSummary) -> str:
    """`60 cases: 50 passed, 1 broke, 8 fixed, 1 known`: every case once, counts that are nought left out."""
    parts = [f"{summary.counts['passed']} passed"]
    parts += [f"{summary.counts[name]} {name}" for name, _ in _SHOWN if summary.counts[name]]
    return f"{summary.cases} case{'s' * (summary.cases != 1)}: " + ", ".join(parts)


def _block(summary: VersionSummary) -> Iterator[Line]:
    style: Style = next((style for name, style in _SHOWN if style == "bad" and summary.counts[name]), "good")
    if style == "good" and summary.counts["unmeasurable"]:
        style = "warn"
    yield Line(f"{summary.prompt}@{summary.version}  {one_line(summary.pin)}", "title")
    yield Line(f"  {headline(summary)}", style)
    if summary.rate is not None and summary.interval:
        low, high = summary.interval
        yield Line(
            f"  pass rate {summary.rate:.1%} (95% interval {low:.1%} to {high:.1%}, {summary.measured} measured)"
        )
    if summary.sources:
        yield Line(f"  {_sources(summary.sources)}; {money(summary.cost)}; {_tokens(summary)}; {_latency(summary)}")
    if summary.lost != 0:
        yield Line(f"  {lost(summary)}", "warn")
    yield from _contract(summary)
    if summary.cached_tokens or summary.saved:
        yield Line(f"  {_cache(summary)}")
    if summary.cut:
        replies = f"{summary.cut} repl{'ies were' if summary.cut != 1 else 'y was'}"
        yield Line(f"  {replies} cut: at max_tokens or at the end of the context", "warn")
    if summary.network:
        yield Line(f"  no answer (network or provider): {_counted(summary.network)}", "warn")
    if summary.other:
        yield Line(f"  not measured: {_counted(summary.other)}", "warn")


def _contract(summary: VersionSummary) -> Iterator[Line]:
    """What the output contract found, where it found anything; apart from answers that never came."""
    if not (summary.invalid_first or summary.invalid or summary.repaired):
        return
    said = f"{summary.invalid} invalid, {summary.repaired} repaired"
    if summary.asked_again:
        again = f"after asking again {_times(summary.asked_again)}"
        said = f"{summary.invalid_first} invalid at first, {summary.invalid} {again}, {summary.repaired} repaired"
    yield Line(f"  output contract: {said}", "warn")
    if summary.suspect:
        share = (
            f"{summary.invalid_first} of {summary.validated} answers ({summary.invalid_first / summary.validated:.1%})"
        )
        first = " at first" if summary.asked_again else ""
        why = "a problem of prompt or schema, not of the network"
        yield Line(f"  {share} break the output contract{first}: {why}", "bad")


def validation(summary: VersionSummary) -> str:
    """`92.0% at first, 98.0% in the end`, one share where they are the same; empty without a contract."""
    first, final = summary.first_pass_rate, summary.validation_rate
    if first is None or final is None:
        return ""
    return f"{final:.1%}" if not summary.asked_again else f"{first:.1%} at first, {final:.1%} in the end"


def lost(summary: VersionSummary) -> str:
    """What conversations cost that ended without an answer; empty where none did."""
    return "" if summary.lost == 0 else f"{money(summary.lost)} more for conversations that ended without an answer"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _sources(sources: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {source}" for source, count in sources.items())


def _tokens(summary: VersionSummary) -> str:
    return f"{summary.input_tokens:,} tokens in, {summary.output_tokens:,} out"


def _cache(summary: VersionSummary) -> str:
    """`provider's cache: 62% of the input tokens, $0.0123 saved`."""
    share = summary.cached_tokens / summary.input_tokens if summary.input_tokens else 0.0
    said = f"provider's cache: {share:.0%} of the input tokens"
    if summary.saved is None:
        return f"{said}, saving unknown"
    return f"{said}, {money(abs(summary.saved))} {'saved' if summary.saved >= 0 else 'more than without it'}"


def _latency(summary: VersionSummary) -> str:
    if summary.p50 is None or summary.p95 is None:
        return "latency not measured"
    recorded = " (recorded)" if "live" not in summary.sources else ""
    slowest = ", ".join(f"{case} {seconds(value)}" for case, value in summary.slowest[:1])
    return f"p50 {seconds(summary.p50)}, p95 {seconds(summary.p95)}, slowest {slowest}{recorded}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in counts.items())


def money(dollars: float | None) -> str:
    """`$0.0123`, or that the price is not known."""
    if dollars is None:
        return "cost unknown"
    return "$0" if dollars == 0 else f"${dollars:.4f}" if dollars < 1 else f"${dollars:,.2f}"


def seconds(value: float) -> str:
    """`850 ms`, `1.2 s`."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
