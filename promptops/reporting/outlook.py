"""What a suite can and cannot decide, in words, before money is spent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from promptops.core.metrics_outlook import MetricOutlook
from promptops.core.sequence_metrics import margin_of
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.core.statistics.planning import MOST_SIMULATED, NOISE, Scenario, SuiteOutlook
from promptops.formats import UNBOUNDED


def outlook_lines(found: SuiteOutlook, *, requests: int, delta: float) -> Iterator[str]:
    """The lines of `estimate` for a canary of at most `requests` requests at the margin `delta`."""
    drop = found.detectable
    told = "no drop at all: there are too few cases" if drop is None else f"a drop of {100 * drop:.0f} points or more"
    chance = f"with {NOISE[1]:.0%} flips by chance" if found.spread is None else f"if scores vary by {found.spread:.2f}"
    yield f"  canary ({requests:,} requests): REGRESS finds {told} (4 times in 5, {chance})"
    if found.cases > MOST_SIMULATED:
        yield f"    reckoned for {MOST_SIMULATED:,} cases; with more it decides more:"
    for row in found.worse:
        sure = f"with probability {row.outlook.regress:.2f}"
        yield f"    a drop of {100 * row.drop:g} points is found {sure}{_after(row)}"
    for row in found.equal:
        vary = f"{row.noise:.0%} flips" if found.spread is None else f"scores that vary by {found.spread:.2f}"
        yield (
            f"    an equal candidate with {vary} is shown not worse by {100 * delta:g} points with "
            f"probability {row.outlook.passed:.2f}{_after(row)}"
        )
    if (more := found.least_cases - found.cases) > 0:
        yield f"    under {found.least_cases} cases only a candidate that does better on them can PASS: add {more}"
    counts = [(str(cases or f"more than {MOST_SIMULATED:,}"), noise) for noise, cases in found.needed]
    wanted = [count if found.spread is not None else f"{count} with {noise:.0%} flips" for count, noise in counts]
    yield f"    cases for a PASS 4 times in 5: {', '.join(wanted)}"


def _after(row: Scenario) -> str:
    cases = f"{row.outlook.mean_cases:.0f}"
    return f", after {cases} case{'s' * (cases != '1')} in the mean"


def metric_outlook_lines(found: Sequence[MetricOutlook], *, clusters: int) -> Iterator[str]:
    """A line for each metric of a canary that does not decide by one outcome of each case; 4 times in 5."""
    if clusters:
        few = f", and fewer than {FEWEST_CLUSTERS} show no PASS" if clusters < FEWEST_CLUSTERS else ""
        yield f"    {clusters} clusters: each counts once, as if its cases all came out alike{few}"
    for one in found:
        margin = margin_of(one.setting)
        if one.setting.name in UNBOUNDED:
            finds = "never" if one.finds is None else f"from {one.finds:.0%} of the cases on"
            passes = "never" if one.passes is None else f"up to {one.passes:.0%}"
            yield f"    {one.title}: beyond its margin of {margin}: REGRESS {finds}, PASS {passes}"
        else:
            finds = "no drop at all" if one.finds is None else f"a drop of {100 * one.finds:.0f} points"
            vary = "4% of samples flip" if one.spread is None else f"they vary by {one.spread:.2f}"
            needed = one.needed or f"more than {MOST_SIMULATED:,}"
            yield f"    {one.title}: finds {finds}; PASS by {margin} takes about {needed} cases (if {vary})"
