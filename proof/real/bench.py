"""What each method makes of each change: how well one night tells, how many nights an alarm takes, what it costs.

The rules, fixed before a figure was seen. Every method sees the same endpoints under the same noise. AUC is the chance
that a score under the change is above one without it (ties count half): for the nightly detector the score is its
level after one night (and after seven), for the others their statistic, or one minus p. Every change and every level
of noise counts alike in a mean, the temperatures too, which log probabilities cannot show; the mean without them
stands beside it. Nights are those to CHANGED in the median (inf: over `NIGHTS`); for LT, which has no rule for nights,
those until the statistic is above what it exceeds without a change in 1 of 20 years, found by simulation from the
known noise, an advantage that nobody has outside. Texts have no levels of noise: sampling at temperature 1 drowns it.

Tier 1a asked at temperature 0 at first. That run, .908, showed the gap that the temperatures leave; the surprise of
the tokens that come at temperature 1 was added for it, its rules (`ours.log_probabilities`, `Endpoint.draws`) fixed
before its first figure, and what was there before stays as "1a, cold", from the same seeds.

Tier 1b watched the share of the token that led at first, 20 inputs ten times: .895. The deviance, and 15 inputs twelve
times, were chosen on the changes in `DEVELOPED` alone, with noise of endpoints numbered from 5000, among: total
variation, Pearson's chi-squared, the deviance; 9 to 30 inputs at 180 calls; more looks, or two rounds of them; steady
inputs beside the ties; unequal calls. The first figures of the other changes were .70 for eight bits at low noise:
among inputs that do not vary the nearest to a tie were not found. So they are looked for at temperature .1 since, eight
bits count among `DEVELOPED`, and "1b, other" is on a hundred inputs that were collected after that. What was there
before stays as "1b, before".

Tier 2 compared only the words of texts at first: .72, and .71 for Q5_0, which ends half of its texts early. Lengths
were added for that, chosen on all changes among what `page.py` names under "Texts".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from promptops.core.statistics.text_equality import PromptTexts, equality_test, in_words
from proof.real import ours, theirs
from proof.real.collect import TOKENS
from proof.real.endpoint import CHANGES, LEVELS, SAME, Change, Endpoint
from proof.real.openings import LT_PROBE, OPENINGS, PROBES
from proof.real.samples import BASE, FIRST, TEXTS, Floats, Samples, load
from proof.tasks import Task

ENDPOINTS, TIMED = 120, 40
"""Endpoints for an AUC, and those of them that are watched until an alarm."""
NIGHTS, WEEK = 60, 7
TESTS = 100
"""Tests of texts, of each change."""
YEARS = 100
"""Endpoint-years for LT's threshold."""
EQUALITY_DRAWS = 999
DOLLARS_IN, DOLLARS_OUT = 2e-6, 8e-6
"""A token of a prompt, and of an answer."""

SEEDS = {"1a": 0, "1a tiny": 1, "1b": 2, "1b tiny": 4, "1b, other": 5, "1b, before": 2, "1a, cold": 0}
"""The tiers, each with a part of its seeds: what is compared with what was there before has the same endpoints."""
DEVELOPED = (
    *("Q4_1 to F16", "Q4_1 to Q8_0", "Q4_1 to Q5_0", "Q4_1 to Q3_K", "system prompt added"),
    *("10 % Q4_0", "10 % system prompt", "temperature .8"),
)
"""The changes that the number of tier 1b was chosen on; the others were looked at afterwards."""
TEXT_METHODS = ("2", "MET")
QUICK = ("Q4_1 to Q8_0", "10 % Q2_K")


