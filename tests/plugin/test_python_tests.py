"""The marker and the fixtures prompt_case and prompt_output."""

from __future__ import annotations

from promptops.testing import LoopbackServer
from tests.plugin.world import World

TEST = """
import pytest

@pytest.mark.promptops("greeting")
def test_answer(prompt_case, prompt_output):
    assert prompt_output.text == prompt_case.expected
    assert prompt_output.value == prompt_output.reply.text
    assert len(prompt_output.samples) == 1
    assert prompt_output.valid is None

def test_normal():
    pass
"""


def test_it_runs_once_for_each_case(world: World) -> None:
    world.greeting(versions=2, cases=2)
    world.record("v2", {"c1": "yes", "c2": "no"})
    world.pytester.makepyfile(TEST)

    result = world.run("--promptops", "-v")

    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        ["*::test_answer[[]greeting@v2-c1] PASSED*", "*::test_answer[[]greeting@v2-c2] FAILED*"]
    )
    result.stdout.fnmatch_lines(["*promptops: 2 cases of 1 prompt*"])


def test_without_the_option_it_is_skipped_with_that_reason(world: World) -> None:
    world.greeting(cases=2)
    world.pytester.makepyfile(TEST)

    result = world.run("-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs --promptops"])


def test_a_marked_test_without_the_fixtures_is_skipped_too(world: World) -> None:
    world.greeting(cases=1)
    world.record("v1", "yes")
    world.pytester.makepyfile("import pytest\n@pytest.mark.promptops('greeting')\ndef test_it(): pass\n")

    world.run().assert_outcomes(skipped=1)
    world.run("--promptops").assert_outcomes(passed=2)


def test_the_same_sample_is_asked_once_for_items_and_tests(world: World) -> None:
    world.greeting(cases=3)
    world.pytester.makepyfile(TEST)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "live").assert_outcomes(passed=7)

        assert server.count == 3
        world.process("--promptops-mode", "live", "-n", "2").assert_outcomes(passed=7)
        assert server.count == 6


def test_what_cannot_be_measured_is_unmeasurable(world: World) -> None:
    world.greeting(cases=1)
    world.pytester.makepyfile(TEST)

    result = world.run("--promptops")

    assert result.parseoutcomes() == {"passed": 1, "unmeasurable": 2}
    assert result.ret == 10


def test_a_selection_narrows_python_tests_too(world: World) -> None:
    world.greeting(cases=2)
    world.greeting(cases=2, name="other")
    world.record("v1", "yes", name="other")
    world.pytester.makepyfile(TEST)

    result = world.run("--promptops-select", "other")

    result.assert_outcomes(passed=3, skipped=1)


def test_a_selector_that_names_nothing_is_told(world: World) -> None:
    world.greeting(cases=1)
    world.pytester.makepyfile(TEST.replace("greeting", "greting"))

    result = world.run("--promptops")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*did you mean 'greeting'?*"])


def test_the_fixtures_without_a_marker_say_what_is_missing(world: World) -> None:
    world.greeting(cases=1)
    world.record("v1", "yes")
    world.pytester.makepyfile("def test_it(prompt_case): pass\n")

    result = world.run("--promptops")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*need a marker such as @pytest.mark.promptops('booking')*"])
