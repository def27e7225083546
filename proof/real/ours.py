"""The tiers of promptops on the served endpoint: numbers of a night, and the detector that watches them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from promptops.core.nightly.surprise import SURPRISE
from promptops.core.statistics.rank_detector import RankDetector
from proof.real.endpoint import SAME, Change, Endpoint
from proof.real.openings import PROBES
from proof.real.samples import FirstToken, Floats

Bools = npt.NDArray[np.bool_]

REFERENCE, CALIBRATION = 8, 40
"""Readings that make the reference, and further ones that nights are ranked among: what `promptops drift` does."""
STANDARD, TINY = 30, 10
"""Calls of each probe in a night: 3 blocks of 10 for five probes, or 10 calls of one."""
INPUTS, ANSWERS = 20, 10
"""Border inputs, and calls of each in a night."""
LOOKS, TRIED = 4, 20
"""Calls of each input from which the border inputs are chosen: as `promptops drift` does, and for near ties."""

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


def log_probabilities(endpoint: Endpoint, calls: int, probes: Sequence[str] = PROBES, *, drawn: bool = True) -> Numbers:
    """Tier 1a: how far tonight's mean log probabilities of a probe are from the reference, token by token.

    The number is the mean absolute difference over the tokens that were shown in the reference or tonight; what was
    not shown counts as the least that was. `drawn`: asked at temperature 1, with the surprise of all calls as one more
    number; otherwise as at temperature 0, where the token that comes says nothing further.
    """
    reference: dict[str, tuple[Bools, Floats]] = {}
    for probe in probes:
        seen = endpoint.logs(probe, SAME, REFERENCE * calls)
        reference[probe] = (_shown(seen), seen.mean(axis=0))

    def numbers(change: Change) -> dict[str, float]:
        found, excess, variance = {}, 0.0, 0.0
        for probe, (shown, before) in reference.items():
            if drawn:
                now, came = endpoint.draws(probe, change, calls)
                means, variances = expected(now)
                excess, variance = excess + float((came - means).sum()), variance + float(variances.sum())
            else:
                now = endpoint.logs(probe, change, calls)
            found[probe] = float(np.abs(now.mean(axis=0) - before)[shown | _shown(now)].mean())
        return {**found, SURPRISE: excess / math.sqrt(variance)} if drawn else found

    return numbers


def expected(calls: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the log probability of the token to come, by what each call (rows) shows.

    What is not shown counts as the least that is, with all the chance that is left.
    """
    least = calls.min(axis=1, keepdims=True)
    chances = np.where(calls > least, np.exp(calls), 0.0)
    rest = 1 - chances.sum(axis=1)
    means = (chances * calls).sum(axis=1) + rest * least[:, 0]
    spread = (chances * (calls - means[:, None]) ** 2).sum(axis=1)
    variances: Floats = spread + rest * (least[:, 0] - means) ** 2
    return means, variances


def border_inputs(endpoint: Endpoint, tables: Mapping[str, FirstToken], tries: int) -> Numbers:
    """Tier 1b: of 20 inputs, the most even ones at temperature 0, how far the share of the token that led has moved.

    One number: the mean absolute difference over the inputs.
    """
    tried = {word: endpoint.answers(table, word, SAME, tries) for word, table in tables.items()}
    order = list(tables)
    chosen = sorted(order, key=lambda word: (_most(tried[word]), order.index(word)))[:INPUTS]
    before = {word: endpoint.answers(tables[word], word, SAME, REFERENCE * ANSWERS) for word in chosen}
    tops = {word: max(sorted(set(said)), key=said.count) for word, said in before.items()}
    shares = {word: before[word].count(top) / len(before[word]) for word, top in tops.items()}

    def numbers(change: Change) -> dict[str, float]:
        moved = 0.0
        for word, top in tops.items():
            now = endpoint.answers(tables[word], word, change, ANSWERS)
            moved += abs(now.count(top) / ANSWERS - shares[word])
        return {"all inputs": moved / len(tops)}

    return numbers


def _shown(calls: Floats) -> Bools:
    """The tokens that are among the likeliest in one call at least."""
    found: Bools = (calls > calls.min(axis=1, keepdims=True)).any(axis=0)
    return found


def _most(answers: Sequence[int]) -> int:
    return max(answers.count(token) for token in set(answers))
