"""Anthropic messages: what they take, as data."""

from __future__ import annotations

from typing import Final

from promptops.core.wire.spec import EffortRule, Field, ModelRule, Spec

PAGE: Final = "https://platform.claude.com/docs/en/api/messages/create"
VERSIONS: Final = "https://platform.claude.com/docs/en/api/versioning"
STREAMING: Final = "https://platform.claude.com/docs/en/build-with-claude/streaming"
ERRORS: Final = "https://platform.claude.com/docs/en/api/errors"
STOPS: Final = "https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons"
EFFORT: Final = "https://platform.claude.com/docs/en/build-with-claude/effort"
SCHEMAS: Final = "https://platform.claude.com/docs/en/build-with-claude/structured-outputs"
TOOLS: Final = "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview"
CACHING: Final = "https://platform.claude.com/docs/en/build-with-claude/prompt-caching"
MIGRATING: Final = "https://platform.claude.com/docs/en/about-claude/models/migration-guide"

_EFFORTS: Final = {word: word for word in ("low", "medium", "high", "xhigh", "max")}
# A generation and, from 4 on, a minor number of one digit; eight digits are a date.
_BEFORE_EFFORT: Final = r"claude-(3.*|opus-4(-[01])?(-\d{8})?|sonnet-4(-[05])?(-\d{8})?|haiku-4-5(-\d{8})?)"
_BEFORE_SCHEMAS: Final = r"claude-(3.*|(opus|sonnet)-4(-0)?(-\d{8})?)"
_SAMPLES_ITSELF: Final = r"claude-(opus-4-[789](-.*)?|[a-z]+-([5-9]|[1-9]\d)(-.*)?|mythos-preview)"
_ONE_SAMPLER: Final = r"claude-(opus-4-[1-6]|sonnet-4-[56]|haiku-4-5)(-.*)?"

ANTHROPIC: Final = Spec(
    format="anthropic-messages",
    page=PAGE,
    fields={
        "temperature": Field(("temperature",), VERSIONS, high=1),
        "top_p": Field(("top_p",), VERSIONS),
        "top_k": Field(("top_k",), VERSIONS),
        "max_tokens": Field(("max_tokens",), PAGE),
        "stop": Field(("stop_sequences",), PAGE, as_list=True),
        "structured_output": Field((), SCHEMAS),
        "reasoning_effort": Field(("output_config", "effort"), EFFORT, choices=_EFFORTS),
        "tool_choice": Field((), TOOLS),
        "parallel_tool_calls": Field((), TOOLS),  # a part of tool_choice
        "prompt_cache": Field((), CACHING),  # marks on blocks
        "extra_body": Field((), PAGE),
    },
    required={"max_tokens": PAGE},
    roles={"user": "user", "assistant": "assistant", "tool": "user"},
    stops={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    },
    # What was read from or written to a cache is not among their input tokens: `CACHING`.
    usage={
        "input_tokens": (("input_tokens",), ("cache_read_input_tokens",), ("cache_creation_input_tokens",)),
        "output_tokens": (("output_tokens",),),
        "cached_tokens": (("cache_read_input_tokens",),),
        "cache_write_tokens": (("cache_creation_input_tokens",),),
        "cache_write_1h_tokens": (("cache_creation", "ephemeral_1h_input_tokens"),),
        "reasoning_tokens": (("output_tokens_details", "thinking_tokens"),),
    },
    media={
        "image": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"}),
        "file": frozenset({"application/pdf", "text/plain"}),
    },
    schema_mode="claude",
    models=(
        ModelRule(_SAMPLES_ITSELF, MIGRATING, refuses=frozenset({"temperature", "top_p", "top_k"})),
        ModelRule(_ONE_SAMPLER, MIGRATING, either=frozenset({"temperature", "top_p"})),
        ModelRule(_BEFORE_EFFORT, EFFORT, refuses=frozenset({"reasoning_effort"})),
        EffortRule(r"claude-opus-4-5(-.*)?", EFFORT, "low medium high"),
        EffortRule(r"claude-(opus|sonnet)-4-6(-.*)?", EFFORT, "low medium high max"),
        ModelRule(_BEFORE_SCHEMAS, SCHEMAS, native_schema=False),
    ),
)
