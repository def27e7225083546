"""Cohere chat, version 2 of its API."""

from __future__ import annotations

from typing import Final

from promptops.core.wire.spec import Field, Spec

PAGE: Final = "https://docs.cohere.com/reference/chat"
STREAM: Final = "https://docs.cohere.com/reference/chat-stream"
REASONING: Final = "https://docs.cohere.com/docs/reasoning"
IMAGES: Final = "https://docs.cohere.com/docs/image-inputs"

COHERE: Final = Spec(
    format="cohere",
    page=PAGE,
    fields={
        "temperature": Field(("temperature",), PAGE),
        "top_p": Field(("p",), PAGE, low=0.01, high=0.99),
        "top_k": Field(("k",), PAGE, high=500),
        "max_tokens": Field(("max_tokens",), PAGE),
        "seed": Field(("seed",), PAGE),
        "stop": Field(("stop_sequences",), PAGE, as_list=True, most=5),
        "frequency_penalty": Field(("frequency_penalty",), PAGE, low=0, high=1),
        "presence_penalty": Field(("presence_penalty",), PAGE, low=0, high=1),
        "response_format": Field(("response_format",), PAGE),
        "structured_output": Field((), PAGE),
        "logprobs": Field(("logprobs",), PAGE),
        # There is no effort but on and off.
        "reasoning_effort": Field(
            ("thinking",), REASONING, choices={"none": {"type": "disabled"}, "high": {"type": "enabled"}}
        ),
        "tool_choice": Field((), PAGE, choices={"auto": None, "none": "NONE", "required": "REQUIRED"}),
        "extra_body": Field((), PAGE),
    },
    roles={"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"},
    stops={
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "TOOL_CALL": "tool_calls",
    },
    usage={
        # What is billed: `tokens` also counts a preamble of the vendor's own.
        "input_tokens": (("billed_units", "input_tokens"),),
        "output_tokens": (("billed_units", "output_tokens"),),
        "cached_tokens": (("cached_tokens",),),
    },
    media={"image": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})},
)
