"""--lf, --ff, --runxfail, -p no:cacheprovider."""

from __future__ import annotations

import pytest

from tests.plugin.world import World


def test_last_failed_runs_what_failed(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})
    world.run("--promptops").assert_outcomes(passed=2, failed=1)

    again = world.run("--promptops", "--lf")

    again.assert_outcomes(failed=1, deselected=2)
    again.stdout.fnmatch_lines(["*::c2 - broke*"])


def test_failed_first_changes_the_order_only(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "yes", "c3": "no"})
    world.run("--promptops")

    result = world.run("--promptops", "--ff", "-v")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*::c3 FAILED*", "*::c1 PASSED*", "*::c2 PASSED*"])


def test_an_unmeasurable_case_stays_among_the_last_failures(world: World) -> None:
    world.greeting(cases=2)
    path = world.record("v1", {"c1": "yes", "c2": "no"})
    world.run("--promptops").assert_outcomes(passed=1, failed=1)
    kept = path.read_text(encoding="utf-8")
    path.write_text("".join(line for line in kept.splitlines(keepends=True) if '"c1"' in line), encoding="utf-8")

    assert world.run("--promptops", "--lf").parseoutcomes() == {"unmeasurable": 1, "deselected": 1}

    path.write_text(kept, encoding="utf-8")
    world.run("--promptops", "--lf").assert_outcomes(failed=1, deselected=1)


def test_a_suite_that_failed_is_found_again(world: World) -> None:
    world.greeting(cases=2, yaml="pass_rate: 0.9\n")
    world.record("v1", {"c1": "yes", "c2": "no"})
    world.serve("v1")
    world.run("--promptops").assert_outcomes(passed=1, xfailed=1, failed=1)

    result = world.run("--promptops", "--lf")

    result.assert_outcomes(skipped=1, deselected=2)
    assert result.ret == 0


def test_runxfail_shows_known_failures_as_failed(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})
    world.serve("v1")

    result = world.run("--promptops", "--runxfail")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*known failure: greeting@v1 case c2*"])


def test_xfail_strict_does_not_touch_a_fixed_case(world: World) -> None:
    world.greeting(cases=1)
    path = world.record("v1", "no")
    world.serve("v1")
    path.unlink()
    world.record("v1", "yes")
    world.project.write("pytest.ini", "[pytest]\nxfail_strict = true\n")

    result = world.run("--promptops")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*fixed: greeting@v1 c1*"])


@pytest.mark.parametrize("cache", [[], ["-p", "no:cacheprovider"]])
def test_the_cache_is_optional(world: World, cache: list[str]) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no"})

    result = world.run("--promptops", *cache)

    assert result.parseoutcomes() == {"passed": 1, "failed": 1, "unmeasurable": 1}
