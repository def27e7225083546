"""The scenarios, in the order in which they are played."""

from __future__ import annotations

from benchmarks.chaos.scenarios import bad_luck, elsewhere, killed, limits, outages
from benchmarks.chaos.scenarios.base import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *bad_luck.SCENARIOS,
    *outages.SCENARIOS,
    *limits.SCENARIOS,
    *elsewhere.SCENARIOS,
    *killed.SCENARIOS,
)
