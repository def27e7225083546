"""A comparison of models in words: the table, what is shown of each against the current one, and which is enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date

from promptops.core.model_choice import Choice, Row
from promptops.core.statistics.against import Against
from promptops.models import Pin
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line
from promptops.reporting.summary import seconds
from promptops.runner.compare import ComparisonResult, gone_words

_STYLES: dict[str, Style] = {"pass": "good", "inconclusive": "warn", "unmeasurable": "warn"}
_SHOWN: dict[str, Style] = {"not worse": "good", "worse": "bad", "undecided": "warn", "unmeasurable": "warn"}
_HEAD = ("model", "quality", "95% interval", "$ per 1,000", "p50", "p95", "valid", "")


def compare_lines(result: ComparisonResult, today: date, *, next_step: str = "") -> list[Line]:
    """All lines of a comparison, safe for a terminal; `today` tells which models were shut down."""
    return [
        Line(one_line(_title(result), 400), "title"),
        Line(""),
        *_table(result.choice),
        *_unmeasured(result, today),
        Line(""),
        *_against(result.choice),
        *_notes(result),
        Line(""),
        *_ending(result.choice, next_step),
    ]


def _title(result: ComparisonResult) -> str:
    comparison, choice = result.comparison, result.choice
    cases, samples = choice.plan.cases, choice.plan.samples
    each = f", {samples} samples of each" if samples > 1 else ""
    asked = f"{choice.asked:,} of {cases:,} cases" if choice.asked < cases else _cases(cases)
    partial = f", partial: {cases:,} of {comparison.current.total:,}" if comparison.current.partial else ""
    models = len(choice.rows)
    return f"{comparison.current.name} on {models} models, {asked}{each}{partial} (mode {comparison.session.mode})"


def _table(choice: Choice) -> Iterator[Line]:
    rows = [(row, _cells(row)) for row in choice.rows if row.quality is not None]
    cells = [_HEAD, *(cells for _, cells in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    yield Line(f"  {_aligned(_HEAD, widths)}", "dim")
    for row, line in rows:
        style: Style = "good" if row.pin == choice.enough else "plain"
        yield Line(f"  {_aligned(line, widths)}", style)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Names and remarks to the left, figures to the right."""
    first, *rest, last = (
        cell.ljust(width) if place in (0, len(cells) - 1) else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest, last]).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    low, high = row.interval or (0.0, 1.0)
    figures = row.model.figures
    assert figures is not None
    mark = "" if figures.latency_source == "live" else "*"
    valid = figures.validation_rate
    return (
        one_line(row.pin, 120) + (" (current)" if row.current else ""),
        f"{row.quality or 0.0:.1%}",
        f"{100 * low:.1f} to {100 * high:.1f}",
        dollars(row.cost),
        "" if figures.p50 is None else seconds(figures.p50) + mark,
        "" if figures.p95 is None else seconds(figures.p95) + mark,
        "-" if valid is None else f"{valid:.1%}",
        "Pareto" if row.pareto else "",
    )


def dollars(cost: float | None) -> str:
    """`0.4200`, `12.50`, `0.000012`, `0`, or `unknown`."""
    if cost is None:
        return "unknown"
    if cost >= 1:
        return f"{cost:,.2f}"
    if cost >= 0.001 or cost == 0:
        return f"{cost:.4f}" if cost else "0"
    return f"{cost:.{1 - math.floor(math.log10(cost))}f}"


def _unmeasured(result: ComparisonResult, today: date) -> Iterator[Line]:
    """Why a model has no row in the table, or not every case."""
    for row in result.choice.rows:
        name = one_line(row.pin, 120) + (" (current)" if row.current else "")
        why, hint = why_unmeasured(row)
        if not why:
            continue
        if row.quality is not None:
            why = f"{result.choice.asked - row.measured} of {result.choice.asked} cases not measured: {why}"
        else:
            why = f"not {'asked' if row.model.problem else 'measured'}: {why}"
        yield Line(f"  {name}  {one_line(why, 500)}", "warn")
        if gone := gone_words(Pin.parse(row.pin), today):
            yield Line(f"    {one_line(gone, 300)}", "warn")
        if hint:
            yield Line(f"    next: {one_line(_ask(result, row) or hint, 300)}", "warn")


def _ask(result: ComparisonResult, row: Row) -> str:
    """The command that asks a model for the replies that no recording has; empty where something else is the matter."""
    failures = row.model.figures.failures if row.model.figures is not None else ()
    if row.model.problem or not failures or failures[0][0] != "missing_recording":
        return ""
    others = ",".join(other.pin for other in result.choice.rows if not other.current)
    return f"promptops compare {result.comparison.current.name} --models {others}"


def why_unmeasured(row: Row) -> tuple[str, str]:
    """Why cases of a model were not measured, and what mends it; empty where every one was."""
    if row.model.problem:
        return row.model.problem, row.model.hint
    figures = row.model.figures
    if figures is None or not figures.failures or figures.first_failure is None:
        return "", ""
    kinds = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in figures.failures)
    return f"{kinds}: {figures.first_failure.message}", figures.first_failure.hint


