"""A provider with limits: secret ones, announced ones, and those that the user configured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.chaos import claims
from benchmarks.chaos.claims import Finding
from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.counting import Log
from benchmarks.chaos.scenarios.base import Scenario
from benchmarks.chaos.stage import HostileServer, Running, Stage, wait_for
from promptops.models import Json

PLACES, SHARED_PLACES = 32, 8
RPM = 60


def _secret_places(stage: Stage, cases: int) -> Iterator[Finding]:
    places, latency = 8, 0.05
    with stage.server(Conduct(places=places, latency=latency)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "concurrency": PLACES}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 0)
    yield claims.each_once(log, cases)
    yield claims.at_most("refusals", log.statuses.get(429, 0), PLACES + 0.15 * cases)
    yield claims.at_most("times the best time", log.span / (latency * cases / places), 2.0, timed=True)


def _secret_rate(stage: Stage, cases: int) -> Iterator[Finding]:
    rate = 40
    with stage.server(Conduct(rate=rate)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "concurrency": PLACES}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 0)
    yield claims.each_once(log, cases)
    yield claims.at_most("refusals", log.statuses.get(429, 0), PLACES + 0.5 * cases)
    yield claims.at_most("times the best time", log.span / ((cases - rate) / rate), 2.0, timed=True)


def _announced(stage: Stage, cases: int) -> Iterator[Finding]:
    """2,400 a minute, of which 40 are left in the beginning, as every answer says."""
    with stage.server(Conduct(rate=2400, window=60.0, burst=40, announce=True)) as server:
        project = stage.project(cases, {"loop": {"base_url": server.url, "concurrency": PLACES}})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 0)
    yield claims.each_once(log, cases)
    yield claims.at_most("refusals", log.statuses.get(429, 0), PLACES)
    yield claims.at_most("times the best time", log.span / ((cases - 40) / 40), 2.0, timed=True)


def _two_processes(stage: Stage, cases: int) -> Iterator[Finding]:
    """Two runs at once, with one `rpm` and one `concurrency` for both."""
    with stage.server(Conduct()) as server:
        projects = [stage.project(cases, _configured(server)) for _ in range(2)]
        running = [stage.start_run(project, "--mode", "live") for project in projects]
        yield from _kept(_first_minute(running, server))


def _workers(stage: Stage, cases: int) -> Iterator[Finding]:
    with stage.server(Conduct()) as server:
        project = stage.project(cases, _configured(server))
        running = [stage.start_pytest(project, "-n", "4", "--promptops-mode", "live")]
        yield from _kept(_first_minute(running, server))


def _to_the_end(stage: Stage, cases: int) -> Iterator[Finding]:
    """Two runs at once that together have more than a minute to ask."""
    with stage.server(Conduct()) as server:
        projects = [stage.project(cases, _configured(server)) for _ in range(2)]
        running = [stage.start_run(project, "--mode", "live") for project in projects]
        for one in running:
            ended = one.ended()
            yield claims.exits(ended, 0)
            yield claims.all_pass(ended, cases)
        log = server.log()
    yield claims.same("each case is answered once in each run", _numbers(log), [*range(cases)] * 2)
    yield claims.at_most("requests in any 60 s", log.most_in(60.0), RPM)
    yield claims.in_flight(log, SHARED_PLACES)
    yield claims.at_most("seconds", log.span, 60.0 * (2 * cases // RPM) + 10, timed=True)


def _budget(stage: Stage, cases: int) -> Iterator[Finding]:
    """Half the cases may be asked; with workers of xdist, and with a provider that refuses some."""
    most = cases // 2
    with stage.server(Conduct(refused=0.2)) as server:
        settings: dict[str, Json] = {"base_url": server.url, "concurrency": SHARED_PLACES}
        project = stage.project(cases, {"loop": settings}, budget_requests=most)
        ended = stage.pytest(project, "-n", "4", "--promptops-mode", "live")
        log = server.log()
    yield claims.exits(ended, 10)
    yield claims.at_most("requests", len(log.entries), most)
    yield claims.at_least("requests", len(log.entries), most)


def _configured(server: HostileServer) -> dict[str, dict[str, Json]]:
    return {"loop": {"base_url": server.url, "concurrency": SHARED_PLACES, "rpm": RPM}}


def _numbers(log: Log) -> list[int]:
    return [case for case, times in log.answered.items() for _ in range(times)]


def _first_minute(running: Sequence[Running], server: HostileServer) -> Log:
    """What came until the minute's share was used up and three seconds more; then the processes are killed."""
    wait_for(lambda: len(server.log().entries) >= RPM, running, within=30.0)
    wait_for(lambda: False, running, within=3.0)
    for one in running:
        one.kill()
        one.ended()
    return server.log()


def _kept(log: Log) -> Iterator[Finding]:
    yield claims.at_most("requests in the first minute", log.most_in(60.0), RPM)
    yield claims.at_least("requests in the first minute", log.most_in(60.0), 0.9 * RPM)
    yield claims.in_flight(log, SHARED_PLACES)


SCENARIOS = (
    Scenario("a secret limit of requests in flight", _secret_places, 400, 150),
    Scenario("a secret limit of requests a second", _secret_rate, 300, 120),
    Scenario("a limit that every answer announces", _announced, 300, 120),
    Scenario("one rpm for two processes", _two_processes, 100, 100),
    Scenario("one rpm for four workers of xdist", _workers, 100, 100),
    Scenario("a budget of requests", _budget, 200, 100),
    Scenario("one rpm for two processes, to the end", _to_the_end, 50, 50),
)
