"""What gateways and hosts of open models take and send otherwise than OpenAI's chat completions: data, no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from promptops.core.wire.openai_chat import OPENAI_CHAT
from promptops.core.wire.spec import EffortRule, Field, ModelRule, Spec

OPENROUTER_PAGE: Final = "https://openrouter.ai/docs/api-reference/overview"
ROUTING: Final = "https://openrouter.ai/docs/features/provider-routing"
PORTKEY_PAGE: Final = "https://portkey.ai/docs/api-reference/inference-api/headers"
HELICONE_PAGE: Final = "https://docs.helicone.ai/helicone-headers/header-directory"
GROQ_PAGE: Final = "https://console.groq.com/docs/openai"
GROQ_CREATE: Final = "https://console.groq.com/docs/api-reference#chat-create"
TOGETHER_PAGE: Final = "https://docs.together.ai/reference/chat-completions-1"
XAI_PAGE: Final = "https://docs.x.ai/docs/api-reference#chat-completions"
XAI_REASONING: Final = "https://docs.x.ai/docs/guides/reasoning"

_OF_LLAMA_CPP: Final = frozenset({"grammar"})
_LOGPROBS: Final = frozenset({"logprobs", "top_logprobs"})

# Left to itself, it asks another host of the model where one fails, and leaves out params that a host does not know.
# Told not to, it finds no host at all where the model takes no seed: so none is sent that nobody asked for.
OPENROUTER: Final = replace(
    OPENAI_CHAT.but(page=OPENROUTER_PAGE, fields={"top_k": Field(("top_k",), OPENROUTER_PAGE)}, without=_OF_LLAMA_CPP),
    extra={"provider": {"allow_fallbacks": False, "require_parameters": True}},  # ROUTING
    sample_seed=False,
)

PORTKEY: Final = replace(OPENAI_CHAT.but(page=PORTKEY_PAGE), key_header="x-portkey-api-key")

# Its cache is off unless a header says otherwise, and says so in `helicone-cache`, which is read.
HELICONE: Final = replace(OPENAI_CHAT.but(page=HELICONE_PAGE), headers={"helicone-cache-enabled": "false"})

# Log probabilities are refused there, although they are in the reference.
GROQ: Final = replace(
    OPENAI_CHAT.but(
        page=GROQ_PAGE,
        fields={
            "max_tokens": Field(("max_completion_tokens",), GROQ_CREATE),
            "reasoning_effort": Field(
                ("reasoning_effort",), GROQ_CREATE, choices={word: word for word in ("none", "low", "medium", "high")}
            ),
        },
        without=_OF_LLAMA_CPP | _LOGPROBS | {"top_k"},
        models=(
            EffortRule(r"gpt-oss-.*", GROQ_CREATE, "low medium high"),
            EffortRule(r"qwen.*", GROQ_CREATE, "none"),
        ),
    ),
    schema_mode="openai",  # https://console.groq.com/docs/structured-outputs
)

# `logprobs` is a number there, and what comes back has another shape.
TOGETHER: Final = replace(
    OPENAI_CHAT.but(
        page=TOGETHER_PAGE,
        fields={
            "top_k": Field(("top_k",), TOGETHER_PAGE),
            "reasoning_effort": Field(
                ("reasoning_effort",), TOGETHER_PAGE, choices={word: word for word in ("low", "medium", "high")}
            ),
        },
        without=_OF_LLAMA_CPP | _LOGPROBS,
    ),
    stops={**OPENAI_CHAT.stops, "eos": "stop"},
)

XAI: Final = replace(
    OPENAI_CHAT.but(
        page=XAI_PAGE,
        fields={
            "max_tokens": Field(("max_completion_tokens",), XAI_PAGE),
            "reasoning_effort": Field(
                ("reasoning_effort",),
                XAI_REASONING,
                choices={word: word for word in ("none", "low", "medium", "high", "xhigh")},
            ),
        },
        without=_OF_LLAMA_CPP | {"top_k"},
        models=(
            ModelRule(
                r"grok-(?!2|3(?!-mini)|.*non-reasoning).*",
                XAI_REASONING,
                refuses=frozenset({"presence_penalty", "frequency_penalty", "stop"}),
            ),
        ),
    ),
    usage={
        **OPENAI_CHAT.usage,
        # total_tokens is the sum of all three: the reasoning is not among the completion_tokens.
        "output_tokens": (("completion_tokens",), ("completion_tokens_details", "reasoning_tokens")),
    },
)

BY_HOST: Final[Mapping[str, Spec]] = {
    "openrouter.ai": OPENROUTER,
    "api.portkey.ai": PORTKEY,
    "ai-gateway.helicone.ai": HELICONE,
    "oai.helicone.ai": HELICONE,
    "api.groq.com": GROQ,
    "api.together.xyz": TOGETHER,
    "api.together.ai": TOGETHER,
    "api.x.ai": XAI,
}
"""Host → what it takes in the format openai-chat."""
