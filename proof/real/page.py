"""The page of the real-model bench: what each method made of each change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from proof import chart
from proof.rates import shown, table
from proof.real import ours
from proof.real.bench import DEVELOPED, ENDPOINTS, NIGHTS, TESTS, TEXT_METHODS, TIMED, Cell, Cost
from proof.real.collect import BASE_TEXTS, TEXTS
from proof.real.endpoint import CHANGES, LEVELS, MACHINES, SHOWN
from proof.real.samples import KEPT

NAMES = {
    "1a": "1a, standard",
    "1a tiny": "1a, tiny",
    "1a, cold": "1a, at temperature 0",
    "1b": "1b, standard",
    "1b tiny": "1b, tiny",
    "1b, other": "1b, other inputs",
    "1b, before": "1b, before",
    "2": "2",
    "LT": "LT",
    "LT, same calls": "LT, calls of 1a",
    "MET": "MET",
}
NIGHTLY = ("1a", "1a tiny", "1a, cold", "1b", "1b tiny", "1b, other", "1b, before", "LT", "LT, same calls")
HIDDEN = {change.name for change in CHANGES if not change.shows}
"""Changes that log probabilities alone cannot show."""
EIGHT_BIT = "Q4_1 to Q8_0"


def mean_auc(cells: Sequence[Cell], method: str, *, change: str | None = None, noise: str | None = None) -> float:
    """The mean over all changes and levels of noise, or over those asked for."""
    return fmean(_aucs(cells, method, change, noise))


def _aucs(cells: Sequence[Cell], method: str, change: str | None, noise: str | None) -> list[float]:
    return [
        cell.auc
        for cell in cells
        if cell.method == method and change in (None, cell.change) and noise in (None, cell.noise)
    ]


def goals(cells: Sequence[Cell], costs: Sequence[Cost]) -> Iterator[tuple[str, str, str, bool]]:
    """What the bench is to reach, with what it did."""
    if not cells:
        return
    visible = [cell for cell in cells if cell.change not in HIDDEN]
    unseen = [cell for cell in cells if cell.change not in DEVELOPED]
    for what, own, method, least in (
        ("AUC after one night, tier 1a, all changes", cells, "1a", 0.915),
        ("the same without the temperatures", visible, "1a", 0.915),
        ("AUC after one night, tier 1b, all changes", cells, "1b", 0.90),
        ("the same for the changes that it was not chosen on", unseen, "1b", 0.90),
        ("the same on inputs that it was not chosen on", cells, "1b, other", 0.90),
        (f"AUC after one night, {EIGHT_BIT}, tier 1a", [c for c in cells if c.change == EIGHT_BIT], "1a", 0.95),
        (f"AUC after one night, {EIGHT_BIT}, tier 1b", [c for c in cells if c.change == EIGHT_BIT], "1b", 0.95),
    ):
        reached = mean_auc(own, method)
        yield f"real model: {what}", f"≥ {shown(least)}", shown(reached), reached >= least
    for method, most in (("1a tiny", 0.15), ("1a", 2.0), ("1b", 2.0)):
        for cost in costs:
            if cost.method == method:
                what = f"real model: a year of tier {NAMES[method]}, at $2/$8 per million tokens"
                yield what, f"< ${most:g}", f"${cost.dollars:.2f}", cost.dollars < most


def page(cells: Sequence[Cell], costs: Sequence[Cost]) -> str:
    """`real-model.md`."""
    border, tiny, before = ours.BORDER["1b"], ours.BORDER["1b tiny"], ours.BORDER["1b, before"]
    noises = ", ".join(f"{sigma:g} ({name})" for name, sigma in LEVELS.items())
    return f"""# A real model, changed behind its name

The embedded model, SmolLM2-135M-Instruct as Q4_1, is served, and from one night on something else is: the same model in
another quantisation, with a system prompt that a gateway adds, for a tenth of the calls only, or at a temperature that
nobody asked for. How well do the tiers of `promptops drift` tell, and how well two published methods on the same
samples: LT (Log Probability Tracking, arXiv 2512.03816) and MET (Model Equality Testing, arXiv 2410.20247), both
written anew from their papers? What the model said was collected once (`proof/data/`; `python -m proof.real.collect`
makes it again); all of this is computed from it, from seeds, by rules that were fixed
before (`proof/real/bench.py`).

