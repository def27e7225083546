"""Which params a model takes by which format: a table of what is refused, and that everything names its page."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.params import PARAMS
from promptops.core.wire.dialects import DIALECTS, SPECS, spec_for
from promptops.core.wire.spec import Spec
from promptops.core.wire.takes import kept, refusals

ALL: list[tuple[str, Spec]] = [
    *SPECS.items(),
    *((f"{name} at {host}", spec) for (name, host), spec in DIALECTS.items()),
]
OPENAI = spec_for("openai-chat", "api.openai.com")
RESPONSES = SPECS["openai-responses"]
CLAUDE = SPECS["anthropic-messages"]
GEMINI = SPECS["gemini"]
GROQ = spec_for("openai-chat", "api.groq.com")

REFUSED: list[tuple[Spec, str, dict[str, Any], list[str]]] = [
    (OPENAI, "gpt-4.1-2025-04-14", {"temperature": 0, "stop": "x", "seed": 1, "logprobs": True}, []),
    (OPENAI, "gpt-4.1-2025-04-14", {"top_k": 5}, ["top_k is not taken by the format openai-chat"]),
    (OPENAI, "gpt-4o-2024-11-20", {"reasoning_effort": "low"}, ["reasoning_effort is not taken by gpt-4o-2024-11-20"]),
    (OPENAI, "o3-2025-04-16", {"temperature": 0, "stop": "x"}, ["temperature is not", "stop is not"]),
    (OPENAI, "o1-2024-12-17", {"stop": "x", "reasoning_effort": "high"}, []),
    (OPENAI, "gpt-5-2025-08-07", {"top_p": 0.9}, ["top_p is not taken by gpt-5-2025-08-07"]),
    (OPENAI, "gpt-5-chat-latest", {"top_p": 0.9}, []),
    (OPENAI, "gpt-5.4-2026-03-05", {"temperature": 0}, []),
    (OPENAI, "gpt-5.4-2026-03-05", {"temperature": 0, "reasoning_effort": "none"}, []),
    (OPENAI, "gpt-5.4-2026-03-05", {"temperature": 0, "reasoning_effort": "low"}, ["but with reasoning_effort: none"]),
    (OPENAI, "gpt-5.6", {"temperature": 0}, ["temperature is not taken by gpt-5.6"]),
    (OPENAI, "gpt-5.6", {"temperature": 0, "reasoning_effort": "none"}, []),
    (OPENAI, "gpt-5.2-2025-12-11", {"frequency_penalty": 1}, ["frequency_penalty is not taken"]),
    (RESPONSES, "gpt-4.1-2025-04-14", {"seed": 1}, ["seed is not taken by the format openai-responses"]),
    (RESPONSES, "gpt-4.1-2025-04-14", {"stop": "x"}, ["stop is not taken"]),
    (CLAUDE, "claude-opus-4-7", {"max_tokens": 9, "temperature": 0}, ["temperature is not taken by claude-opus-4-7"]),
    (CLAUDE, "claude-sonnet-5-5", {"max_tokens": 9, "top_k": 1}, ["top_k is not taken"]),
    (CLAUDE, "claude-opus-4-20250514", {"max_tokens": 9, "temperature": 0, "top_p": 0.9}, []),
    (CLAUDE, "claude-sonnet-4-5-20250929", {"max_tokens": 9, "temperature": 0, "top_k": 5}, []),
    (
        CLAUDE,
        "claude-sonnet-4-5-20250929",
        {"max_tokens": 9, "temperature": 0, "top_p": 0.9},
        ["top_p cannot be set together with temperature"],
    ),
    (CLAUDE, "claude-3-haiku-20240307", {"max_tokens": 9, "temperature": 1.5}, ["temperature must be at most 1"]),
    (CLAUDE, "claude-3-haiku-20240307", {}, ["max_tokens must be set"]),
    (CLAUDE, "claude-haiku-4-5-20251001", {"max_tokens": 9, "reasoning_effort": "low"}, ["reasoning_effort is not"]),
    (CLAUDE, "claude-opus-4-5-20251101", {"max_tokens": 9, "reasoning_effort": "low"}, []),
    (CLAUDE, "claude-opus-4-7", {"max_tokens": 9, "reasoning_effort": "none"}, ["must be one of low, medium, high"]),
    (CLAUDE, "claude-opus-4-7", {"max_tokens": 9, "seed": 1}, ["seed is not taken by the format anthropic-messages"]),
    (GEMINI, "gemini-2.0-flash-001", {"reasoning_effort": "low"}, ["reasoning_effort is not taken"]),
    (GEMINI, "gemini-2.5-pro", {"reasoning_effort": "none"}, ["must be one of minimal, low, medium, high"]),
    (GEMINI, "gemini-2.5-flash", {"reasoning_effort": "none"}, []),
    (GEMINI, "gemini-2.5-flash", {"stop": ["a"] * 6}, ["may have at most 5 texts"]),
    (GEMINI, "gemini-2.5-flash", {"parallel_tool_calls": False}, ["parallel_tool_calls is not taken"]),
    (OPENAI, "o3-2025-04-16", {"reasoning_effort": "minimal"}, ["must be one of low, medium, high for o3-2025-04-16"]),
    (OPENAI, "gpt-5-2025-08-07", {"reasoning_effort": "minimal"}, []),
    (OPENAI, "gpt-5-2025-08-07", {"reasoning_effort": "none"}, ["must be one of minimal, low, medium, high"]),
    (OPENAI, "gpt-5-pro-2025-10-06", {"reasoning_effort": "low"}, ["must be one of high for"]),
    (OPENAI, "gpt-5.1-2025-11-13", {"reasoning_effort": "none", "temperature": 0}, []),
    (OPENAI, "gpt-5.1-2025-11-13", {"reasoning_effort": "xhigh"}, ["must be one of none, low, medium, high"]),
    (OPENAI, "gpt-5.1-codex-max", {"reasoning_effort": "xhigh"}, []),
    (OPENAI, "gpt-5.5-pro-2026-04-23", {"reasoning_effort": "none"}, ["must be one of low, medium, high, xhigh, max"]),
    (OPENAI, "gpt-5.2-chat-1", {"temperature": 0}, ["temperature is not taken by gpt-5.2-chat-1"]),
    (OPENAI, "gpt-5-chat-1", {"reasoning_effort": "low"}, ["reasoning_effort is not taken"]),
    (OPENAI, "gpt-5.6-sol", {"reasoning_effort": "max"}, []),
    (RESPONSES, "o3-2025-04-16", {"reasoning_effort": "none"}, ["must be one of low, medium, high"]),
    (
        CLAUDE,
        "claude-opus-4-6",
        {"max_tokens": 9, "reasoning_effort": "xhigh"},
        ["must be one of low, medium, high, max"],
    ),
    (
        CLAUDE,
        "claude-opus-4-5-20251101",
        {"max_tokens": 9, "reasoning_effort": "max"},
        ["must be one of low, medium, high"],
    ),
    (CLAUDE, "claude-opus-4-7", {"max_tokens": 9, "reasoning_effort": "xhigh"}, []),
    (
        SPECS["bedrock-converse"],
        "eu.anthropic.claude-opus-4-6-v1:0",
        {"max_tokens": 9, "reasoning_effort": "xhigh"},
        ["must be one of low, medium, high, max"],
    ),
    (GEMINI, "gemini-3-pro-preview", {"reasoning_effort": "medium"}, ["must be one of low, high"]),
    (GEMINI, "gemini-3-flash-preview", {"reasoning_effort": "minimal"}, []),
    (GEMINI, "gemini-3.8-flash", {"reasoning_effort": "minimal"}, ["must be one of low, medium, high"]),
    (GROQ, "openai/gpt-oss-120b", {"reasoning_effort": "none"}, ["must be one of low, medium, high"]),
    (GROQ, "qwen/qwen3-32b", {"reasoning_effort": "none"}, []),
    (SPECS["openai-chat"], "anything", {"top_k": 5, "grammar": "x", "reasoning_effort": "max"}, []),
]


@pytest.mark.parametrize(("spec", "model", "params", "words"), REFUSED)
def test_a_param_that_a_model_does_not_take_is_told(
    spec: Spec, model: str, params: dict[str, Any], words: list[str]
) -> None:
    found = refusals(spec, model, params)
    assert len(found) == len(words), found
    for refusal, expected in zip(found, words, strict=True):
        assert expected in str(refusal)
        assert refusal.page.startswith("https://")
    assert set(kept(spec, model, params)) == set(params) - {refusal.param for refusal in found}


def test_a_gateway_s_prefix_is_no_part_of_a_model_s_name() -> None:
    assert refusals(OPENAI, "openai/o3-2025-04-16", {"temperature": 0})


@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_everything_that_is_known_of_a_format_names_its_page(name: str) -> None:
    spec = dict(ALL)[name]
    pages = [spec.page, *(field.page for field in spec.fields.values()), *spec.required.values()]
    pages += [page for rule in spec.models for page in (rule.page, *(field.page for field in rule.fields.values()))]
    assert [page for page in pages if not page.startswith("https://")] == []


@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_a_format_speaks_of_params_that_there_are(name: str) -> None:
    spec = dict(ALL)[name]
    refused = {param for rule in spec.models for param in (*rule.refuses, *rule.either, *rule.fields, *rule.unless)}
    assert {*spec.fields, *spec.required, *refused} <= PARAMS.keys()


@pytest.mark.parametrize("name", [name for name, _ in ALL])
def test_every_stop_reason_becomes_one_of_four_words(name: str) -> None:
    assert set(dict(ALL)[name].stops.values()) <= {"stop", "length", "tool_calls", "content_filter"}
