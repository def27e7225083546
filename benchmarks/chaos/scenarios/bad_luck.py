"""A provider that lives and is unreliable: some requests are refused, broken, dropped or slow, at random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.chaos import claims
from benchmarks.chaos.claims import Finding
from benchmarks.chaos.conduct import Conduct
from benchmarks.chaos.scenarios.base import Play, Scenario
from benchmarks.chaos.schedule import best_schedule, chain, in_order
from benchmarks.chaos.stage import Stage
from promptops.models import Json

PLACES = 32
LONGEST = 1.5  # times the best schedule


def _bad_luck(headers: Mapping[str, str], way: str) -> Play:
    def play(stage: Stage, cases: int) -> Iterator[Finding]:
        conduct = Conduct(headers=headers, refused=0.20, broken=0.05, dropped=0.02, slow=0.05)
        with stage.server(conduct) as server:
            project = stage.project(cases, {"loop": {"base_url": server.url, "concurrency": PLACES}})
            if way == "run":
                ended = stage.run(project, "--mode", "live", as_json=False)
            else:
                ended = stage.pytest(project, "--promptops-mode", "live", *way.split()[1:])
            log = server.log()
        yield claims.exits(ended, 0)
        yield claims.each_once(log, cases)
        yield claims.in_flight(log, PLACES)
        yield Finding("it says so", f"{cases} passed" in ended.output, ended.said)
        chains = [chain(conduct, case) for case in range(cases)]
        best, clairvoyant = in_order(chains, PLACES), best_schedule(chains, PLACES)
        for what, seconds in (
            ("from the first request to the last answer", log.span),
            ("the whole process", ended.wall),
        ):
            seen = f"{seconds / best:.2f}; {seconds / clairvoyant:.2f} times that of who knows what comes"
            claim = f"{what} takes at most {LONGEST:g} times the best schedule of {best:.2f} s"
            yield Finding(claim, seconds / best <= LONGEST, seen, timed=True)

    return play


def _no_retries(stage: Stage, cases: int) -> Iterator[Finding]:
    """Retries are switched off: what fails is not measured, and nothing is asked twice."""
    conduct = Conduct(refused=0.20, broken=0.05, dropped=0.02)
    good = sum(len(chain(conduct, case)) == 1 for case in range(cases))
    with stage.server(conduct) as server:
        settings: dict[str, Json] = {"base_url": server.url, "concurrency": PLACES, "retries": 0, "breaker": 0}
        project = stage.project(cases, {"loop": settings})
        ended, log = stage.run(project, "--mode", "live"), server.log()
    yield claims.exits(ended, 10)
    yield claims.same("each case is asked once", [entry.case for entry in log.entries], range(cases))
    yield Finding(f"{good} cases are answered well", len(log.answered) == good, str(len(log.answered)))
    yield claims.failures(ended, cases, {"rate_limit", "server", "connection"})


HEADERS: Mapping[str, Mapping[str, str]] = {
    "no Retry-After": {},
    "retry-after-ms: 200": {"retry-after-ms": "200"},
    "Retry-After: 1": {"Retry-After": "1"},
}
SCENARIOS = (
    *(
        Scenario(f"bad luck, {said}, {way}", _bad_luck(headers, way), 1000, 150)
        for said, headers in HEADERS.items()
        for way in ("run", "pytest", "pytest -n 4")
    ),
    Scenario("bad luck, retries switched off", _no_retries, 300, 100),
)
