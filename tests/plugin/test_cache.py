"""Equal requests through pytest: asked once, told in the summary, with and without xdist."""

from __future__ import annotations

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World


@pytest.fixture
def twins(world: World) -> World:
    """Three cases with two texts between them."""
    world.greeting()
    world.project.dataset(
        "greeting", [{"id": f"c{n}", "inputs": {"text": "Bo" if n else "Al"}, "expected": "yes"} for n in range(3)]
    )
    return world


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_equal_requests_are_asked_once(twins: World, options: tuple[str, ...]) -> None:
    with LoopbackServer("yes") as server:
        twins.project.provider("test", server.base_url)
        result = twins.process("--promptops-mode", "live", *options)
        result.assert_outcomes(passed=3)
        assert server.count == 2
    result.stdout.fnmatch_lines(["*mode live, cached 1 of 3 (33 %)", "*1 cached, 2 live*"])


def test_no_cache_asks_for_every_sample(twins: World) -> None:
    with LoopbackServer("yes") as server:
        twins.project.provider("test", server.base_url)
        result = twins.run("--promptops-mode", "live", "--promptops-no-cache")
        result.assert_outcomes(passed=3)
        assert server.count == 3
    result.stdout.no_fnmatch_line("*cached*")


def test_a_second_run_copies_what_the_first_one_kept(twins: World) -> None:
    twins.project.config("[tool.promptops.cache]")
    with LoopbackServer("yes") as server:
        twins.project.provider("test", server.base_url)
        twins.run("--promptops-mode", "live").assert_outcomes(passed=3)
        result = twins.run("--promptops-mode", "live")
        result.assert_outcomes(passed=3)
        assert server.count == 2
    result.stdout.fnmatch_lines(["*mode live, cached 3 of 3 (100 %)", "*3 cached*latency not measured*"])


def test_a_cache_that_is_no_cache_is_told_before_anything_is_asked(twins: World) -> None:
    twins.project.config('[tool.promptops.cache]\nurl = "memcached://127.0.0.1"')
    with LoopbackServer("yes") as server:
        twins.project.provider("test", server.base_url)
        result = twins.process("--promptops-mode", "live")
        assert server.count == 0
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*names no Redis*"])
