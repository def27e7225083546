"""`kill -9` in the middle of a run: the next one asks for what is missing, and the result is the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.chaos import claims
from benchmarks.chaos.claims import Finding
from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.scenarios.base import Scenario
from benchmarks.chaos.stage import HostileServer, Stage, recorded, wait_for

PLACES = 16
KILLS = 3


def _killed(stage: Stage, cases: int) -> Iterator[Finding]:
    with stage.server(Conduct()) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "concurrency": PLACES}})
        for number in range(1, KILLS + 1):
            running = stage.start_run(project, "--mode", "new")
            wait_for(partial(_answered, server, number * cases // (KILLS + 1)), [running])
            running.kill()
            running.ended()
        ended, log = stage.run(project, "--mode", "new"), server.log()
    yield claims.exits(ended, 0)
    yield claims.all_pass(ended, cases)
    yield claims.at_least("cases answered", len(log.answered), cases)
    twice = sum(log.answered.values()) - cases
    yield claims.at_most("answers more than once, those in flight at a kill", twice, KILLS * PLACES)
    yield claims.same(
        "all are recorded once", [row["case"] for row in recorded(project)], [f"c{n}" for n in range(cases)]
    )


def _answered(server: HostileServer, cases: int) -> bool:
    return len(server.log().answered) >= cases


SCENARIOS = (Scenario("kill -9, three times", _killed, 600, 200),)
