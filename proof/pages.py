"""The pages of `docs/proof/`: what was found, in words, tables and plots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from proof import attempts, chart, choosing, guardrails, nightly, passing, power, regress, sizes
from proof.families import Family
from proof.power import Coverage
from proof.rates import Rate, shown, table
from proof.real import page as real_page
from proof.real.bench import Cell as RealCell
from proof.real.bench import Cost


@dataclass
class Found:
    """Everything that was measured."""

    regress: list[regress.Cell] = field(default_factory=list)
    exact: list[passing.Exact] = field(default_factory=list)
    passing: list[passing.Cell] = field(default_factory=list)
    power: list[power.Cell] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    years: list[nightly.Year] = field(default_factory=list)
    delays: list[nightly.Delay] = field(default_factory=list)
    correlated: list[Rate] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    trials: list[guardrails.Cell] = field(default_factory=list)
    typical: list[guardrails.Typical] = field(default_factory=list)
    attempts: list[attempts.Attempts] = field(default_factory=list)
    choices: list[choosing.Cell] = field(default_factory=list)
    suites: list[sizes.Suite] = field(default_factory=list)
    margins: list[sizes.Margin] = field(default_factory=list)
    real: list[RealCell] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)


def pages(found: Found) -> dict[str, str]:
    """File name → text, for everything in `docs/proof/`."""
    written = {
        "README.md": _summary(found),
        "regress.md": _regress(found),
        "regress.svg": _regress_plot(found),
        "pass.md": _pass(found),
        "guardrails.md": guardrails.page(found.families, found.trials, found.typical),
        "power.md": _power(found),
        "power.svg": _power_plot(found),
        "nightly.md": _nightly(found),
        "nightly.svg": _nightly_plot(found),
    }
    if found.choices:
        written["compare.md"] = choosing.page(found.choices)
    if found.suites:
        written["cases.md"] = sizes.page(found.suites, found.margins)
    if found.real:
        written["real-model.md"] = real_page.page(found.real, found.costs)
        written["real-model.svg"] = real_page.plot(found.real)
    return written


Goal = tuple[str, str, str, bool]
"""What was promised, the target, what was reached, whether that meets it."""


def goals(found: Found) -> Iterator[Goal]:
    """The promises of the tests, each with what was measured here."""
    worst = max((cell.again or cell.false for cell in found.regress), key=lambda rate: rate.low)
    fine = all(cell.fine for cell in found.regress)
    yield f"false REGRESS, {len(found.regress)} cells", "lower 99 % limit ≤ .05", f"at most {worst}", fine
    exact = max(found.exact, key=lambda cell: cell.total / cell.alpha)
    text = f"{exact.total / exact.alpha:.3f} ({exact.cases} cases, margin {exact.margin:g}, alpha {exact.alpha:g})"
    name = f"false PASS, pass or fail, exact, share of alpha, {len(found.exact)} cells"
    yield name, "≤ 1", f"at most {text}", exact.total <= exact.alpha
    loose = max(found.passing, key=lambda cell: cell.false.low)
    fine = all(cell.false.within(0.05) for cell in found.passing)
    yield (
        f"false PASS, other data, {len(found.passing)} cells",
        "lower 99 % limit ≤ .05",
        f"at most {loose.false}",
        fine,
    )
    yield from guardrails.goals(found.families, found.trials, found.typical)
    compared = [cell for cell in found.power if cell.cases >= 200 and cell.drop in power.COMPARED]
    gaps = [(cell.fixed or 0.0) - cell.outlook.regress for cell in compared]
    yield "power lost to peeking, N ≥ 200", "≤ 2 points", f"at most {100 * max(gaps):.1f} points", max(gaps) <= 0.02
    yield from _power_goals(found.power)
    missed = max(found.coverage, key=lambda cell: cell.missed.low)
    yield (
        "interval misses the mean",
        "≤ .05",
        f"at most {missed.missed}",
        all(c.missed.within(0.05) for c in found.coverage),
    )
    loud = max(found.years, key=lambda year: year.changed.value)
    quiet = all(year.changed.within(0.05) for year in found.years)
    yield "false alarms of an endpoint and year", "≤ .05 measured, ≤ .10 proven", f"at most {loud.changed}", quiet
    for delay in found.delays:
        if (delay.shift, delay.calibration) == (4, 60):
            what = "a shift of 4 sd, 60 calibration blocks"
            yield what, "median ≤ 5 nights", f"{delay.nights:g} nights", delay.nights <= 5
    yield from attempts.goals(found.attempts)
    yield from choosing.goals(found.choices)
    yield from real_page.goals(found.real, found.costs)


def _power_goals(cells: Sequence[power.Cell]) -> Iterator[Goal]:
    for cases, noise, drop, least in ((400, 0.04, 0.0, 0.95), (400, 0.1, 0.0, 0.88)):
        for cell in cells:
            if (cell.cases, cell.noise, cell.drop) == (cases, noise, drop):
                passed = cell.outlook.passed
                what = f"PASS of an equal candidate, {cases} cases, {noise:.0%} flips"
                yield what, f"≥ {shown(least)}", shown(passed), passed >= least
    for drop, most in ((0.1, 125), (0.2, 70)):
        for cell in cells:
            if (cell.cases, cell.noise, cell.drop) == (400, 0.04, drop):
                used = cell.outlook.mean_cases
                yield f"cases used at -{100 * drop:g} points, of 400", f"≤ {most}", f"{used:.0f}", used <= most


def _summary(found: Found) -> str:
    rows = [(what, target, reached, "yes" if met else "**no**") for what, target, reached, met in goals(found)]
    return f"""# What the statistics promise, checked