@dataclass(frozen=True, slots=True)
class Cell:
    """One method, change and level of noise.

    `auc` after one night or test, `week` after seven nights (None: it does not add up nights), `nights` to the alarm
    in the median, `power` at p ≤ .05 for methods that give a p value.
    """

    method: str
    change: str
    noise: str
    auc: float
    week: float | None = None
    nights: float | None = None
    power: float | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a method asks: calls and tokens of a night, dollars a year if asked every night, calls before the first."""

    method: str
    calls: int
    prompt_tokens: float
    answer_tokens: float
    dollars: float
    calls_before: int
    dollars_before: float


def auc(changed: npt.ArrayLike, same: npt.ArrayLike) -> float:
    """The chance that one of `changed` is above one of `same`, ties counting half."""
    high, low = np.asarray(changed)[:, None], np.asarray(same)[None, :]
    return float((high > low).mean() + 0.5 * (high == low).mean())


def cells(*, quick: bool) -> Iterator[Task]:
    for noise in ("middle",) if quick else LEVELS:
        for tier in SEEDS:
            yield Task(f"real model: tier {tier}, {noise} noise", nightly, (tier, noise), {"quick": quick}, (FIRST,))
        for method in ("LT", "LT, same calls"):
            yield Task(f"real model: {method}, {noise} noise", tracking, (method, noise), {"quick": quick}, (FIRST,))
    for method in TEXT_METHODS:
        yield Task(f"real model: texts, {method}", texts, (method,), {"quick": quick}, (TEXTS,))


def changes(*, quick: bool) -> list[Change]:
    return [change for change in CHANGES if not quick or change.name in QUICK]


def watch(samples: Samples, tier: str, sigma: float, number: int) -> ours.Watch:
    """Endpoint `number` with the noise `sigma`, calibrated for `tier`."""
    rng = np.random.default_rng([number, round(1e6 * sigma), SEEDS[tier]])
    endpoint = Endpoint(samples, sigma, rng)
    if tier in ours.BORDER:
        inputs = samples.others if tier == "1b, other" else samples.looked
        return ours.Watch(ours.border_inputs(endpoint, inputs, ours.BORDER[tier]), rng)
    if tier == "1a tiny":
        return ours.Watch(ours.log_probabilities(endpoint, ours.TINY, PROBES[:1]), rng)
    return ours.Watch(ours.log_probabilities(endpoint, ours.STANDARD, drawn=tier == "1a"), rng)


def nightly(tier: str, noise: str, *, quick: bool) -> list[Cell]:
    samples, wanted = load(), changes(quick=quick)
    levels: dict[str, list[list[float]]] = {change.name: [] for change in (SAME, *wanted)}
    alarms: dict[str, list[float]] = {change.name: [] for change in wanted}
    for number in range(16 if quick else ENDPOINTS):
        watched = watch(samples, tier, LEVELS[noise], number)
        levels[SAME.name].append(watched.future(SAME, WEEK, WEEK)[0])
        timed = number < (8 if quick else TIMED)
        for change in wanted:
            found, alarmed = watched.future(change, NIGHTS if timed else WEEK, WEEK)
            levels[change.name].append(found)
            if timed:
                alarms[change.name].append(math.inf if alarmed is None else float(alarmed))
    after = {name: np.array([found[:WEEK] for found in rows]) for name, rows in levels.items()}
    cells = []
    for change in wanted:
        one, week = (auc(after[change.name][:, at], after[SAME.name][:, at]) for at in (0, WEEK - 1))
        cells.append(Cell(tier, change.name, noise, one, week, median(alarms[change.name])))
    return cells


def tracking(method: str, noise: str, *, quick: bool) -> list[Cell]:
    """LT as published (one probe, ten calls), or with the calls that tier 1a makes (five probes, thirty)."""
    probes, calls = ((LT_PROBE,), theirs.LT_CALLS) if method == "LT" else (PROBES, ours.STANDARD)
    rng = np.random.default_rng([round(1e6 * LEVELS[noise]), calls])
    count, nights = (16, 2000) if quick else (ENDPOINTS, 365 * YEARS)
    ends = [Endpoint(load(), LEVELS[noise], rng) for _ in range(count)]

    def statistic(end: Endpoint, change: Change) -> float:
        pairs = [(end.logs(probe, SAME, calls), end.logs(probe, change, calls)) for probe in probes]
        return float(np.mean([theirs.log_probability_tracking(before, now) for before, now in pairs]))

    few = nights if method == "LT" else nights // 5
    nothing = sorted(statistic(ends[night % count], SAME) for night in range(few))
    limit = nothing[math.floor((1 - 0.05 / 365) * few)]
    cells = []
    for change in changes(quick=quick):
        found = [statistic(end, change) for end in ends]
        delays = [
            float(next((night for night in range(1, NIGHTS + 1) if statistic(end, change) > limit), math.inf))
            for end in ends[:TIMED]
        ]
        cells.append(
            Cell(method, change.name, noise, auc(found, nothing[:: max(1, few // 2000)]), None, median(delays))
        )
    return cells


def texts(method: str, *, quick: bool) -> list[Cell]:
    samples, rng, tests = load(), np.random.default_rng(25), 10 if quick else TESTS
    same = _test_texts(samples, SAME, method, tests, rng)
    cells = []
    for change in changes(quick=quick):
        if _text_variant(change) not in samples.texts:
            continue
        found = _test_texts(samples, change, method, tests, rng)
        power = float((found[:, 1] <= 0.05).mean())
        cells.append(Cell(method, change.name, "sampling", auc(found[:, 0], same[:, 0]), power=power))
    return cells


def _test_texts(samples: Samples, change: Change, method: str, tests: int, rng: np.random.Generator) -> Floats:
    """Score and p value of each test: two samples of ten texts of each opening, the second one under the change."""
    variant = _text_variant(change)
    share = 0.0 if variant == BASE else change.share
    before = samples.texts[BASE]
    pools = [[*old, *new] for old, new in zip(before, samples.texts[variant], strict=True)]
    equality = theirs.ModelEquality(pools, TOKENS) if method == "MET" else None
    words = [[in_words(samples.text(text)) for text in pool] for pool in pools] if equality is None else []
    found = np.empty((tests, 2))
    for test in range(tests):
        drawn = [_drawn(len(old), len(pool), share, rng) for old, pool in zip(before, pools, strict=True)]
        then, now = [one for one, _ in drawn], [other for _, other in drawn]
        if equality is not None:
            found[test] = equality.statistic(then, now), equality.p_value(then, now, rng)
            continue
        prompts = [
            PromptTexts([pool[place] for place in one], [pool[place] for place in other])
            for pool, (one, other) in zip(words, drawn, strict=True)
        ]
        p = equality_test(prompts, seed=int(rng.integers(1 << 30)), draws=EQUALITY_DRAWS)
        assert p is not None
        found[test] = 1 - p, p
    return found


def _text_variant(change: Change) -> str:
    if change.temperature is None:
        return change.variant
    return f"temperature {change.temperature:g}".replace("0.", ".")


def _drawn(old: int, all_: int, share: float, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Places of ten texts from before and of ten now, all different: without a change all from before."""
    mixed = rng.permutation(old)
    new = iter(rng.permutation(np.arange(old, all_)))
    size = theirs.MET_SAMPLES
    now = [int(next(new)) if rng.random() < share else int(mixed[size + place]) for place in range(size)]
    return [int(place) for place in mixed[:size]], now


