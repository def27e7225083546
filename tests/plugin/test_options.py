"""Options that make no sense are usage errors, with a word that helps."""

from __future__ import annotations

import pytest

from tests.plugin.world import World


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--promptops-mode", "later"], "invalid choice: 'later'"),
        (["--promptops-samples", "0"], "invalid whole number from 1 value: '0'"),
        (["--promptops-concurrency", "x"], "invalid whole number from 1 value: 'x'"),
        (["--promptops-budget", "-1"], "invalid number of US dollars value: '-1'"),
        (["--promptops-budget", "nan"], "invalid number of US dollars value: 'nan'"),
        (["--promptops-model", "gpt"], "'gpt' is not a pin: write provider/model-id"),
        (["--promptops-select", "greting"], "did you mean 'greeting'?"),
        (["--promptops-select", "greeting@v9"], "there is no version of 'greeting' named 'v9'"),
        (["--promptops-select", "env:nowhere"], "there is no environment named 'nowhere'"),
        (["--promptops-report", "x.pdf"], "no report format of that ending"),
        (["--promptops-accept", "--promptops-mode", "live"], "--promptops-accept needs recordings"),
        (["--promptops-accept", "--promptops-model", "a/b"], "leave --promptops-model out"),
        (["--promptops-base", "HEAD"], "git"),
    ],
)
def test_nonsense_is_a_usage_error(world: World, arguments: list[str], words: str) -> None:
    world.greeting()

    result = world.run(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()
    assert "Traceback (most" not in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize("option", ["--promptops", "--promptops-mode=replay", "--promptops-samples=1"])
def test_any_option_implies_promptops(world: World, option: str) -> None:
    world.greeting(cases=1)
    world.record("v1", "yes")

    result = world.run(option)

    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("option", ["--help", "--markers", "--version", "--fixtures"])
def test_asking_pytest_about_itself_needs_no_project(pytester: pytest.Pytester, option: str) -> None:
    result = pytester.runpytest_subprocess("--promptops", option)

    assert result.ret in (0, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR)
    assert "Traceback (most" not in result.stdout.str() + result.stderr.str()
