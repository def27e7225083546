"""--promptops-changed and --promptops-base."""

from __future__ import annotations

import pytest

from tests.plugin.world import World


def prepared(world: World) -> None:
    """`greeting` and `other`, recorded and committed on main; a branch is checked out. `greeting` includes a file."""
    world.greeting(cases=1)
    world.greeting(cases=1, name="other")
    world.project.write("prompts/_shared/tone.j2", "Be kind.")
    world.project.write(
        "prompts/greeting/v1.j2", "---\nmodel: test/model-1\n---\n{% include '_shared/tone.j2' %} {{ text }}\n"
    )
    world.project.prompt("greeting", versions={}, files={"checks.py": "def fine(output, case): return True\n"})
    for name in ("greeting", "other"):
        world.record("v1", "yes", name=name)
    world.project.git_init()
    world.project.git("checkout", "-q", "-b", "work")


@pytest.mark.parametrize(
    ("path", "text", "prompts"),
    [
        ("prompts/greeting/v2.j2", "---\nmodel: test/model-1\n---\nNew {{ text }}\n", ["greeting"]),
        ("prompts/_shared/tone.j2", "Be very kind.", ["greeting"]),
        ("prompts/greeting/checks.py", "def fine(output, case): return False\n", ["greeting"]),
        ("prompts/greeting/prompt.yaml", "inputs: {text: string}\ndescription: new\n", ["greeting"]),
        ("fixtures/other/cases.jsonl", '{"id": "c9", "inputs": {"text": "x"}, "expected": "yes"}\n', ["other"]),
        ("pyproject.toml", "[tool.promptops]\nconcurrency = 3\n", ["greeting", "other"]),
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.promptops]\n", []),
        ("src/unrelated.py", "", []),
    ],
)
@pytest.mark.parametrize("commit", [True, False], ids=["committed", "uncommitted"])
def test_what_changed_is_tested(world: World, path: str, text: str, prompts: list[str], commit: bool) -> None:
    prepared(world)
    world.project.write(path, text)
    if commit:
        world.project.commit("Change")

    result = world.run("--promptops-changed", "--collect-only", "-q")

    found = {line.split("/")[1] for line in result.outlines if line.startswith("prompts/")}
    assert sorted(found) == prompts
    assert result.ret == 0


def test_nothing_changed_is_green_and_says_so(world: World) -> None:
    prepared(world)

    result = world.run("--promptops-changed")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*0 cases of 0 prompts, mode replay, changed since *"])


def test_the_base_is_a_revision(world: World) -> None:
    prepared(world)
    world.project.write("prompts/greeting/prompt.yaml", "inputs: {text: string}\ndescription: new\n")
    world.project.commit("One")
    world.project.write("prompts/other/prompt.yaml", "inputs: {text: string}\ndescription: new\n")
    world.project.commit("Two")

    result = world.run("--promptops-base", "HEAD~1", "--collect-only", "-q")

    assert [line.split("/")[1] for line in result.outlines if "::" in line] == ["other"]


def test_workers_are_told_by_the_controller(world: World) -> None:
    prepared(world)
    world.project.write("prompts/greeting/prompt.yaml", "inputs: {text: string}\ndescription: new\n")

    result = world.process("--promptops-changed", "-n", "2")

    result.stdout.fnmatch_lines(["*1 case of 1 prompt, mode replay, changed since *"])


@pytest.mark.parametrize("arguments", [["--promptops-base", "nowhere"], ["--promptops-changed"]])
def test_what_git_cannot_say_is_a_usage_error(world: World, arguments: list[str]) -> None:
    world.greeting(cases=1)
    if "nowhere" in arguments:
        world.project.git_init()

    result = world.run(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stderr.str()
