"""A provider that is dead, dies, comes back, is ill or says nothing: nothing hangs, nothing floods, nothing is lost."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping

from benchmarks.chaos import claims
from benchmarks.chaos.claims import Finding
from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.scenarios.base import Scenario
from benchmarks.chaos.stage import Stage, recorded
from promptops.models import Json

PLACES, BREAKER = 16, 10
START = 6.0  # seconds for everything beside waiting, on a busy machine
_IMPATIENT: Mapping[str, Json] = {"concurrency": PLACES, "breaker": BREAKER, "breaker_patience": "1s"}


def _dead(stage: Stage, cases: int) -> Iterator[Finding]:
    with socket.socket() as taken:  # bound and never listening: nobody else gets the port, and nobody answers
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        project = stage.project(cases, {"loop": {"base_url": url, **_IMPATIENT}})
        ended = stage.run(project, "--mode", "live")
    yield claims.exits(ended, 10)
    yield claims.failures(ended, cases, {"connection", "outage"})
    yield claims.at_most("seconds", ended.wall, 1.0 + START, timed=True)


def _broken(stage: Stage, cases: int) -> Iterator[Finding]:
    with stage.server(Conduct(broken=1.0)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, **_IMPATIENT}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 10)
    yield claims.failures(ended, cases, {"server", "outage"})
    yield claims.at_most("requests, probes and those in flight included,", len(log.entries), BREAKER + PLACES + 6)
    yield claims.in_flight(log, PLACES)
    yield claims.at_most("seconds", ended.wall, 1.0 + START, timed=True)


def _dies(stage: Stage, cases: int) -> Iterator[Finding]:
    """It dies in the middle and stays so until the run has given up; the next run asks for the rest."""
    down = 8.0
    with stage.server(Conduct(dies_after=cases // 2, down=down)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, **_IMPATIENT}})
        ended = stage.run(project, "--mode", "new")
        before, kept = server.log(), recorded(project)
        died = max(entry.came for entry in before.entries)
        yield claims.exits(ended, 10)
        yield claims.failures(ended, cases, {"connection", "outage"})
        yield claims.same(
            "what was answered is recorded", [row["case"] for row in kept], [f"c{n}" for n in before.answered]
        )
        time.sleep(max(0.0, died + down + 0.5 - time.monotonic()))
        again, log = stage.run(project, "--mode", "new"), server.log()
    yield claims.exits(again, 0)
    yield claims.each_once(log, cases)
    yield claims.all_pass(again, cases)
    yield claims.same(
        "all are recorded once", [row["case"] for row in recorded(project)], [f"c{n}" for n in range(cases)]
    )


def _comes_back(stage: Stage, cases: int) -> Iterator[Finding]:
    down = 5.0
    with stage.server(Conduct(dies_after=cases // 2, down=down)) as server:
        project = stage.project(
            cases, {"loop": {"base_url": server.url, "concurrency": PLACES, "breaker_patience": "15s"}}
        )
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 0)
    yield claims.each_once(log, cases)
    yield claims.all_pass(ended, cases)
    yield claims.at_most("requests", len(log.entries), cases + 2 * PLACES)
    yield claims.at_most(
        "seconds that it goes on later than it could", log.span - down - 0.05 * cases / PLACES, 5.0, timed=True
    )


def _ill(stage: Stage, cases: int) -> Iterator[Finding]:
    ill = 5.0
    with stage.server(Conduct(ill=ill)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "concurrency": PLACES, "breaker": BREAKER}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 0)
    yield claims.each_once(log, cases)
    yield claims.at_most("requests into the illness", log.statuses.get(503, 0), BREAKER + PLACES + 6)
    yield claims.at_most(
        "seconds that it goes on later than it could", log.span - ill - 0.05 * cases / PLACES, 5.0, timed=True
    )


def _silent(stage: Stage, cases: int) -> Iterator[Finding]:
    with stage.server(Conduct(hangs=True)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "timeout": "500ms", **_IMPATIENT}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 10)
    yield claims.failures(ended, cases, {"timeout", "outage"})
    yield claims.in_flight(log, PLACES)
    yield claims.at_most("requests", len(log.entries), BREAKER + 2 * PLACES + 6)
    yield claims.at_most("seconds", ended.wall, 2.5 + START, timed=True)


def _drip(stage: Stage, cases: int) -> Iterator[Finding]:
    """One byte every 0.2 s: never silent, and a minute for an answer."""
    with stage.server(Conduct(drip=0.2)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "timeout": "1s", **_IMPATIENT}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 10)
    yield claims.failures(ended, cases, {"timeout", "outage"})
    yield claims.in_flight(log, PLACES)
    yield claims.at_most("seconds", ended.wall, 3.5 + START, timed=True)


SCENARIOS = (
    Scenario("dead from the start", _dead, 500, 100),
    Scenario("answers 500 to everything", _broken, 500, 100),
    Scenario("dies in the middle, and a second run", _dies, 400, 100),
    Scenario("comes back after 5 s", _comes_back, 400, 100),
    Scenario("answers 503 for the first 5 s", _ill, 400, 100),
    Scenario("silent", _silent, 200, 60),
    Scenario("drips", _drip, 200, 60),
)
