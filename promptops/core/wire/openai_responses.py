"""OpenAI responses: what they take, as data."""

from __future__ import annotations

from typing import Final

from promptops.core.wire.openai_chat import FILES, IMAGES
from promptops.core.wire.openai_models import MODELS, OPENAI_EFFORTS
from promptops.core.wire.spec import Field, Spec

PAGE: Final = "https://developers.openai.com/api/reference/resources/responses/methods/create"
STREAMING: Final = "https://developers.openai.com/api/reference/resources/responses/streaming-events"
MIGRATING: Final = "https://developers.openai.com/api/docs/guides/migrate-to-responses"

OPENAI_RESPONSES: Final = Spec(
    format="openai-responses",
    page=PAGE,
    fields={
        "temperature": Field(("temperature",), PAGE),
        "top_p": Field(("top_p",), PAGE),
        "max_tokens": Field(("max_output_tokens",), PAGE),
        "structured_output": Field((), PAGE),
        "logprobs": Field((), PAGE),  # one of the things to `include`
        "top_logprobs": Field(("top_logprobs",), PAGE),
        "reasoning_effort": Field(("reasoning", "effort"), PAGE, choices=OPENAI_EFFORTS),
        "tool_choice": Field((), PAGE),
        "parallel_tool_calls": Field(("parallel_tool_calls",), PAGE),
        "extra_body": Field((), PAGE),
    },
    roles={"system": "system", "user": "user", "assistant": "assistant"},
    stops={"completed": "stop", "max_output_tokens": "length", "max_tokens": "length"},
    usage={
        "input_tokens": (("input_tokens",),),
        "output_tokens": (("output_tokens",),),
        "cached_tokens": (("input_tokens_details", "cached_tokens"),),
        "cache_write_tokens": (("input_tokens_details", "cache_write_tokens"),),
        "reasoning_tokens": (("output_tokens_details", "reasoning_tokens"),),
    },
    media={
        "image": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"}),
        "file": frozenset({"application/pdf"}),
    },
    schema_mode="openai",
    models=MODELS,
)

__all__ = ["FILES", "IMAGES", "MIGRATING", "OPENAI_RESPONSES", "PAGE", "STREAMING"]