def costs() -> Iterator[Task]:
    yield Task("real model: costs", prices, files=(FIRST, TEXTS))


def prices() -> list[Cost]:
    """Prompt tokens as this model's server counts them, with its chat template; every night of a year."""
    samples = load()
    nights = ours.REFERENCE + ours.CALIBRATION
    standard = ours.STANDARD * len(PROBES)
    border = {name: (plan.inputs * plan.calls, ours.LOOKS * plan.among) for name, plan in ours.BORDER.items()}
    probe, looked, text = samples.probe_tokens, samples.looked_tokens, samples.text_tokens
    met = len(OPENINGS) * theirs.MET_SAMPLES
    found = []
    for method, calls, prompt, answer, before in (
        ("1a", standard, probe, 1, nights * standard),
        ("1a tiny", ours.TINY, probe, 1, nights * ours.TINY),
        *((name, asked, looked, 1, nights * asked + looks) for name, (asked, looks) in border.items()),
        ("LT", theirs.LT_CALLS, probe, 1, theirs.LT_CALLS),
        ("LT, same calls", standard, probe, 1, standard),
        ("2", met, text, TOKENS, met),
        ("MET", met, text, TOKENS, met),
    ):
        each = prompt * DOLLARS_IN + answer * DOLLARS_OUT
        found.append(
            Cost(method, calls, calls * prompt, calls * float(answer), 365 * calls * each, before, before * each)
        )
    return found