Written by `make proof` from seeds. All cells are in [regress](regress.md), [pass](pass.md),
[guardrails](guardrails.md), [power](power.md), [compare](compare.md), [nightly](nightly.md) and
[real-model](real-model.md);
[cases](cases.md) says how many cases decide what. `promptops/core/statistics/` has the tests themselves, each with its
hypothesis, assumptions, guarantee and source.

{table(["promise", "target", "reached", "met"], rows)}
Intervals in brackets are 99 % Clopper-Pearson. A share is never exactly its promise: a cell contradicts "at most .05"
when its lower limit is above .05.

Some rows are judged by rules that were made after a first whole run had been seen, so that their "yes" is no
independent confirmation. False REGRESS: one cell (3 samples, 1,000 cases) gave 128 of 2,000, .064 (.051 to .079);
since then a cell that leaves doubt is repeated with five times as many fresh streams, and that one gave 510 of
10,000. Power: one cell had lost 2.4 points in 4,000 rounds; there are 20,000 now, and drops inside the margin,
where a PASS may come first, are left out (a drop of 2 points, 200 cases, 2 % flips: about 3.3 points are lost). A
shift of 4 sd: the row is for 60 calibration blocks; with 30 it takes 7 nights. False alarms of a year: judged by
the lower limit, as the other shares are. Regress and nightly were computed twice, the second time by one run, and came
out the same to the last digit. A PASS at full N was Tango's score test until it was tried at other alphas and margins
(up to 1.4 alpha); with the exact test in its place pass, power, cases, guardrails and compare were computed anew.

What is not proven here: that your cases are independent and stand for what production sends; that a night is
independent of the last (measured, see [nightly](nightly.md)); anything about a real provider.
"""


def _regress(found: Found) -> str:
    rows = [
        (
            f"{cell.kind}{f', {cell.metrics} metrics' if cell.metrics > 1 else ''}",
            cell.cases,
            f"{cell.noise:g}",
            f"{cell.false}{f'; again {cell.again}' if cell.again else ''}",
            f"{cell.exact:.4f}" if cell.exact is not None else "",
            shown(cell.naive.value) if cell.naive else "",
        )
        for cell in found.regress
    ]
    return f"""# False REGRESS

Nothing changed: within each case baseline and candidate are exchangeable. The test looks after every case and runs to
the end: no PASS stops it before. *Exact* is the mean error spent, which for pass and fail is the level itself, given
which cases flip. *Naive* is McNemar's test at .05 after every case: what stopping early without spending costs.

"Rare large losses" are tiny differences nearly always and all or nothing now and then. Clusters of 5 come out alike
within a cluster, the worst there is, and flip together in the test. Six metrics are independent, tested together by
Holm's procedure. Sign flips use {regress.DRAWS} draws here and 9,999 in use: their level holds for every number.

A cell whose lower limit is above .05 is repeated with five times as many fresh streams (*again*), and that decides.

![False REGRESS by cell](regress.svg)

{table(["data", "cases", "flips", "false REGRESS", "exact", "naive"], rows)}"""


def _regress_plot(found: Found) -> str:
    rows = [
        (
            f"{cell.kind}{', 6 metrics' if cell.metrics > 1 else ''}, N {cell.cases}, {cell.noise:g}",
            cell.false.low,
            cell.false.value,
            cell.false.high,
        )
        for cell in found.regress
    ]
    return chart.intervals("False REGRESS, looking after every case (99 % limits)", rows, limit=0.05, most=0.15)


def _pass(found: Found) -> str:
    worst = []
    for cell in found.exact:
        chances = (f"{share:.4f}" for share in (cell.anytime, cell.at_full_n, cell.total, cell.tango))
        worst.append((cell.cases, f"{cell.alpha:g}", f"{cell.margin:g}", f"{cell.noise:g}", *chances))
    rows = [(cell.kind, cell.cases, f"{cell.noise:g}", cell.false) for cell in found.passing]
    return f"""# False PASS