The engine repeats its log probabilities to the last bit, a provider does not. So noise is added to the logits, with a
standard deviation of {noises}; rounding logits to bfloat16 makes .018. Half of its variance is that of one of
{MACHINES} machines, half is new in every call. A call shows {SHOWN} log probabilities.

* **1a**: {ours.STANDARD} calls a night of each of five short prompts, one token each (tiny: {ours.TINY} of one prompt).
  A prompt's number is the distance of its mean log probabilities from a reference of {ours.REFERENCE} readings. Asked
  at temperature 1, the tokens that come make one more: their log probabilities less what is expected of them, in
  standard deviations. The rank detector watches the six (tiny: two), after {ours.CALIBRATION} readings of calibration.
  *At temperature 0*, for endpoints that take nothing else, there are only the five.
* **1b**: {border.inputs} inputs at temperature 0, {border.calls} calls each a night; the number is the deviance of
  their first tokens from those of the reference. They are the most even ones of {border.among} that are asked
  {ours.LOOKS} times each at temperature {shown(ours.LOOK_AT)}. (tiny: {tiny.inputs} of {tiny.among}, once.) *Other
  inputs*: the same on {border.among} others. *Before*: {before.inputs} inputs, {before.calls} calls each, looked for at
  temperature 0, and how far the share of the token that led has moved; an epoch that began with it goes on with it.
* **2**: the equality test of texts, of their words and of how many they are: 25 openings, ten texts before and ten
  now, 50 tokens at temperature 1, cut into words.
* **LT**: one prompt (`x`), ten calls before and ten now, its statistic; and with as many calls as 1a. **MET**: the
  texts of 2, as tokens, its statistic.

AUC: the chance that the score of an endpoint with the change is above that of one without. For 1a and 1b it is the
detector's level after *one* night. {ENDPOINTS} endpoints for each cell: a cell is known to about .03. For texts {TESTS}
tests are drawn from one collection of {BASE_TEXTS} and {TEXTS} texts of an opening, and hang together: to about .1.
Texts were collected {_collected(cells)}; means of 2 and MET are over these and their mixtures.

{table(["promise", "target", "reached", "met"], _goal_rows(cells, costs))}
The number of the tokens that come was added after the first run of this bench, to close a gap that it had shown: tier
1a asked at temperature 0 then and reached .908, with 40 readings of calibration (with the {ours.CALIBRATION} that all
have now it is {_cold(cells)}). Log probabilities are given before sampling and do not show a temperature, and a coin's
.5 in two of fourteen changes leaves .929 at most to reach. The number's rules were fixed before its first figure, and
nothing else was changed; the target had been seen, though, so that its "yes" is no independent confirmation. One more
number also dilutes the others, most where it is one of two: tiny is no better after
one night than it was, better after seven, and its alarms come up to a night or two later (small changes of a tenth of
the calls: later still).

The number of tier 1b was changed after the first run, too. What was there before reached .895, and .928 for eight bits,
with 40 readings of calibration, and cost $2.20. The deviance, and fewer inputs asked more often, were chosen on half of
the changes and on noise from other seeds than here. The first figures of the other half were as good, but for one: .70
for eight bits at low noise. An endpoint that hardly varies does not show at temperature 0 which of its inputs are
nearly a tie, and those that had been taken instead, because something must be, were not. So they are looked for at
temperature {shown(ours.LOOK_AT)} since. Eight bits count among the changes it was chosen on now, and all changes were
tried once more on a hundred inputs that were collected after that. Nothing was changed after these figures, in which
all have {ours.CALIBRATION} readings of calibration:

{_by_half(cells)}
The last column is what to expect of inputs that nobody chose for: where it is below the one before it, that one had
luck. Chosen on: {", ".join(DEVELOPED)}.

What else was tried made no difference that could be told from noise: Pearson's chi-squared, a second round of looks,
steady inputs beside the ties, unequal calls. Total variation over all tokens was between the two. {border.inputs}
inputs twelve times were a little better than 18 ten times, and than 12 fifteen times, which are too few where the noise
is low.

What is left is that border inputs are blunt where the noise is large beside the change. Much of their cost is the
chat template: of the {_tokens(costs, "1b"):.0f} tokens that an input counts here, nine are its frame.

