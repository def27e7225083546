"""Under xdist one engine asks for all workers: nothing is asked twice, nothing is lost, the results are equal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World
from tests.runs_there import junit_cases, run_records, timeless

CASES = 30


def answer(body: dict[str, Any]) -> str:
    """`no` for every fifth case."""
    number = int(body["messages"][-1]["content"].split()[-1])
    return "no" if number % 5 == 0 else "yes"


def results_of(world: World) -> tuple[object, ...]:
    """The JSON report and the JUnit file, without times and the order in which workers reported."""
    document = timeless(json.loads((world.pytester.path / "report.json").read_text(encoding="utf-8")))
    document["cases"].sort(key=lambda row: row["case"])
    return document, junit_cases(world.pytester.path / "junit.xml")


@pytest.mark.parametrize("mode", ["live", "replay"])
def test_the_results_are_equal_whatever_the_number_of_workers(world: World, mode: str) -> None:
    world.greeting(cases=CASES, yaml="pass_rate: 0.8\n")
    found = []
    with LoopbackServer(answer) as server:
        world.project.provider("test", server.base_url)
        if mode == "replay":
            world.record("v1", {f"c{number}": "no" if number % 5 == 0 else "yes" for number in range(1, CASES + 1)})
        for workers in ("0", "2", "4"):
            before = server.count
            result = world.process(
                "--promptops-mode", mode, "-n", workers, "--promptops-report", "report.json", "--junitxml=junit.xml"
            )
            result.assert_outcomes(passed=CASES - 6 + 1, failed=6)
            assert server.count - before == (CASES if mode == "live" else 0)
            assert result.stdout.str().count("30 cases of 1 prompt, mode") == 1
            assert result.stdout.str().count("30 cases: 24 passed, 6 broke") == 1
            assert result.stdout.str().count("greeting@v1 [suite]: passed") == 1
            found.append(results_of(world))
    assert found[0] == found[1] == found[2]
    runs = run_records(world.project.path / ".promptops/store.db") if mode == "live" else []
    assert [(record.status, record.round) for record in runs] == [("regress", 1)] * len(runs)
    assert len(runs) == (3 if mode == "live" else 0), "one record of each run"


@pytest.mark.parametrize("dist", ["loadfile", "worksteal", "each"])
def test_every_way_of_distributing_asks_once(world: World, dist: str) -> None:
    world.greeting(cases=8)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live", "-n", "2", "--dist", dist)

        result.assert_outcomes(passed=16 if dist == "each" else 8)
        assert server.count == 8


def test_a_worker_that_crashes_is_replaced_and_nothing_is_asked_again(world: World) -> None:
    world.greeting(cases=10)
    world.pytester.makepyfile("import os\ndef test_crash(): os._exit(3)\n")
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live", "-n", "2")

        result.assert_outcomes(passed=10, failed=1)
        assert server.count == 10
    assert "10 cases: 10 passed" in result.stdout.str()


def test_what_workers_report_reads_as_if_it_came_from_this_process(world: World) -> None:
    world.greeting(cases=3)
    world.record("v1", {"c1": "yes", "c2": "no"})
    world.serve("v1")
    world.greeting(cases=3, versions=2)
    world.record("v2", {"c1": "no", "c2": "no", "c3": "yes"})

    result = world.process("--promptops", "-n", "2")

    assert result.parseoutcomes() == {"passed": 2, "xfailed": 2, "unmeasurable": 1, "failed": 1}
    result.stdout.fnmatch_lines(
        ["*BROKE: greeting@v2 case c1*", "*answered   no*", "FAILED *::c1 - broke: matches: root"]
    )


def test_an_outage_under_xdist_is_unmeasurable(world: World) -> None:
    world.greeting(cases=4)
    world.project.provider("test", "http://127.0.0.1:9/v1", retries=0)

    result = world.process("--promptops-mode", "live", "-n", "2")

    assert result.parseoutcomes() == {"unmeasurable": 4}
    assert result.ret == 10


def test_with_x_little_is_asked_ahead_of_the_items(world: World) -> None:
    world.greeting(cases=100)
    world.pytester.makeconftest("import promptops.runner.background as b\nb._PATIENCE = 3600\n")  # workers start slowly
    with LoopbackServer("no", latency=0.05) as server:
        world.project.provider("test", server.base_url, concurrency=2)

        result = world.process("--promptops-mode", "live", "-n", "2", "-x")

        assert server.count < 40
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_with_maxfail_a_run_that_holds_is_asked_to_its_end(world: World) -> None:
    world.greeting(cases=40, yaml="samples: 2\n")
    world.pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.promptops('greeting')\n"
        "def test_it(prompt_output): assert prompt_output.text == 'yes'\n"
    )
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url, concurrency=2)

        result = world.process("--promptops-mode", "live", "-n", "2", "--maxfail=3", "--dist", "loadscope")

        assert server.count == 80
    result.assert_outcomes(passed=80)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_an_engine_that_dies_is_red(world: World, workers: str) -> None:
    world.greeting(cases=8)
    world.pytester.makeconftest(
        "from promptops.runner.engine import Engine\n"
        "ask = Engine._ask\n"
        "async def dying(self, planned):\n"
        "    sample = await ask(self, planned)\n"
        "    if planned.key.case == 'c4': raise RuntimeError('a bug of ours')\n"
        "    return sample\n"
        "Engine._ask = dying\n"
    )
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url, concurrency=1)

        result = world.process("--promptops-mode", "live", "-n", workers)

    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed", "unmeasurable"}, "what was measured before is reported"
    assert sum(outcomes.values()) == 8
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the run ended early: a bug of ours*"])


def test_remote_workers_are_a_usage_error(world: World) -> None:
    world.greeting(cases=1)

    result = world.process("--promptops", "-d", "--tx", "popen//chdir=elsewhere")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*promptops needs workers on this machine*"])


def test_no_case_is_a_usage_error_under_xdist_too(world: World) -> None:
    world.project.write("prompts/manifest.yaml", "format: 1\nenvironments: {}\n")
    world.pytester.makepyfile("def test_normal(): pass")

    result = world.process("--promptops", "-n", "2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is nothing to test*"])


def test_new_under_xdist_records_once(world: World) -> None:
    world.greeting(cases=6)
    path = world.record("v1", {"c1": "yes"})
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "new", "-n", "2").assert_outcomes(passed=6)

        assert server.count == 5
    assert len(path.read_text(encoding="utf-8").splitlines()) == 6
    world.run("--promptops").assert_outcomes(passed=6)
