"""Canaries with guardrails in which nothing changed: thousands at once, as `Trial` decides them one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from promptops.core.metrics import metric_settings
from promptops.core.statistics.many import ManySignTests
from promptops.formats import UNBOUNDED, CanarySettings, MetricSetting
from proof.rates import Rate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ALPHA = 0.05
HUGE = 1 / 30
"""The share of figures that are a thousand times as large as the others."""
SHARED = 0.95
TOGETHER = {"independent": 0.0, "alike": SHARED, "opposite": -SHARED}
"""How much of what makes a figure larger in one sample is the same for all metrics; below 0: for every other metric."""
TIGHT = {"margin": "1%"}
FAMILIES: Mapping[str, tuple[Mapping[str, Mapping[str, object]], tuple[int, ...]]] = {
    "cost": ({"cost": TIGHT}, (20, 73, 200, 400)),
    "cost 10%, latency, length both ways": (
        {"cost": {"margin": "10%"}, "latency": TIGHT, "length": TIGHT},
        (20, 73, 200),
    ),
    "valid outputs, cost, latency, tokens, length both ways": (
        {"validation": {}, "cost": TIGHT, "latency": TIGHT, "tokens": TIGHT, "length": TIGHT},
        (50, 137),
    ),
}


@dataclass(frozen=True, slots=True)
class Family:
    """False REGRESS of a family of `tests`, looked at after every case and never stopped by a PASS."""

    guardrails: str
    together: str
    cases: int
    tests: int
    false: Rate


def grid(*, quick: bool) -> Iterator[tuple[str, str, int]]:
    """Guardrails, how they hang together, cases."""
    for name, (_, sizes) in FAMILIES.items():
        yield from product((name,), TOGETHER, (20,) if quick else sizes)


def family(name: str, together: str, cases: int, rounds: int) -> Family:
    settings = settings_of(FAMILIES[name][0])
    rng = np.random.Generator(np.random.PCG64([cases, len(settings), list(TOGETHER).index(together)]))
    stopped = regressed(draw(settings, TOGETHER[together], cases, rounds, rng))
    return Family(name, together, cases, len(settings), Rate(int(stopped.sum()), rounds))


def settings_of(guardrails: Mapping[str, Mapping[str, object]]) -> tuple[MetricSetting, ...]:
    return metric_settings(CanarySettings.model_validate({"guardrails": guardrails}), samples=1)


def draw(
    settings: Sequence[MetricSetting], together: float, cases: int, rounds: int, rng: np.random.Generator
) -> list[Ints]:
    """The signs (cases, rounds) that each test is fed: both sides of a case come from one source."""
    size = (cases, rounds)
    shared = [rng.normal(size=size) for _ in range(2)]
    names = list(dict.fromkeys(setting.name for setting in settings))
    figures: dict[str, list[Floats]] = {}
    for place, name in enumerate(names):
        way = -1 if together < 0 and place % 2 else 1
        own = (1 - together**2) ** 0.5
        sides = [way * abs(together) * side + own * rng.normal(size=size) for side in shared]
        base = rng.normal(size=size)
        if name in UNBOUNDED:
            huge = [np.where(rng.random(size) < HUGE, 1000.0, 1.0) for _ in range(2)]
            figures[name] = [np.exp(base + 0.3 * side) * times for side, times in zip(sides, huge, strict=True)]
        else:
            figures[name] = [(base + 0.4 * side < 1.0).astype(np.float64) for side in sides]
    return [signs(setting, *figures[setting.name]) for setting in settings]


def signs(setting: MetricSetting, before: Floats, after: Floats) -> Ints:
    """-1, 0 or 1 of each case; of a metric without bounds -1 where it is beyond its margin, else 1."""
    if setting.name not in UNBOUNDED:
        return np.sign(after - before if setting.worse == "decrease" else before - after).astype(np.int64)
    up = setting.worse == "increase"
    if setting.relative:
        limit = before * (1 + setting.margin) if up else before / (1 + setting.margin)
    else:
        limit = before + setting.margin if up else before - setting.margin
    room = limit - after if up else after - limit
    room[np.isclose(limit, after, rtol=1e-9, atol=0)] = 0.0
    return np.where(room < 0, -1, 1)


def regressed(paths: Sequence[Ints]) -> Bools:
    """Which rounds end in REGRESS: each test side by side at alpha / 1 … alpha / m, closed over all subsets."""
    cases, rounds = paths[0].shape
    total = len(paths)
    stopped = np.zeros((total, total, rounds), dtype=np.bool_)
    found = np.zeros(rounds, dtype=np.bool_)
    tests = [[ManySignTests(cases, ALPHA / size, rounds) for size in range(1, total + 1)] for _ in paths]
    for case in range(cases):
        for place, path in enumerate(paths):
            for size, test in enumerate(tests[place]):
                stopped[place, size] |= test.add(path[case])
        going = total - stopped.sum(axis=0)
        enough = stopped | (going <= np.arange(total)[:, None])[None]
        found |= enough.all(axis=1).any(axis=0)
    return found
