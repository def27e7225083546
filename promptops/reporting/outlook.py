"""What a suite can and cannot decide, in words, before money is spent."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.core.statistics.planning import MOST_SIMULATED, Scenario, SuiteOutlook


def outlook_lines(found: SuiteOutlook, *, requests: int, delta: float) -> Iterator[str]:
    """The lines of `estimate` for a canary of at most `requests` requests at the margin `delta`."""
    drop = found.detectable
    told = "no drop at all: there are too few cases" if drop is None else f"a drop of {100 * drop:.0f} points or more"
    yield f"  canary ({requests} requests): REGRESS finds {told} (4 times in 5)"
    if found.cases > MOST_SIMULATED:
        yield f"    reckoned for {MOST_SIMULATED:,} cases; with more it decides more:"
    for row in found.worse:
        sure = f"with probability {row.outlook.regress:.2f}"
        yield f"    a drop of {100 * row.drop:g} points is found {sure}{_after(row)}"
    for row in found.equal:
        yield (
            f"    an equal candidate with {row.noise:.0%} flips is shown not worse by {100 * delta:g} points with "
            f"probability {row.outlook.passed:.2f}{_after(row)}"
        )
    if (more := found.least_cases - found.cases) > 0:
        yield f"    at least {found.least_cases} cases are needed for any PASS: add {more}"
    wanted = [f"{cases or f'more than {MOST_SIMULATED:,}'} with {noise:.0%} flips" for noise, cases in found.needed]
    yield f"    cases for a PASS 4 times in 5: {', '.join(wanted)}"


def _after(row: Scenario) -> str:
    return f", after {row.outlook.mean_cases:.0f} cases in the mean"
