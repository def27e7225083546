"""A second endpoint of the same model, and second requests: failover and hedging."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks.chaos import claims
from benchmarks.chaos.claims import Finding
from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.scenarios.base import Play, Scenario
from benchmarks.chaos.stage import Stage, recorded, stored
from promptops.models import Json
from promptops.testing import TemporaryProject

PLACES = 16
SHARE = 0.1
START = 8.0  # seconds for everything beside waiting, on a busy machine


def _failover(first: Conduct) -> Play:
    """The first endpoint never answers well, the second one always does."""

    def play(stage: Stage, cases: int) -> Iterator[Finding]:
        with stage.server(first) as bad, stage.server(Conduct()) as good:
            providers: dict[str, dict[str, Json]] = {
                "loop": {"base_url": bad.url, "concurrency": PLACES, "failover": ["spare"]},
                "spare": {"base_url": good.url, "concurrency": PLACES},
            }
            project = stage.project(cases, providers)
            ended, tried, log = stage.run(project, "--mode", "new"), bad.log(), good.log()
        yield claims.exits(ended, 0)
        yield claims.each_once(log, cases)
        yield claims.all_pass(ended, cases)
        yield claims.in_flight(log, PLACES)
        yield claims.at_most("requests to the endpoint that refuses", len(tried.entries), 0.25 * cases + PLACES)
        yield claims.same(
            "all are recorded", [row["case"] for row in recorded(project)], [f"c{n}" for n in range(cases)]
        )
        yield claims.at_most("seconds", ended.wall, START, timed=True)
        served = _served(project)
        yield Finding("the record names who served", served == {"spare": cases}, str(served))

    return play


def _hedging(stage: Stage, cases: int) -> Iterator[Finding]:
    """One request in twenty takes ten times as long; after three times the usual a second one is sent."""
    with stage.server(Conduct(slow=0.05, seed=3)) as server:
        settings: dict[str, Json] = {
            "base_url": server.url,
            "concurrency": PLACES,
            "hedge_after": "150ms",
            "hedge_share": SHARE,
        }
        project = stage.project(cases, {"loop": settings})
        ended, log = stage.run(project, "--mode", "new"), server.log()
    yield claims.exits(ended, 0)
    yield claims.all_pass(ended, cases)
    yield claims.in_flight(log, PLACES)
    yield claims.same(
        "all are recorded once", [row["case"] for row in recorded(project)], [f"c{n}" for n in range(cases)]
    )
    extra = len(log.entries) - cases
    yield claims.at_least("second requests", extra, 1)
    yield claims.at_most("second requests", extra, SHARE * cases + 1)
    hedged = sum(attempt.get("hedge", False) for attempts in _attempts(project) for attempt in attempts)
    yield Finding("the record tells of each", hedged == extra, f"{hedged} of {extra}")


def _served(project: TemporaryProject) -> dict[str, int]:
    """How many samples each endpoint served, by the run store."""
    replies = [json.loads(reply) for (reply,) in stored(project, "SELECT reply FROM samples WHERE reply IS NOT NULL")]
    return dict(Counter(reply.get("endpoint") or "loop" for reply in replies))


def _attempts(project: TemporaryProject) -> list[list[dict[str, Any]]]:
    rows = stored(project, "SELECT attempts FROM samples WHERE attempts IS NOT NULL")
    return [json.loads(attempts) for (attempts,) in rows]


SCENARIOS = (
    Scenario("failover from one that always says 429", _failover(Conduct(refused=1.0)), 300, 100),
    Scenario("failover from one that always says 500", _failover(Conduct(broken=1.0)), 300, 100),
    Scenario("failover from one that is dead", _failover(Conduct(dies_after=1)), 300, 100),
    Scenario("hedging", _hedging, 400, 150),
)