![AUC over noise](real-model.svg)

## Which changes

Mean AUC over the three levels of noise.

{_by_change(cells)}
## How much noise

Mean AUC over the changes, all of them and without the temperatures.

{_by_noise(cells)}
## How many nights

Nights from the change to the alarm in the median, at low / middle / high noise ({TIMED} endpoints; inf: more than
{NIGHTS}). For 1a and 1b that is CHANGED, with at most one false alarm in ten years *proven*, whatever the noise. LT has
no rule for nights: here it may alarm where its statistic is above what it exceeds without a change in one of twenty
years, found by simulating the noise, which outside of a bench nobody knows. It is what a perfectly calibrated limit
would reach.

{_by_night(cells)}
The rank detector pays for its proof with nights: among {ours.CALIBRATION} earlier values even the grossest change is
only the largest of {ours.CALIBRATION + 1}, and takes several nights in a row to be beyond chance.

## Texts

The share of single tests at p ≤ .05. Asked every night, both would alarm {365 * 0.05:.0f} times a year without any
change: tier 2 is for once a week, or to confirm an alarm. MET is conservative here by its design: it permutes texts
across openings, which spreads its statistic more than any two samples of ten of each can; tier 2 permutes within each.

Tier 2 looked only at words at first, and hardly saw texts that end early: .71 for Q4_1 to Q5_0, of which half end
before 50 tokens, with 9 % of tests at p ≤ .05, and .72 over all changes. How long texts are was added for that, as a
second statistic beside the first; the smaller of the two p values counts, by its own permutation. It was taken from
among several on these same changes (a kernel in which missing words are equal, the energy distance of lengths, sums
instead of the smaller p), so that its figures are no independent confirmation. What it costs, at most a factor of two
in p, is seen where the words alone had told: of temperature .8, 96 % of tests are at p ≤ .05 instead of 99 %.

{_power(cells)}
## What it costs

At $2 for a million tokens of prompts and $8 of answers, asked every night; tokens as the model's own server counts
them, with its chat template. *Before* is what is asked once: to calibrate, and for 1b to find inputs whose answer is
nearly a tie.

{_costs(costs)}
## What this does not say

* One small model, and noise that is made, not a provider's. Nights are independent here.
* The changes are mostly of precision. A model that was trained on differs more, mostly.
* Tokens beyond the {KEPT} likeliest were not kept one by one. When a temperature is drawn at, each of them counts as
  likely as the least likely that was kept: of all ways in which they can be spread a temperature moves this one least.
* Sampling is as independent here as a provider's may not be: one that repeats an answer to an equal request, or has a
  seed of its own, makes the tokens that come say less.
