"""OpenAI chat completions, as the many endpoints that speak them take it, and as OpenAI itself does."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from promptops.core.wire.openai_models import MODELS, OPENAI_EFFORTS
from promptops.core.wire.spec import Field, Spec

PAGE: Final = "https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create"
LLAMA: Final = "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md"
VLLM: Final = "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"
STREAMING: Final = (
    "https://developers.openai.com/api/reference/resources/chat/subresources/completions/streaming-events"
)
IMAGES: Final = "https://developers.openai.com/api/docs/guides/images-vision"
FILES: Final = "https://developers.openai.com/api/docs/guides/pdf-files"

OPENAI_CHAT: Final = Spec(
    format="openai-chat",
    page=PAGE,
    fields={
        "temperature": Field(("temperature",), PAGE),
        "top_p": Field(("top_p",), PAGE),
        "top_k": Field(("top_k",), VLLM),
        "max_tokens": Field(("max_tokens",), PAGE),
        "seed": Field(("seed",), PAGE),
        "stop": Field(("stop",), PAGE),
        "frequency_penalty": Field(("frequency_penalty",), PAGE),
        "presence_penalty": Field(("presence_penalty",), PAGE),
        "response_format": Field(("response_format",), PAGE),
        "structured_output": Field((), PAGE),
        "grammar": Field(("grammar",), LLAMA),
        "logprobs": Field(("logprobs",), PAGE),
        "top_logprobs": Field(("top_logprobs",), PAGE),
        "reasoning_effort": Field(("reasoning_effort",), PAGE),
        "tool_choice": Field((), PAGE),
        "parallel_tool_calls": Field(("parallel_tool_calls",), PAGE),
        "extra_body": Field((), PAGE),
    },
    roles={"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"},
    stops={"function_call": "tool_calls"},
    usage={
        "input_tokens": (("prompt_tokens",),),
        "output_tokens": (("completion_tokens",),),
        "cached_tokens": (("prompt_tokens_details", "cached_tokens"),),
        "cache_write_tokens": (("prompt_tokens_details", "cache_write_tokens"),),
        "reasoning_tokens": (("completion_tokens_details", "reasoning_tokens"),),
    },
    media={
        "image": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"}),
        "file": frozenset({"application/pdf"}),
    },
)

# The models of the catalog that run here: llama.cpp answers as if there were no tools, no effort and no images, where
# the model's own template has no place for them. https://github.com/ggml-org/llama.cpp/blob/master/docs/function-calling.md
EMBEDDED: Final = replace(
    OPENAI_CHAT.but(page=LLAMA, without=frozenset({"tool_choice", "parallel_tool_calls", "reasoning_effort"})),
    media={},
    tools=False,
)

# What api.openai.com itself does otherwise: https://developers.openai.com/api/docs/guides/reasoning
OPENAI_ITSELF: Final = replace(
    OPENAI_CHAT.but(
        fields={
            "max_tokens": Field(("max_completion_tokens",), PAGE),
            "reasoning_effort": Field(("reasoning_effort",), PAGE, choices=OPENAI_EFFORTS),
            "stop": Field(("stop",), PAGE, most=4),
        },
        without=frozenset({"top_k", "grammar"}),
        models=MODELS,
    ),
    schema_mode="openai",
)
