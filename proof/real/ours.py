"""The tiers of promptops on the served endpoint: numbers of a night, and the detector that watches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from promptops.core.statistics.rank_detector import RankDetector
from proof.real.endpoint import SAME, Change, Endpoint
from proof.real.openings import PROBES
from proof.real.samples import Floats

CALIBRATION = 60
"""Nights' worth of calls made beforehand, and ranked against."""
REFERENCE = 10
"""Nights' worth of calls before these, that say what is normal for a probe."""
STANDARD, TINY = 30, 2
"""Calls of each of the five probes in a night: 3 blocks of 10, or 10 calls in all."""
INPUTS, ANSWERS = 20, 10
"""Border inputs, and calls of each in a night."""
TRIED = 20
"""Calls of each near tie from which the border inputs are chosen."""

Numbers = Callable[[Change], dict[str, float]]
"""One night's number of each probe, under a change."""


@dataclass(slots=True)
class Watch:
    """A calibrated detector of one endpoint, from which any number of futures can be watched."""

    numbers: Numbers
    rng: np.random.Generator
    calibrated: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nights = [self.numbers(SAME) for _ in range(CALIBRATION)]
        self.calibrated = {probe: [night[probe] for night in nights] for probe in nights[0]}

    def future(self, change: Change, nights: int, least: int) -> tuple[list[float], int | None]:
        """The detector's level after each night (at least `least` of them), and the night that said CHANGED."""
        detector = RankDetector()
        for probe, values in self.calibrated.items():
            detector.calibrate(probe, values)
        levels: list[float] = []
        alarmed: int | None = None
        for night in range(1, nights + 1):
            tonight = self.numbers(change)
            draws = {probe: float(np.clip(self.rng.random(), 1e-12, 1 - 1e-12)) for probe in tonight}
            if detector.add(tonight, draws) == "changed" and alarmed is None:
                alarmed = night
            levels.append(detector.level)
            if alarmed is not None and night >= least:
                break
        return levels, alarmed


def log_probabilities(endpoint: Endpoint, calls: int, probes: Sequence[str] = PROBES) -> Numbers:
    """Tier 1a: how far tonight's mean log probabilities of a probe are from the reference, token by token.

    The number is the mean absolute difference over the tokens that were shown in the reference.
    """
    reference: dict[str, tuple[Floats, Floats]] = {}
    for probe in probes:
        seen = endpoint.logs(probe, SAME, REFERENCE * calls)
        shown = (seen > seen.min(axis=1, keepdims=True)).any(axis=0)
        reference[probe] = (shown, seen.mean(axis=0))

    def numbers(change: Change) -> dict[str, float]:
        found = {}
        for probe, (shown, before) in reference.items():
            now = endpoint.logs(probe, change, calls).mean(axis=0)
            found[probe] = float(np.abs(now - before)[shown].mean())
        return found

    return numbers


def border_inputs(endpoint: Endpoint) -> Numbers:
    """Tier 1b: of 20 inputs whose first token is nearly a tie, the share of answers with the token that led before."""
    tried = {}
    for word in endpoint.samples.border:
        answers = endpoint.answers(word, SAME, TRIED)
        top = max(set(answers), key=lambda token: (answers.count(token), token))
        tried[word] = (abs(answers.count(top) / TRIED - 0.5), top)
    chosen = sorted(tried, key=lambda word: tried[word][0])[:INPUTS]

    def numbers(change: Change) -> dict[str, float]:
        return {word: _share(endpoint.answers(word, change, ANSWERS), tried[word][1]) for word in chosen}

    return numbers


def _share(answers: Sequence[int], token: int) -> float:
    return answers.count(token) / len(answers)
