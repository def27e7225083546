"""A floating name is no pin where dated snapshots exist."""

from __future__ import annotations

import re

import pytest

from promptops.core.aliases import SNAPSHOTS, floating_alias
from promptops.models import Pin


@pytest.mark.parametrize(
    ("pin", "instead"),
    [
        ("openai/gpt-4o", "openai/gpt-4o-2024-11-20"),
        ("openai/GPT-4o", "openai/gpt-4o-2024-11-20"),
        ("openai/gpt-4.1-mini", "openai/gpt-4.1-mini-2025-04-14"),
        ("openai/o3", "openai/o3-2025-04-16"),
        ("acme/gpt-4o", "acme/gpt-4o-2024-11-20"),
        ("openrouter/openai/gpt-4o", "openrouter/openai/gpt-4o-2024-11-20"),
        ("anthropic/claude-sonnet-latest", "anthropic/claude-sonnet-4-5-20250929"),
        ("anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5-20250929"),
        ("google/gemini-flash-latest", "google/gemini-3.8-flash"),
        ("mistral/mistral-large-latest", "mistral/mistral-large-2512"),
        ("openrouter/openai/gpt-4o:nitro", "openrouter/openai/gpt-4o-2024-11-20:nitro"),
        ("xai/grok-4", "xai/grok-4-0709"),
        ("openrouter/openrouter/auto", "the dated snapshot that it stands for now"),
        ("cohere/command-nightly", "the dated snapshot that it stands for now"),
        ("acme/anything-latest", "the dated snapshot that it stands for now"),
        ("ollama/llama3:latest", "the dated snapshot that it stands for now"),
        ("acme/latest", "the dated snapshot that it stands for now"),
        ("local/smollm2", "local/smollm2@<the first 12 hex digits of its file's sha256>"),
        ("local/smollm2@b179", "local/smollm2@b179@<the first 12 hex digits of its file's sha256>"),
    ],
)
def test_a_floating_pin_is_told_what_to_write(pin: str, instead: str) -> None:
    assert floating_alias(Pin.parse(pin)) == instead


@pytest.mark.parametrize(
    "pin",
    [
        "openai/gpt-4o-2024-11-20",
        "openai/gpt-4.1-mini-2025-04-14",
        "anthropic/claude-sonnet-4-5-20250929",
        "mistral/mistral-large-2411",
        "acme/my-model",
        "acme/auto",
        "openai/ft:gpt-4o-mini-2024-07-18:acme::a1b2",
        "acme/model-1",
        "acme/latest-and-greatest-1",
        "ollama/llama3:8b",
        "local/smollm2-135m-instruct@b179c9523d0e",
    ],
)
def test_a_dated_pin_and_any_other_name_is_fine(pin: str) -> None:
    assert floating_alias(Pin.parse(pin)) is None


@pytest.mark.parametrize("snapshot", sorted(set(SNAPSHOTS.values())))
def test_what_the_table_names_does_not_float_itself(snapshot: str) -> None:
    assert floating_alias(Pin("x", snapshot)) is None
    assert re.search(r"\d", snapshot)
