"""`[suite]`: pass_rate and budgets of prompt.yaml."""

from __future__ import annotations

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World


@pytest.mark.parametrize(
    ("yaml", "outcomes", "words"),
    [
        ("pass_rate: 0.6\n", {"passed": 3, "xfailed": 1}, "pass: pass rate 2 of 3, wanted 60.0%"),
        ("pass_rate: 0.7\n", {"passed": 2, "xfailed": 1, "failed": 1}, "fail: pass rate 2 of 3, wanted 70.0%"),
        ("budgets: {cost_per_request: 0.002}\n", {"passed": 3, "xfailed": 1}, "pass: cost per request $0.001000"),
        ("budgets: {cost_per_request: 0.0001}\n", {"passed": 2, "xfailed": 1, "failed": 1}, "fail: cost per request"),
        ("budgets: {p95_latency: 100ms}\n", {"passed": 2, "xfailed": 1, "failed": 1}, "0.250 s (as recorded)"),
        ("", {"passed": 2, "xfailed": 1}, None),
    ],
)
def test_a_suite_judges_what_is_promised(world: World, yaml: str, outcomes: dict[str, int], words: str | None) -> None:
    world.greeting(yaml=yaml)
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})
    world.serve("v1")

    result = world.run("--promptops")

    assert result.parseoutcomes() == outcomes
    assert (words or "") in result.stdout.str()
    assert ("[suite]" in result.stdout.str()) is (words is not None)


def test_a_part_of_the_cases_does_not_gate(world: World) -> None:
    world.greeting(yaml="pass_rate: 1.0\n")
    world.record("v1", {"c1": "no", "c2": "yes", "c3": "yes"})

    result = world.run("--promptops", "-rs", "prompts/greeting/v1.j2", "-k", "c2 or suite")

    assert result.parseoutcomes() == {"passed": 1, "skipped": 1, "deselected": 2}
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED*partial: 1 of 3 cases are selected"])


def test_it_is_chosen_by_its_node_id(world: World) -> None:
    world.greeting(yaml="pass_rate: 1.0\n")
    world.record("v1", "yes")

    result = world.run("--promptops", "-v", "-rs", "prompts/greeting/v1.j2::test/model-1::[suite]")

    result.stdout.fnmatch_lines(
        ["prompts/greeting/v1.j2::test/model-1::[[]suite[]] SKIPPED*", "SKIPPED*: partial: 0 of 3 cases are selected"]
    )


def test_missing_samples_make_it_unmeasurable(world: World) -> None:
    world.greeting(yaml="pass_rate: 1.0\n")
    world.record("v1", {"c1": "yes"})

    result = world.run("--promptops")

    assert result.parseoutcomes() == {"passed": 1, "unmeasurable": 3}
    assert result.ret == 10


def test_it_may_run_first(world: World) -> None:
    world.greeting(yaml="pass_rate: 1.0\n")
    world.pytester.makeconftest("def pytest_collection_modifyitems(items): items.reverse()\n")
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live", "-v")

        result.assert_outcomes(passed=4)
        assert server.count == 3
    result.stdout.fnmatch_lines(["*[[]suite[]] PASSED*", "*::c3 PASSED*", "*::c1 PASSED*"])


@pytest.mark.parametrize("mode", ["new", "record", "live"])
def test_it_judges_the_samples_that_its_cases_were_given(world: World, mode: str) -> None:
    """One request at a time, so that the engine has ended, and has handed out every sample, when the suite runs."""
    world.greeting(cases=6, yaml="pass_rate: 0.8\nsamples: 3\n")
    world.record("v1", {"c1": ["yes"] * 3, "c4": ["yes"] * 3})
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url, concurrency=1)

        result = world.process("--promptops-mode", mode)

        result.assert_outcomes(passed=7)
        assert server.count == (12 if mode == "new" else 18)
    result.stdout.fnmatch_lines(["*[[]suite[]]: passed*", "*pass rate 6 of 6*"])
