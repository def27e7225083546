"""The nightly detector: endpoint-years in which nothing changed, and shifts of known size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import median

from promptops.core.nightly.hanging import hanging_nights
from promptops.core.nightly.watch import BEFORE
from promptops.core.statistics.rank_detector import RankDetector, lag_one
from proof.rates import Rate
from proof.tasks import Task

Noise = Callable[[Random], float]


def _heavy(rng: Random) -> float:
    """Student's t with 3 degrees of freedom."""
    return rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2.0) / 3)


NOISES: dict[str, Noise] = {
    "normal": lambda rng: rng.gauss(0, 1),
    "t with 3 degrees of freedom": _heavy,
    "share of 10 answers, .9": lambda rng: float(sum(rng.random() < 0.9 for _ in range(10))),
    "constant": lambda rng: 1.0,
}


@dataclass(frozen=True, slots=True)
class Year:
    """False alarms in 365 nights after `calibration` blocks, of CHANGED and of WATCH."""

    noise: str
    probes: int
    calibration: int
    changed: Rate
    watched: Rate


@dataclass(frozen=True, slots=True)
class Delay:
    """A shift in standard deviations: nights to CHANGED in the median and the ninth decile (None: later than 60)."""

    shift: float
    calibration: int
    nights: float
    late: float


def years(*, quick: bool) -> Iterator[Task]:
    rounds = 40 if quick else 2000
    for name in NOISES:
        yield Task(f"nights: {name}", year, (name, 1, 30, rounds))
    yield Task("nights: four probes", year, ("normal", 4, 60, rounds // 4))


def year(name: str, probes: int, calibration: int, rounds: int) -> Year:
    changed = watched = 0
    noise = NOISES[name]
    rng = Random(f"year {name} {probes} {calibration}")
    for _ in range(rounds):
        seen = set(alarms(rng, noise, 0.0, probes, calibration, 365))
        changed += "changed" in seen
        watched += bool(seen & {"changed", "watch"})
    return Year(name, probes, calibration, Rate(changed, rounds), Rate(watched, rounds))


def delays(*, quick: bool) -> Iterator[Task]:
    for shift in (4.0,) if quick else (1.0, 2.0, 4.0, 8.0):
        for calibration in (60,) if quick else (30, 60):
            name = f"nights: a shift of {shift:g} sd, {calibration} calibration blocks"
            yield Task(name, delay, (shift, calibration, 40 if quick else 500))


def delay(shift: float, calibration: int, rounds: int) -> Delay:
    rng, found = Random(f"delay {shift} {calibration}"), []
    for _ in range(rounds):
        seen = list(alarms(rng, NOISES["normal"], shift, 1, calibration, 60))
        found.append(float(len(seen)) if seen[-1] == "changed" else float("inf"))
    found.sort()
    return Delay(shift, calibration, median(found), found[int(0.9 * len(found))])


def alarms(rng: Random, noise: Noise, shift: float, probes: int, calibration: int, nights: int) -> Iterator[str]:
    """What the detector says each night, up to the first CHANGED."""
    detector, names = RankDetector(), [f"p{number}" for number in range(probes)]
    for name in names:
        detector.calibrate(name, [noise(rng) for _ in range(calibration)])
    for _ in range(nights):
        tonight = {name: noise(rng) + shift for name in names}
        alarm = detector.add(tonight, {name: min(max(rng.random(), 1e-12), 1 - 1e-12) for name in names})
        yield alarm
        if alarm == "changed":
            return


def correlated(*, quick: bool) -> Iterator[Task]:
    yield Task("nights that hang together", hanging_together, (20 if quick else 400,))


def hanging_together(rounds: int) -> list[Rate]:
    """Nights that hang together (AR .3): false alarms if nobody measures it, and how often `lag_one` notices.

    And false alarms where only nights hang together, the calibration does not, and nights are measured before an alarm.
    """
    rng, other = Random("correlated"), Random("correlated nights")
    alarmed = noticed = left = 0
    for _ in range(rounds):
        last = [0.0]

        def noise(source: Random, last: list[float] = last) -> float:
            last[0] = 0.3 * last[0] + source.gauss(0, 1)
            return last[0]

        noticed += not lag_one([noise(rng) for _ in range(60)]).fine
        alarmed += "changed" in set(alarms(rng, noise, 0.0, 1, 60, 365))
        left += measured(other, noise, [other.gauss(0, 0.91**-0.5) for _ in range(60)], 365)
    return [Rate(alarmed, rounds), Rate(noticed, rounds), Rate(left, rounds)]


def measured(rng: Random, noise: Noise, calibration: list[float], nights: int) -> bool:
    """Whether the detector says CHANGED although the nights before are measured first, as the watch does it."""
    detector, counted, quiet = RankDetector(), list[dict[str, float]](), 0
    detector.calibrate("p", calibration)
    every, left = 1, 0
    for _ in range(nights):
        tonight = {"p": noise(rng)}
        if left:
            left -= 1
            continue
        left = every - 1
        counted.append(tonight)
        alarm = detector.add(tonight, {"p": min(max(rng.random(), 1e-12), 1 - 1e-12)})
        if detector.level <= BEFORE * detector.threshold:
            quiet = len(counted)
        if alarm == "changed":
            found = hanging_nights(counted[:quiet]) if every == 1 else None
            if found is None:
                return True
            if found.thin is None:
                return False
            every, detector.parts["p"] = found.thin, [0.0] * len(detector.parts["p"])
    return False
