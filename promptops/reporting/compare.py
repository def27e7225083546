"""A comparison of models in words: the table, what is shown of each against the current one, and which is enough."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_HEAD = ("model", "quality", "95% interval", "$/1,000", "p50", "p95", "valid")
_WIDTH = 80  # columns of a terminal that nobody made larger
_SHORTEST = 12  # letters of a name: shorter it says nothing
_NEVER_CUT = ("next: ", "  [tool.", "    next: ")  # what people copy


def compare_lines(result: ComparisonResult, today: date, *, next_step: str = "") -> list[Line]:
    """All lines of a comparison, safe for a terminal and at most 80 wide; `today` tells which models were shut down."""
    rows = [row for row in result.choice.rows if row.quality is not None]
    cells = [_cells(row) for row in rows]
    names = _names([row.pin for row in result.choice.rows], _WIDTH - 3 - _figures_width(cells))
    told = [
        Line(one_line(_title(result), 400), "title"),
        Line(""),
        *_table(result.choice, rows, cells, names),
        *_legend(result.choice, names),
        *_unmeasured(result, today),
        Line(""),
        *_against(result.choice, names),
        *_notes(result),
        Line(""),
        *_ending(result.choice, next_step),
    ]
    return [part for line in told for part in _wrapped(line)]


def _wrapped(line: Line) -> Iterator[Line]:
    """A line of words as lines of 80 columns; what is copied into a shell or a file stays one."""
    if len(line.text) <= _WIDTH or line.text.startswith(_NEVER_CUT):
        yield line
        return
    indent = " " * (len(line.text) - len(line.text.lstrip()) + 2)
    for part in textwrap.wrap(
        line.text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        yield Line(part, line.style)


def _title(result: ComparisonResult) -> str:
    comparison, choice = result.comparison, result.choice
    cases, samples = choice.plan.cases, choice.plan.samples
    each = f", {samples} samples of each" if samples > 1 else ""
    asked = f"{choice.asked:,} of {cases:,} cases" if choice.asked < cases else _cases(cases)
    partial = f", partial: {cases:,} of {comparison.current.total:,}" if comparison.current.partial else ""
    models = len(choice.rows)
    return f"{comparison.current.name} on {models} models, {asked}{each}{partial} (mode {comparison.session.mode})"


def _figures_width(cells: Sequence[Sequence[str]]) -> int:
    """How wide the columns behind the name are, with the gaps before them."""
    return sum(2 + width for width in _widths(cells))


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    rows = [_HEAD[1:], *cells]
    return [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]


def _names(pins: Sequence[str], width: int) -> dict[str, str]:
    """What each pin is called in a table with so many columns: long ones lose their middle, none its own name."""
    shown = {pin: clipped_name(one_line(pin, 120), max(_SHORTEST, width)) for pin in pins}
    used = Counter(shown.values())
    numbers = {pin: f"~{number}" for number, pin in enumerate(pins, start=1) if used[shown[pin]] > 1}
    return {pin: name[: len(name) - len(numbers.get(pin, ""))] + numbers.get(pin, "") for pin, name in shown.items()}


def _table(
    choice: Choice, rows: Sequence[Row], cells: Sequence[tuple[str, ...]], names: Mapping[str, str]
) -> Iterator[Line]:
    widths = [max([len(_HEAD[0]), *(len(names[row.pin]) for row in rows)]), *_widths(cells)]
    yield Line(f"   {_aligned(_HEAD, widths)}", "dim")
    for row, line in zip(rows, cells, strict=True):
        style: Style = "good" if row.pin == choice.enough else "plain"
        marks = f"{'P' if row.pareto else ' '}{'>' if row.current else ' '}"
        yield Line(f"{marks} {_aligned((names[row.pin], *line), widths)}", style)


def _legend(choice: Choice, names: Mapping[str, str]) -> Iterator[Line]:
    """What the marks mean, and the whole of each name that was shortened."""
    if choice.current.quality is not None:
        yield Line(f"  > {one_line(choice.current.pin, 120)} (current)", "dim")
    if any(row.pareto for row in choice.rows):
        yield Line("  P Pareto: no other model here is as good or better for as much or less", "dim")
    for pin, name in names.items():
        if name != one_line(pin, 120):
            yield Line(f"  {name} = {one_line(pin, 120)}", "dim")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The name to the left, figures to the right."""
    first, *rest = (
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _cells(row: Row) -> tuple[str, ...]:
    """The figures of a row, without its name."""
    low, high = row.interval or (0.0, 1.0)
    figures = row.model.figures
    assert figures is not None
    mark = "" if figures.latency_source == "live" else "*"
    valid = figures.validation_rate
    return (
        f"{row.quality or 0.0:.1%}",
        f"{100 * low:.1f} to {100 * high:.1f}",
        dollars(row.cost),
        "" if figures.p50 is None else seconds(figures.p50) + mark,
        "" if figures.p95 is None else seconds(figures.p95) + mark,
        "-" if valid is None else f"{valid:.1%}",
    )


def clipped_name(pin: str, most: int) -> str:
    """A name of at most `most` letters: what tells models apart stands at both ends."""
    half = (most - 1) // 2
    return pin if len(pin) <= most else f"{pin[:half]}…{pin[-half:]}"


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


def _against(choice: Choice, names: Mapping[str, str]) -> Iterator[Line]:
    compared = [row for row in choice.rows if row.against is not None and row.against.pairs]
    if not compared:
        return
    tested = sum(row.against is not None for row in choice.rows)
    holm = f", over all {tested} models together (Holm)" if tested > 1 else ""
    current, plan = one_line(choice.current.pin, 120), choice.plan
    yield Line(
        f"against {current}: not worse by {100 * plan.margin:g} points? "
        f"wrong in at most {100 * plan.alpha:g}% of comparisons{holm}",
        "title",
    )
    for row in compared:
        if row.against is not None:
            told = f"{names[row.pin]}: {against_words(row.against, plan.alpha)}"
            style = _SHOWN[row.against.shown]
            for place, part in enumerate(_cut(told, _WIDTH - 16)):
                yield Line(f"  {'' if place else row.against.shown:<12}  {part}", style)


def _cut(text: str, width: int) -> Iterable[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


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
