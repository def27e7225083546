"""Does a served model still answer as it did? An exact test of tonight's samples against the recording's own.

If nothing changed, tonight's samples of a case and its recorded ones are draws from one distribution: which of them are
called "tonight" is arbitrary. Every split is equally likely, so the chance of what was seen, or worse, is a count of
splits. Nothing is assumed of the model, and temperature is no obstacle. `docs/drift.md` says what it cannot see.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

State = Literal["stable", "watch", "changed", "unmeasurable"]

FALSE_ALARMS_A_YEAR = 0.1
TESTS = 3  # texts, outcomes, validity
CHANGED_LEVEL = FALSE_ALARMS_A_YEAR / 365 / TESTS
WATCH_LEVEL = 0.01 / TESTS
MOST_MISSING = 0.1

Splits = dict[int, int]
"""Value of a statistic → number of equally likely splits of one case that give it."""

Distribution = dict[int, float]
"""Value of a statistic → its probability."""


class CaseSamples(Struct, frozen=True):
    """What one case answered, when it was recorded and tonight; `identity` counts answers of another model."""

    case: str
    recorded: Sequence[Answer]
    tonight: Sequence[Answer]
    identity: int = 0


class Answer(Struct, frozen=True):
    """What is compared of one sample; `passed` and `valid` are None where they say nothing.

    `served` is the model that the reply names, `tokens` the prompt tokens that it counts.
    """

    text: str
    passed: bool | None = None
    valid: bool | None = None
    served: str | None = None
    tokens: int | None = None


class DriftDecision(Struct, frozen=True):
    """What one check found.

    `agreement` is the share of (recorded, tonight) pairs of a case with equal text, `own_agreement` the same among
    the recorded samples themselves (None: no case has two). p values are one-sided for texts, two-sided for outcomes
    and validity; None where the test has nothing to go by. `needs` is how many cases would have to answer in a text
    never seen before the text test says CHANGED (None: it never would).
    """

    state: State
    reasons: tuple[str, ...]
    agreement: float | None
    own_agreement: float | None
    p_texts: float | None
    p_outcomes: float | None
    p_validity: float | None
    measured: int
    missing: int
    differing: tuple[str, ...]
    broke: tuple[str, ...]
    fixed: tuple[str, ...]
    needs: int | None
    notices: tuple[str, ...] = ()


def normalised(text: str) -> str:
    """The text as it is compared: runs of white space are one blank."""
    return " ".join(text.split())


def decide_drift(cases: Sequence[CaseSamples]) -> DriftDecision:
    """Decide for one served version; pure, so that it can be recomputed from the samples.

    CHANGED at p ≤ .1 / 365 / 3 in any of three tests, so that a check every night raises at most one false alarm in ten
    years of an endpoint (union bound), or where another model answered; WATCH at .01 / 3, or where something moved that
    no test can judge.
    """
    usable = [case for case in cases if case.recorded and case.tonight]
    missing = len(cases) - len(usable)
    p_texts = texts_p_value(usable)
    p_outcomes = _flags_p_value([_flags(case, "passed") for case in usable])
    p_validity = _flags_p_value([_flags(case, "valid") for case in usable])
    notices = tuple(_notices(usable))
    state, reasons = _state(cases, usable, (p_texts, p_outcomes, p_validity), notices)
    return DriftDecision(
        state=state,
        reasons=tuple(reasons),
        agreement=_share([agreement(case.recorded, case.tonight) for case in usable]),
        own_agreement=_share([own for case in usable if (own := own_agreement(case.recorded)) is not None]),
        p_texts=p_texts,
        p_outcomes=p_outcomes,
        p_validity=p_validity,
        measured=len(usable),
        missing=missing,
        differing=tuple(case.case for case in usable if agreement(case.recorded, case.tonight) < 1),
        broke=tuple(case.case for case in usable if _rate(case.tonight) < _rate(case.recorded)),
        fixed=tuple(case.case for case in usable if _rate(case.tonight) > _rate(case.recorded)),
        needs=changed_cases_needed(usable),
        notices=notices,
    )


def texts_p_value(cases: Sequence[CaseSamples]) -> float | None:
    """The chance that tonight's texts agree so little with the recorded ones if nothing changed; None: no information.

    The statistic is the number of equal (recorded, tonight) pairs. A case with one recorded and one sample of tonight
    says nothing: swapping them changes nothing.
    """
    observed, splits = 0, _POINT
    for case in cases:
        groups = Counter(normalised(answer.text) for answer in [*case.recorded, *case.tonight])
        tonight = Counter(normalised(answer.text) for answer in case.tonight)
        own = pair_splits(groups, len(case.tonight))
        if len(own) > 1:
            observed += sum(count * (groups[text] - count) for text, count in tonight.items())
            splits = _convolved(splits, own)
    return None if len(splits) == 1 else _tail(splits, at_most=observed)


def pair_splits(groups: Mapping[str, int], tonight: int) -> Splits:
    """How many splits of samples, grouped by text, give how many equal (recorded, tonight) pairs.

    A multivariate hypergeometric count, group by group: with k of a group's n called tonight, k (n - k) pairs agree.
    """
    states: dict[tuple[int, int], int] = {(0, 0): 1}
    for size in groups.values():
        grown: dict[tuple[int, int], int] = {}
        for (used, pairs), ways in states.items():
            for taken in range(min(size, tonight - used) + 1):
                key = (used + taken, pairs + taken * (size - taken))
                grown[key] = grown.get(key, 0) + ways * math.comb(size, taken)
        states = grown
    return {pairs: ways for (used, pairs), ways in states.items() if used == tonight}


def agreement(recorded: Sequence[Answer], tonight: Sequence[Answer]) -> float:
    """The share of (recorded, tonight) pairs with equal text."""
    then = Counter(normalised(answer.text) for answer in recorded)
    return sum(then[normalised(answer.text)] for answer in tonight) / (len(recorded) * len(tonight))


def own_agreement(recorded: Sequence[Answer]) -> float | None:
    """The share of pairs among the recorded samples with equal text; None below two samples."""
    total = len(recorded)
    if total < 2:
        return None
    counts = Counter(normalised(answer.text) for answer in recorded).values()
    return sum(count * (count - 1) for count in counts) / (total * (total - 1))


def changed_cases_needed(cases: Sequence[CaseSamples]) -> int | None:
    """How many cases would have to answer in a text never seen before the text test says CHANGED."""
    splits, needed, observed = _POINT, 0, 0
    for case in cases:
        if len(case.recorded) < 2:
            continue
        needed += 1
        groups = Counter(normalised(answer.text) for answer in case.recorded)
        groups["\0 never seen"] = len(case.tonight)
        splits = _convolved(splits, pair_splits(groups, len(case.tonight)))
        if _tail(splits, at_most=observed) <= CHANGED_LEVEL:
            return needed
    return None


def _flags(case: CaseSamples, name: Literal["passed", "valid"]) -> tuple[list[bool], list[bool]]:
    recorded = [getattr(answer, name) for answer in case.recorded]
    tonight = [getattr(answer, name) for answer in case.tonight]
    if None in recorded or None in tonight:
        return [], []
    return recorded, tonight


def _flags_p_value(cases: Sequence[tuple[list[bool], list[bool]]]) -> float | None:
    """Two-sided exact p value that tonight's share of True differs; with one sample each it is McNemar's exact test."""
    observed, splits = 0, _POINT
    for recorded, tonight in cases:
        true, total, size = sum(recorded) + sum(tonight), len(recorded) + len(tonight), len(tonight)
        if 0 < true < total and size:
            low, high = max(0, size - (total - true)), min(true, size)
            own = {k: math.comb(true, k) * math.comb(total - true, size - k) for k in range(low, high + 1)}
            observed += sum(tonight)
            splits = _convolved(splits, own)
    if len(splits) == 1:
        return None
    mirrored = {-value: ways for value, ways in splits.items()}
    return min(1.0, 2 * min(_tail(splits, at_most=observed), _tail(mirrored, at_most=-observed)))


_POINT: Distribution = {0: 1.0}


def _convolved(one: Distribution, other: Splits) -> Distribution:
    """The distribution of the sum over one case more."""
    total = sum(other.values())
    chances = [(more, ways / total) for more, ways in other.items()]
    found: Distribution = {}
    for value, probability in one.items():
        for more, chance in chances:
            found[value + more] = found.get(value + more, 0.0) + probability * chance
    return found


def _tail(sums: Distribution, *, at_most: int) -> float:
    return min(1.0, math.fsum(probability for value, probability in sums.items() if value <= at_most))


def _state(
    cases: Sequence[CaseSamples],
    usable: Sequence[CaseSamples],
    p_values: tuple[float | None, float | None, float | None],
    notices: Sequence[str],
) -> tuple[State, list[str]]:
    names = ("texts", "outcomes", "validity of the outputs")
    named = [(name, p) for name, p in zip(names, p_values, strict=True) if p is not None]
    identity = sum(case.identity for case in cases)
    if identity:
        return "changed", [f"another model answered {identity} of the requests"]
    if proven := [f"{name} changed beyond chance (p = {p:.2g})" for name, p in named if p <= CHANGED_LEVEL]:
        return "changed", proven
    if not usable:
        return "unmeasurable", ["no case could be measured" if cases else "there is no case"]
    if len(cases) - len(usable) > MOST_MISSING * len(cases):
        return "unmeasurable", [f"{len(cases) - len(usable)} of {len(cases)} cases could not be measured"]
    watched = [f"{name} moved (p = {p:.2g})" for name, p in named if p <= WATCH_LEVEL]
    # Where several are recorded and no text of a case repeats, another one is what it always gave.
    once = sum(len(case.recorded) == 1 and agreement(case.recorded, case.tonight) < 1 for case in usable)
    if p_values[0] is None and once:
        watched.append(
            f"{once} of {len(usable)} cases answered in other words than their only recorded sample: "
            "whether that is chance cannot be told"
        )
    watched += notices
    return ("watch", watched) if watched else ("stable", [])


def _notices(usable: Sequence[CaseSamples]) -> list[str]:
    """What providers say about themselves: it moves before texts do."""
    found = []
    before = {answer.served for case in usable for answer in case.recorded if answer.served}
    now = {answer.served for case in usable for answer in case.tonight if answer.served}
    if before and now and not now <= before:
        found.append(f"replies name another model: {', '.join(sorted(now - before))} (was {', '.join(sorted(before))})")
    counted = [case for case in usable if _tokens(case.recorded) and _tokens(case.tonight)]
    if other := sum(_tokens(case.recorded) != _tokens(case.tonight) for case in counted):
        found.append(f"the provider counts other prompt tokens for {other} of {len(counted)} equal requests")
    return found


def _tokens(answers: Sequence[Answer]) -> set[int]:
    return {answer.tokens for answer in answers if answer.tokens is not None}


def _rate(answers: Sequence[Answer]) -> float:
    return sum(bool(answer.passed) for answer in answers) / len(answers)


def _share(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
