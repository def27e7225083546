"""Released versions are frozen: an edit is red for that prompt alone, and names the commit."""

from __future__ import annotations

import pytest

from promptops.project.released import released_path, render_closure
from tests.plugin.world import World


def released(world: World) -> None:
    """v1 is served and committed, with a closure; v2 is the newest; `other` is another prompt."""
    world.greeting(cases=1)
    world.record("v1", "yes")
    world.serve("v1")
    project = world.project.project
    closure = world.session().target("greeting", "v1").closure
    path = released_path(project, "greeting", "v1")
    if not path.exists():
        world.project.write(project.relative(path), render_closure(closure))
    world.greeting(versions=2, cases=1)
    world.record("v2", "yes")
    world.greeting(cases=1, name="other")
    world.record("v1", "yes", name="other")
    world.project.git_init()


def test_an_edited_released_version_is_red_and_its_cases_test_what_is_served(world: World) -> None:
    released(world)
    world.project.write("prompts/greeting/v1.j2", "---\nmodel: test/model-1\n---\nEdited {{ text }}\n")
    world.project.commit("Sneak an edit in")

    result = world.run("--promptops")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["*greeting@v1 is released and frozen*edited*Sneak an edit in*", "*promptops bump greeting*"]
    )
    result.stdout.fnmatch_lines(["FAILED prompts/greeting/v1.j2::test/model-1::[[]frozen[]]*"])


def test_a_released_version_that_cannot_be_read_is_red_and_its_cases_test_what_is_served(world: World) -> None:
    released(world)
    world.project.write("prompts/greeting/v1.j2", "---\nmodel: test/model-1\n---\n{% if %} {{ text }}\n")
    world.project.commit("Break it")

    result = world.run("--promptops")

    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*prompts/greeting/v1.j2:4: greeting@v1 is released and frozen*Break it*"])


def test_a_served_version_whose_file_is_gone_is_red(world: World) -> None:
    released(world)
    (world.project.path / "prompts/greeting/v1.j2").unlink()

    result = world.run("--promptops")

    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*greeting@v1 is served, and its file is gone*", "*git restore prompts/greeting/v1.j2*"]
    )


def test_an_untouched_released_version_has_no_such_item(world: World) -> None:
    released(world)

    world.run("--promptops").assert_outcomes(passed=3)


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_a_store_that_cannot_be_used_is_told_before_anything_is_asked(world: World, workers: list[str]) -> None:
    world.greeting(cases=1)
    world.project.provider("test", "http://127.0.0.1:9/v1")
    world.project.write(".promptops", "a file where the folder should be")

    result = world.process("--promptops-mode", "live", *workers)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert ".promptops" in result.stderr.str()
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