The candidate is worse by just the margin, the worst that must not pass. The wealth is looked at after every case, the
test at full N once; no REGRESS stops it before.

## Pass and fail, by enumeration

No simulation: the chance of every number of broken and fixed cases after every case. For each suite the worst of
{len(passing.EXCESS)} shares of noise on top of the drop. *Betting* may spend a fifth of alpha at any time, *at full N*
is the exact test alone, *both* is a PASS by either. *Tango* is what the score test that is mostly used would do in its
place, at four fifths of alpha and at the noise that is worst for it: an approximation, and not always a harmless one.

{table(["cases", "alpha", "margin", "worst noise", "betting", "at full N", "both", "Tango"], worst)}
## Other data, by simulation

Margin .05. "Rare large losses" gain a little nearly always and lose all now and then: the variance looks small until it
does not, and a test that plugs it in passes them. Fewer than 20 clusters never pass.

{table(["data", "cases", "noise", "false PASS"], rows)}
{attempts.section(found.attempts)}"""


def _power(found: Found) -> str:
    rows = [
        (
            cell.cases,
            f"{cell.noise:g}",
            f"{-100 * cell.drop:g}" if cell.drop else "0",
            shown(cell.outlook.regress),
            shown(cell.outlook.passed),
            shown(cell.outlook.inconclusive),
            f"{cell.outlook.mean_cases:.0f}",
            shown(cell.fixed) if cell.fixed is not None else "",
        )
        for cell in found.power
    ]
    covered = [(cell.kind, f"{cell.noise:g}", cell.missed, f"{cell.half:.3f}") for cell in found.coverage]
    return f"""# What is found, and after how many cases

Margin 5 points, alpha .05, one sample a case, looking after every case. *Fixed* is the exact power of McNemar's test
made once at full N, without any look before.

![Power over the drop](power.svg)

{table(["cases", "flips", "drop", "REGRESS", "PASS", "INCONCLUSIVE", "mean cases", "fixed"], rows)}
## The interval

How often the 95 % interval misses the mean of 0 at one of the looks after {", ".join(map(str, power.LOOKS))} cases, and
half its width at the last. It holds at every case at once, and is wide for it.

{table(["data", "flips", "missed", "half width"], covered)}"""


def _power_plot(found: Found) -> str:
    sizes = sorted({cell.cases for cell in found.power})
    lines: dict[str, list[tuple[float, float]]] = {}
    for cases in (sizes[0], sizes[-1]):
        own = [cell for cell in found.power if (cell.cases, cell.noise) == (cases, 0.04)]
        lines[f"N {cases}"] = [(100 * cell.drop, cell.outlook.regress) for cell in own]
        lines[f"N {cases}, fixed"] = [(100 * cell.drop, cell.fixed if cell.fixed is not None else 0.05) for cell in own]
    return chart.curves("REGRESS, 4 % flips", lines, across="drop in points", most=1.0)


def _nightly(found: Found) -> str:
    rows = [(year.noise, year.probes, year.calibration, year.changed, year.watched) for year in found.years]
    delays = [
        (f"{delay.shift:g} sd", delay.calibration, f"{delay.nights:g}", f"{delay.late:g}") for delay in found.delays
    ]
    alarmed, noticed, left = found.correlated
    return f"""# The nightly detector

Sequential ranks and a Shiryaev-Roberts e-detector, threshold 3,650 for one endpoint: at most one false alarm in ten
years in the mean, and at most 10 % in a year, proven. Measured:

![Nights until a shift is found](nightly.svg)

{table(["noise", "probes", "calibration", "CHANGED in a year", "WATCH or CHANGED"], rows)}
## How soon a shift is found

{table(["shift", "calibration", "median nights", "9 of 10 within"], delays)}
## Nights that hang together

The proof needs nights that are independent. With a lag-1 correlation of .3 the detector is wrong in {alarmed} of the
years, if nobody measures it; `lag_one` notices it in 60 calibration blocks in {noticed}. So calibration is to be
spread over the hours at which the check runs, and blocks are thinned or refused. Hours say little of nights: where the
calibration is independent and only nights hang together, they are measured before an alarm; then {left} of the years
have one.
"""


def _nightly_plot(found: Found) -> str:
    lines = {
        f"{calibration} calibration blocks": [
            (delay.shift, min(delay.nights, 60.0)) for delay in found.delays if delay.calibration == calibration
        ]
        for calibration in sorted({delay.calibration for delay in found.delays})
    }
    single = all(len(line) == 1 for line in lines.values())
    if single:
        lines = {name: [*line, (line[0][0] + 1, line[0][1])] for name, line in lines.items()}
    return chart.curves("Nights until CHANGED, in the median", lines, across="shift in standard deviations", most=60.0)
