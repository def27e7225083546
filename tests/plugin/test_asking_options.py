"""--promptops-model, --promptops-samples, --promptops-concurrency, --promptops-budget, --promptops-report."""

from __future__ import annotations

import json

import pytest

from promptops.testing import Answer, LoopbackServer
from tests.plugin.world import World, held_until


def test_another_pin_is_asked_and_named(world: World) -> None:
    world.greeting(cases=2)
    with LoopbackServer("yes", models=("model-2",)) as server:
        world.project.provider("acme", server.base_url)

        result = world.process("--promptops-mode", "live", "--promptops-model", "acme/model-2", "-v")

        assert {request.json["model"] for request in server.requests} == {"model-2"}
    result.stdout.fnmatch_lines(["prompts/greeting/v1.j2::acme/model-2::c1 PASSED*", "*greeting@v1  acme/model-2*"])


def test_samples_are_asked_apart_and_are_one_item(world: World) -> None:
    world.greeting(cases=2)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "new", "--promptops-samples", "3").assert_outcomes(passed=2)

        assert server.count == 6
        world.process("--promptops-mode", "new", "--promptops-samples", "3").assert_outcomes(passed=2)
        assert server.count == 6


@pytest.mark.parametrize("concurrency", [1, 7])
def test_concurrency_is_requests_in_flight(world: World, concurrency: int) -> None:
    world.greeting(cases=20)

    def full() -> bool:
        return server.peak >= concurrency

    with LoopbackServer(lambda _: "yes" if full() else held_until(full), latency=0.05) as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "live", "--promptops-concurrency", str(concurrency))

        assert server.peak == concurrency


def test_a_run_over_the_budget_asks_nothing(world: World) -> None:
    world.greeting(cases=5)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)
        world.project.config('prices = {"test/model-1" = [1000.0, 1000.0]}')

        result = world.run("--promptops-mode", "live", "--promptops-budget", "0.001")

        assert server.count == 0
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*5 requests may cost $*at worst, the budget is $0.0010*nothing was asked*"])


def test_a_run_says_what_it_is_about_to_ask(world: World) -> None:
    world.greeting(cases=5)
    world.record("v1", {"c1": "yes"})
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "new", "--promptops-budget-requests", "70")

    result.stdout.fnmatch_lines(
        ["promptops: asking 4 requests, 1 are recorded, at most * in and * out, *, capped at 70 requests"]
    )


@pytest.mark.parametrize(
    ("option", "value", "told"), [("requests", "3", "3 requests"), ("tokens", "100000", "100,000 tokens")]
)
def test_a_run_stops_at_its_cap_and_goes_on_with_a_larger_one(world: World, option: str, value: str, told: str) -> None:
    world.greeting(cases=5)
    with LoopbackServer(Answer("yes", usage=(20_000, 5_000))) as server:
        world.project.provider("test", server.base_url, concurrency=1)

        stopped = world.process("--promptops-mode", "live", f"--promptops-budget-{option}", value)

        assert stopped.ret == 10
        assert server.count == 3
        stopped.stdout.fnmatch_lines([f"*the cap of {told} is reached*"])

        world.process("--promptops-mode", "live").assert_outcomes(passed=5)
        assert server.count == 5


def test_a_run_under_the_budget_tells_its_worst_case(world: World) -> None:
    world.greeting(cases=5)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)
        world.project.config('prices = {"test/model-1" = [0.1, 0.1]}')

        result = world.process("--promptops-mode", "live", "--promptops-budget", "10")

    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*5 requests may cost $*at worst, the budget is $10.0000*"])


def test_a_budget_without_a_price_is_a_usage_error(world: World) -> None:
    world.greeting(cases=1)
    world.project.provider("test", "http://127.0.0.1:9/v1")

    result = world.run("--promptops-mode", "live", "--promptops-budget", "10")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no price is known for test/model-1*"])


def test_reports_are_written_by_their_endings(world: World) -> None:
    world.greeting(cases=2)
    world.record("v1", {"c1": "yes", "c2": "no"})
    paths = ["out/report.json", "report.html", "report.md"]

    result = world.run("--promptops", *(f"--promptops-report={path}" for path in paths))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    rows = json.loads(world.project.read("out/report.json"))["cases"]
    assert [(row["case"], row["standing"]) for row in sorted(rows, key=lambda row: row["case"])] == [
        ("c1", "passed"),
        ("c2", "broke"),
    ]
    assert rows[0]["asked"]
    assert all((world.project.path / path).stat().st_size > 100 for path in paths)
    result.stdout.fnmatch_lines(["*report: *report.html*"])
