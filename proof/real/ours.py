"""The tiers of promptops on the served endpoint: numbers of a night, and the detector that watches them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from promptops.core.nightly import profiles
from promptops.core.nightly.profiles import Profile
from promptops.core.nightly.surprise import SURPRISE
from promptops.core.nightly.watch import ALL_INPUTS
from promptops.core.statistics.rank_detector import RankDetector
from proof.real.endpoint import SAME, Change, Endpoint
from proof.real.openings import PROBES
from proof.real.samples import FirstToken, Floats

Bools = npt.NDArray[np.bool_]

REFERENCE, CALIBRATION = 8, 60
"""Readings that make the reference, and further ones that nights are ranked among: what `promptops drift` does."""
STANDARD, TINY = 30, 10
"""Calls of each probe in a night: 3 blocks of 10 for five probes, or 10 calls of one."""
LOOKS, LOOK_AT = 4, 0.1
"""Calls of each input from which the border inputs are chosen, and their temperature."""


@dataclass(frozen=True, slots=True)
class Border:
    """`inputs` out of `among`, `calls` of each in a night; `shares`: as it was, ties looked for at temperature 0."""

    inputs: int
    calls: int
    among: int = 100
    shares: bool = False


BORDER = {
    "1b": Border(15, 12),
    "1b tiny": Border(10, 1, 20),
    "1b, other": Border(15, 12),
    "1b, before": Border(20, 10, shares=True),
}
"""Tier 1b; the same on inputs that nothing was chosen on; what it was before: epochs that began so go on with it."""

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


def border_inputs(endpoint: Endpoint, tables: Mapping[str, FirstToken], plan: Border) -> Numbers:
    """Tier 1b: of the most even inputs at temperature 0, how far their first tokens are from the reference.

    One number for all of them, by the functions of the nightly watch.
    """
    number = profiles.share_distance if plan.shares else profiles.deviance
    look = SAME if plan.shares else Change("a look", temperature=LOOK_AT)

    def asked(words: Iterable[str], change: Change, count: int) -> dict[str, list[str]]:
        return {word: [str(token) for token in endpoint.answers(tables[word], word, change, count)] for word in words}

    chosen = profiles.border_inputs(asked([*tables][: plan.among], look, LOOKS), most=plan.inputs)
    reference = _profiles(asked(chosen, SAME, REFERENCE * plan.calls))
    return lambda change: {ALL_INPUTS: number(reference, _profiles(asked(chosen, change, plan.calls)))}


def _profiles(answers: Mapping[str, Sequence[str]]) -> dict[str, Profile]:
    return {word: profiles.shares_of(said) for word, said in answers.items()}


def _shown(calls: Floats) -> Bools:
    """The tokens that are among the likeliest in one call at least."""
    found: Bools = (calls > calls.min(axis=1, keepdims=True)).any(axis=0)
    return found