def _against(choice: Choice) -> Iterator[Line]:
    compared = [row for row in choice.rows if row.against is not None and row.against.pairs]
    if not compared:
        return
    tested = sum(row.against is not None for row in choice.rows)
    holm = f" over {tested} models (Holm)" if tested > 1 else ""
    current, plan = one_line(choice.current.pin, 120), choice.plan
    yield Line(f"against {current}: not worse by {100 * plan.margin:g} points? at error {plan.alpha:g}{holm}", "title")
    for row in compared:
        if row.against is not None:
            told = f"  {row.against.shown:<12}  {one_line(row.pin, 120)}: {against_words(row.against, plan.alpha)}"
            yield Line(told, _SHOWN[row.against.shown])


def against_words(against: Against, alpha: float) -> str:
    """`-1.7 points (-9.1 to +6.0), of 60 cases 3 worse and 2 better, p = 0.31; about 240 more cases …`."""
    if against.difference is None or against.interval is None:
        return "not one case was measured on both sides"
    low, high = against.interval
    p = against.p_worse if against.shown == "worse" and against.p_worse is not None else against.p_not_worse
    told = (
        f"{100 * against.difference:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), "
        f"of {_cases(against.pairs)} {against.lower:,} worse and {against.higher:,} better, p {_p(p)}"
    )
    if against.better:
        told += ", better beyond chance"
    if against.shown == "worse" and against.p_not_worse <= alpha:
        told += "; within the margin, and still worse beyond chance: a canary would say REGRESS"
    if against.shown == "undecided":
        more = (
            "more cases than anybody asks" if against.more_cases is None else f"about {against.more_cases:,} more cases"
        )
        told += f"; {more} would settle it"
    return told


def _cases(count: int) -> str:
    return f"{count:,} case{'s' * (count != 1)}"


def _p(value: float) -> str:
    return f"= {value:.2g}" if value >= 1e-300 else "< 1e-300"


def _notes(result: ComparisonResult) -> Iterator[Line]:
    choice = result.choice
    measured = [row for row in choice.rows if row.quality is not None]
    if choice.plan.samples > 1:
        yield Line("quality: share of samples that passed; its interval counts what samples of one case share", "dim")
    shown = [row.model.figures for row in measured if row.model.figures is not None]
    if any(figures.latency_source == "recorded" and figures.p50 is not None for figures in shown):
        yield Line("* of recorded replies: this model was not asked now", "dim")
    for row in measured:
        if row.cost is None:
            pin = one_line(row.pin, 120)
            yield Line(
                f"{pin}: its price is not known, so it can be neither on the Pareto set nor the cheapest", "warn"
            )
            yield Line(f'  [tool.promptops.prices] "{pin}" = [input, output]  # $ per million tokens', "warn")
    if result.given_up:
        yield Line(
            "the current model does not answer, so there is nothing to compare with: nobody was asked any more", "warn"
        )
    elif not result.concluded:
        yield Line(
            f"stopped after {choice.asked:,} of {choice.plan.cases:,} cases; the same command goes on from there",
            "warn",
        )
    if result.written:
        yield Line(f"recorded {result.written:,} repl{'y' if result.written == 1 else 'ies'}", "dim")
    if result.kept_back:
        yield Line(
            f"{result.kept_back:,} replies of what is served were not recorded: it was accepted with others", "dim"
        )


def _ending(choice: Choice, next_step: str) -> Iterator[Line]:
    yield Line(one_line(enough_words(choice), 600), "good" if choice.verdict == "pass" else "warn")
    for model in choice.open:
        yield Line(f"still open: {one_line(model.pin, 120)} ({model.why})", "warn")
    yield Line(f"verdict: {choice.verdict.upper()}", _STYLES[choice.verdict])
    if next_step:
        yield Line(f"next: {next_step}")


def enough_words(choice: Choice) -> str:
    """Which model is enough, and what it saves."""
    rows = {row.pin: row for row in choice.rows}
    current = choice.current
    if current.quality is None:
        return f"which model is enough cannot be said: {current.pin}, the current one, was not measured"
    if choice.enough is None:
        return "which model is enough cannot be said: no price is known of any that may be taken"
    margin = f"{100 * choice.plan.margin:g} points"
    row = rows[choice.enough]
    if row.current:
        passed = any(other.enough and not other.current for other in choice.rows)
        stays = "stays: none of the others is shown to be good enough"
        why = "is no dearer than any that is shown to be not worse" if passed else stays
        return f"enough: {row.pin} {why}"
    return f"enough: {row.pin}, the cheapest that is shown to be not worse by {margin}{_saving(row, current)}"


def _saving(row: Row, current: Row) -> str:
    if row.cost is None or current.cost is None:
        return f": ${dollars(row.cost)} per 1,000 (what the current one costs is not known)"
    share = f" ({100 * (row.cost / current.cost - 1):+.0f} %)" if current.cost else ""
    return f": ${dollars(row.cost)} per 1,000 instead of ${dollars(current.cost)}{share}"
