"""Warnings as errors, random order, durations, time-outs: as with any other test."""

from __future__ import annotations

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World


def prepared(world: World) -> None:
    world.greeting(cases=5, yaml="pass_rate: 0.5\nsamples: 2\n")
    world.record("v1", {f"c{n}": ["yes", "yes" if n != 5 else "no"] for n in range(1, 6)})
    world.serve("v1")


@pytest.mark.parametrize(
    "options",
    [
        ["-W", "error"],
        ["--durations=3", "--durations-min=0"],
        ["--timeout=30"],
        ["-p", "no:terminal"],
        ["-p", "no:junitxml"],
        ["-p", "no:xdist"],
        ["-p", "no:skipping"],
        ["-rA", "-vv"],
        ["--strict-markers", "--strict-config"],
        ["--setup-show"],
        ["-s"],
        ["--import-mode=importlib"],
        ["--sw"],
        ["--nf"],
        ["--tb=no"],
        ["--no-summary"],
        ["-o", "junit_family=xunit1", "--junitxml=out.xml"],
        ["--keep-duplicates"],
    ],
    ids=lambda options: " ".join(options),
)
def test_an_option_of_pytest_changes_nothing_else(world: World, options: list[str]) -> None:
    prepared(world)

    result = world.run("--promptops", *options)

    assert result.ret == 0
    if not {"no:terminal", "no:skipping"} & set(options):
        result.assert_outcomes(passed=5, xfailed=1)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_random_order_finds_the_same(world: World, seed: int) -> None:
    prepared(world)
    world.pytester.makeconftest(
        f"import random\ndef pytest_collection_modifyitems(items): random.Random({seed}).shuffle(items)\n"
    )

    result = world.run("--promptops", "-v")

    result.assert_outcomes(passed=5, xfailed=1)
    assert result.ret == 0
    cases = [line.split("::")[2].split()[0] for line in result.outlines if line.startswith("prompts/greeting/v1.j2::")]
    assert len(cases) == 6
    assert cases != sorted(cases)


def test_warnings_are_errors_live_too(world: World) -> None:
    world.greeting(cases=3)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live", "-W", "error")

    result.assert_outcomes(passed=3)
    assert "Warning" not in result.stdout.str() + result.stderr.str()


def test_a_plugin_that_runs_items_again_asks_nothing_again(world: World) -> None:
    world.greeting(cases=2)
    world.pytester.makeconftest(
        "from _pytest.runner import runtestprotocol\n"
        "def pytest_runtest_protocol(item): runtestprotocol(item, log=False)\n"
    )
    with LoopbackServer(lambda body: "no" if "say 1" in body["messages"][-1]["content"] else "yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live")

        assert server.count == 2
    result.assert_outcomes(passed=1, failed=1)
