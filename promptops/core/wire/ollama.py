"""Ollama's native chat: options of a sampler below the top level, and a reply that counts in nanoseconds."""

from __future__ import annotations

from typing import Final

from promptops.core.wire.spec import Field, Spec

PAGE: Final = "https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion"
OPTIONS: Final = "https://github.com/ollama/ollama/blob/main/docs/modelfile.mdx#valid-parameters-and-values"
STREAMING: Final = "https://docs.ollama.com/api/streaming"
ERRORS: Final = "https://docs.ollama.com/api/errors"
TYPES: Final = "https://github.com/ollama/ollama/blob/main/api/types.go"

OLLAMA: Final = Spec(
    format="ollama",
    page=PAGE,
    fields={
        "temperature": Field(("options", "temperature"), OPTIONS),
        "top_p": Field(("options", "top_p"), OPTIONS),
        "top_k": Field(("options", "top_k"), OPTIONS),
        "max_tokens": Field(("options", "num_predict"), OPTIONS),
        "seed": Field(("options", "seed"), OPTIONS),
        "stop": Field(("options", "stop"), OPTIONS, as_list=True),
        "frequency_penalty": Field(("options", "frequency_penalty"), TYPES),
        "presence_penalty": Field(("options", "presence_penalty"), TYPES),
        "response_format": Field((), PAGE),
        "structured_output": Field((), PAGE),
        "logprobs": Field(("logprobs",), TYPES),
        "top_logprobs": Field(("top_logprobs",), TYPES),
        "reasoning_effort": Field(
            ("think",),
            PAGE,
            choices={"none": False, "low": "low", "medium": "medium", "high": "high", "max": "max"},
        ),
        "extra_body": Field((), PAGE),
    },
    roles={"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"},
    usage={"input_tokens": (("prompt_eval_count",),), "output_tokens": (("eval_count",),)},
    media={"image": frozenset({"image/png", "image/jpeg", "image/webp"})},
)
