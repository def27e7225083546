"""A param that the pinned model does not take is a problem of the version, found when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.errors import ProblemsError
from promptops.project.prompts import load_prompt, load_version
from promptops.testing.project import TemporaryProject

TOOLS = '[{"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}]'


@pytest.fixture
def kit(tmp_path: Path) -> TemporaryProject:
    return TemporaryProject(tmp_path)


def put(kit: TemporaryProject, front: str, *, settings: str = "", tools: str = "") -> None:
    kit.write("prompts/p/v1.j2", f"---\n{front}\n---\n{{{{ text }}}}")
    if settings:
        kit.write("prompts/p/prompt.yaml", settings)
    if tools:
        kit.write("prompts/p/tools.json", tools)


WRONG = [
    (
        "model: openai/o3-2025-04-16\nparams:\n  max_tokens: 5\n  temperature: 0",
        "prompts/p/v1.j2:5: temperature is not taken by o3-2025-04-16 (https://",
        "drop_unsupported = true for the provider openai",
    ),
    (
        "model: acme/claude-haiku-4-5-20251001\nparams: {seed: 1, max_tokens: 5}",
        "v1.j2:3: seed is not taken by the format anthropic-messages (https://",
        "drop_unsupported",
    ),
    (
        "model: acme/claude-haiku-4-5-20251001",
        "max_tokens must be set for the format anthropic-messages",
        "params: {max",
    ),
    ("model: acme/claude-opus-4-7\nparams: {max_tokens: 5, top_k: 3}", "top_k is not taken by claude-opus-4-7", ""),
    ("model: acme/claude-opus-4-7\nparams: {max_tokens: 5, tool_choice: book}", "tool_choice needs tools", ""),
    (
        "model: acme/claude-opus-4-7\ntools: tools.json\nparams: {max_tokens: 5, tool_choice: bok}",
        "no tool is called 'bok', did you mean 'book'?",
        "known: auto, none, required, book",
    ),
    (
        "model: acme/claude-opus-4-7\nparams: {max_tokens: 5, structured_output: auto}",
        "structured_output needs an output contract",
        "output: schema.py:Booking",
    ),
    (
        "model: local/smollm2-135m-instruct@b179c9523d0e\ntools: tools.json",
        "local/smollm2-135m-instruct@b179c9523d0e takes no tools",
        "take `tools:` out",
    ),
    (
        "model: local/smollm2-135m-instruct@b179c9523d0e\nparams: {reasoning_effort: low}",
        "reasoning_effort is not taken by the format openai-chat (https://github.com/ggml-org/llama.cpp",
        "take it out",
    ),
]


def config(kit: TemporaryProject, more: str = "") -> None:
    kit.config(
        "[tool.promptops.providers.acme]\nformat = 'anthropic-messages'\n"
        f"base_url = 'https://llm.acme.example/v1'\n{more}"
    )


@pytest.mark.parametrize(("front", "message", "hint"), WRONG)
def test_what_a_model_does_not_take_is_told_with_its_line(
    kit: TemporaryProject, front: str, message: str, hint: str
) -> None:
    config(kit)
    put(kit, front, tools=TOOLS)
    with pytest.raises(ProblemsError) as told:
        load_prompt(kit.project, "p")
    assert message in str(told.value)
    assert hint in str(told.value)
    with pytest.raises(ProblemsError):
        load_version(kit.project, "p", "v1")


def test_it_may_be_left_out_if_the_user_says_so(kit: TemporaryProject) -> None:
    config(kit, "drop_unsupported = true")
    put(kit, "model: acme/claude-opus-4-7\nparams: {max_tokens: 5, temperature: 0}")
    assert load_prompt(kit.project, "p").newest.params == {"max_tokens": 5, "temperature": 0}
    put(kit, "model: acme/claude-opus-4-7\nparams: {temperature: 0}")
    with pytest.raises(ProblemsError, match="max_tokens must be set"):
        load_prompt(kit.project, "p")


def test_what_a_task_sets_is_left_out_where_the_model_does_not_take_it(kit: TemporaryProject) -> None:
    put(kit, "model: openai/o3-2025-04-16", settings="task: extraction")
    assert "temperature" not in load_prompt(kit.project, "p").newest.params
    put(kit, "model: openai/gpt-4.1-2025-04-14", settings="task: extraction")
    assert load_prompt(kit.project, "p").newest.params["temperature"] == 0.0


def test_of_a_provider_that_nobody_knows_nothing_is_said(kit: TemporaryProject) -> None:
    put(kit, "model: nobody/o3-2025-04-16\nparams: {temperature: 0}")
    assert load_prompt(kit.project, "p").newest.params == {"temperature": 0}