* LT and MET have more to them than the statistic that is compared here (LT: which prompts; MET: composite nulls).
"""


def _by_half(cells: Sequence[Cell]) -> str:
    """Tier 1b as it is and was, over the changes that it was chosen on and over the others."""
    parts = (
        ("chosen on", [cell for cell in cells if cell.change in DEVELOPED]),
        ("not chosen on", [cell for cell in cells if cell.change not in DEVELOPED]),
        ("eight bits alone", [cell for cell in cells if cell.change == EIGHT_BIT]),
    )
    methods = ("1b, before", "1b", "1b, other")
    rows = [
        (what, *(shown(mean_auc(own, method)) for method in methods))
        for what, own in parts
        if _aucs(own, "1b", None, None)
    ]
    return table(["mean AUC over the changes", "before", "now", "now, on other inputs"], rows)


def _cold(cells: Sequence[Cell]) -> str:
    """What tier 1a reaches at temperature 0."""
    found = _aucs(cells, "1a, cold", None, None)
    return shown(fmean(found)) if found else "less"


def _tokens(costs: Sequence[Cost], method: str) -> float:
    """Prompt tokens of a call."""
    return next((cost.prompt_tokens / cost.calls for cost in costs if cost.method == method), 0.0)


def _goal_rows(cells: Sequence[Cell], costs: Sequence[Cost]) -> list[tuple[str, str, str, str]]:
    return [
        (what.removeprefix("real model: "), target, reached, "yes" if met else "**no**")
        for what, target, reached, met in goals(cells, costs)
    ]


def _collected(cells: Sequence[Cell]) -> str:
    """For which changes there are texts."""
    texts = {cell.change for cell in cells if cell.method in TEXT_METHODS}
    whole = [change for change in _changes(cells) if change in texts and not change.startswith("10 %")]
    if whole == [change for change in _changes(cells) if not change.startswith("10 %")]:
        return "for every change"
    return f"for {', '.join(whole)} only" if whole else "for no change"


def plot(cells: Sequence[Cell]) -> str:
    """Mean AUC over the changes, by noise."""
    lines = {}
    for method in ("1a", "1b", "LT", "MET"):
        found = [(cell.noise, cell) for cell in cells if cell.method == method]
        if not found:
            continue
        if method in TEXT_METHODS:
            value = mean_auc(cells, method)
            lines[NAMES[method]] = [(1.0, value), (3.0, value)]
        else:
            own = [name for name in LEVELS if any(noise == name for noise, _ in found)]
            lines[NAMES[method]] = [(1.0 + [*LEVELS].index(n), mean_auc(cells, method, noise=n)) for n in own]
    lines = {name: line if len(line) > 1 else [*line, (line[0][0] + 1, line[0][1])] for name, line in lines.items()}
    return chart.curves("Mean AUC over all changes", lines, across="noise: low, middle, high", most=1.0)


def _changes(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.change for cell in cells))


def _methods(cells: Sequence[Cell]) -> list[str]:
    known = {cell.method for cell in cells}
    return [method for method in NAMES if method in known]


def _by_change(cells: Sequence[Cell]) -> str:
    methods, changes = _methods(cells), _changes(cells)
    found = {(change, method): _aucs(cells, method, change, None) for change in changes for method in methods}
    shares = {key: shown(fmean(own)) if own else "" for key, own in found.items()}
    rows = [(change, *(shares[change, method] for method in methods)) for change in changes]
    return table(["change", *(NAMES[method] for method in methods)], rows)


def _by_noise(cells: Sequence[Cell]) -> str:
    visible = [cell for cell in cells if cell.change not in HIDDEN]
    levels = [name for name in LEVELS if any(cell.noise == name for cell in cells)]
    rows = []
    for method in _methods(cells):
        noises = [None] * len(levels) if method in TEXT_METHODS else levels
        rows.append(
            (
                NAMES[method],
                *(shown(mean_auc(cells, method, noise=noise)) for noise in noises),
                shown(mean_auc(cells, method)),
                shown(mean_auc(visible, method)),
                _week(cells, method),
            )
        )
    return table(["method", *levels, "mean", "without temperatures", "mean after 7 nights"], rows)


def _week(cells: Sequence[Cell], method: str) -> str:
    found = [cell.week for cell in cells if cell.method == method and cell.week is not None]
    return shown(fmean(found)) if found else ""


def _by_night(cells: Sequence[Cell]) -> str:
    methods = [method for method in NIGHTLY if method in _methods(cells)]
    rows = []
    for change in _changes(cells):
        own = [
            " / ".join(
                f"{c.nights:g}" for c in cells if (c.method, c.change) == (method, change) and c.nights is not None
            )
            for method in methods
        ]
        rows.append((change, *own))
    return table(["change", *(NAMES[method] for method in methods)], rows)


def _power(cells: Sequence[Cell]) -> str:
    rows = []
    for change in _changes(cells):
        found = {c.method: c.power for c in cells if c.change == change and c.power is not None}
        if found:  # texts were not collected for every change
            rows.append((change, *(shown(found[method]) for method in TEXT_METHODS)))
    return table(["change", *(NAMES[method] for method in TEXT_METHODS)], rows)


def _costs(costs: Sequence[Cost]) -> str:
    rows = [
        (
            NAMES[cost.method],
            f"{cost.calls:,}",
            f"{cost.prompt_tokens:,.0f}",
            f"{cost.answer_tokens:,.0f}",
            f"${cost.dollars:.2f}",
            f"{cost.calls_before:,}",
            f"${cost.dollars_before:.2f}",
        )
        for cost in costs
    ]
    head = ["method", "calls a night", "prompt tokens", "answer tokens", "a year", "calls before", "before"]
    return table(head, rows)
