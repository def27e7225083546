"""DeepSeek chat completions: OpenAI's shape; the model thinks unless told not to, and then samples as it likes."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from promptops.core.wire.openai_chat import OPENAI_CHAT
from promptops.core.wire.spec import Field, ModelRule

PAGE: Final = "https://api-docs.deepseek.com/api/create-chat-completion"
THINKING: Final = "https://api-docs.deepseek.com/guides/thinking_mode"

# `none` switches thinking off; efforts that the vendor maps to another one by itself are sent as they are written.
_EFFORTS: Final = {word: word for word in ("none", "minimal", "low", "medium", "high", "xhigh", "max")}

# While it thinks, setting them is no error there and has no effect: so it is an error here.
_SAMPLING: Final = frozenset({"temperature", "frequency_penalty", "presence_penalty"})

DEEPSEEK: Final = replace(
    OPENAI_CHAT.but(
        page=PAGE,
        fields={
            "reasoning_effort": Field((), THINKING, choices=_EFFORTS),
            "stop": Field(("stop",), PAGE, most=16),
        },
        without=frozenset({"top_k", "grammar", "seed", "parallel_tool_calls"}),
        models=(ModelRule(r".*", THINKING, refuses=_SAMPLING, unless={"reasoning_effort": ("none",)}),),
        native_schema=False,
    ),
    format="deepseek",
    media={"image": OPENAI_CHAT.media["image"]},
    # Its own name for them, which is the documented one; OpenAI's stands beside it, or does not.
    usage={**OPENAI_CHAT.usage, "cached_tokens": (("prompt_cache_hit_tokens",),)},
    usage_instead={"cached_tokens": ("prompt_tokens_details", "cached_tokens")},
)
