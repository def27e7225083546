"""A task sets sampling and length where the version does not, and nothing that its model refuses."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.presets import PRESETS, contradictions, with_first_presets, with_presets
from promptops.models import Pin

ACME = Pin("acme", "m-1")


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("extraction", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 1024}),
        ("classification", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 256}),
        ("writing", {"temperature": 0.7, "top_p": 0.95, "max_tokens": 2048}),
        ("creative", {"temperature": 1.0, "top_p": 1.0, "max_tokens": 4096}),
        (None, {}),
    ],
)
def test_a_task_sets_what_the_version_does_not(task: str | None, expected: dict[str, Any]) -> None:
    assert with_presets({}, task, ACME) == expected
    assert with_presets({"stop": "x"}, task, ACME) == {**expected, "stop": "x"}
    assert with_presets(dict.fromkeys(expected, 1), task, ACME) == dict.fromkeys(expected, 1)


@pytest.mark.parametrize(
    ("pin", "params", "expected"),
    [
        ("openai/gpt-4.1-mini-2025-04-14", {}, {"temperature", "top_p", "max_tokens"}),
        ("openai/o3-2025-04-16", {}, set()),
        ("openai/gpt-5-mini-2025-08-07", {"max_tokens": 9}, {"max_tokens"}),
        ("openrouter/openai/gpt-5-2025-08-07", {}, set()),
        ("openai/gpt-5-chat-latest", {}, {"temperature", "top_p", "max_tokens"}),
        ("anthropic/claude-sonnet-4-5-20250929", {}, {"temperature", "max_tokens"}),
        ("anthropic/claude-sonnet-4-5-20250929", {"top_p": 0.5}, {"top_p", "max_tokens"}),
        ("anthropic/claude-opus-4-8", {}, set()),
        ("anthropic/claude-sonnet-5-5", {}, set()),
        ("anthropic/claude-3-haiku-20240307", {}, {"temperature", "top_p", "max_tokens"}),
        ("ollama/orca-2", {}, {"temperature", "top_p", "max_tokens"}),
    ],
)
def test_a_task_sets_nothing_that_the_model_refuses(pin: str, params: dict[str, Any], expected: set[str]) -> None:
    assert set(with_presets(params, "extraction", Pin.parse(pin))) == expected


def test_the_first_presets_were_of_the_temperature_only() -> None:
    assert with_first_presets({"max_tokens": 5}, "extraction") == {"temperature": 0.0, "max_tokens": 5}
    assert with_first_presets({"temperature": 0.3}, "creative") == {"temperature": 0.3}
    assert with_first_presets({}, None) == {}


@pytest.mark.parametrize("task", sorted(PRESETS))
def test_no_task_contradicts_itself(task: str) -> None:
    assert list(contradictions(with_presets({}, task, ACME), task)) == []
    assert list(contradictions(with_first_presets({}, task), task)) == []


@pytest.mark.parametrize(
    ("task", "params", "expected"),
    [
        ("extraction", {"temperature": 0.2}, []),
        ("extraction", {"temperature": 0.3}, [("temperature", False)]),
        ("extraction", {"temperature": 0.9}, [("temperature", True)]),
        ("extraction", {"temperature": 0.0, "top_p": 1.0}, [("top_p", False)]),
        ("classification", {"temperature": 0.1}, [("temperature", False)]),
        ("writing", {"temperature": 0.0}, [("temperature", True)]),
        ("writing", {"temperature": 0.6, "top_p": 0.95}, []),
        ("writing", {"temperature": 0.9, "top_p": 0.5}, [("temperature", False), ("top_p", False)]),
        ("creative", {"temperature": 0.9}, []),
        ("creative", {"temperature": 0.2}, [("temperature", True)]),
        (None, {"temperature": 2.0}, []),
    ],
)
def test_params_that_work_against_the_task_are_told(
    task: str | None, params: dict[str, Any], expected: list[tuple[str, bool]]
) -> None:
    assert [(name, plainly) for name, plainly, _, _ in contradictions(params, task)] == expected
