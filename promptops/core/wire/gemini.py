"""Google Gemini `generateContent`: what it takes, as data."""

from __future__ import annotations

from typing import Final

from promptops.core.wire.spec import EffortRule, Field, ModelRule, Spec

PAGE: Final = "https://ai.google.dev/api/generate-content"
THINKING: Final = "https://ai.google.dev/gemini-api/docs/thinking"
COMPATIBILITY: Final = "https://ai.google.dev/gemini-api/docs/openai"  # our words for effort, and what they stand for
SCHEMAS: Final = "https://ai.google.dev/gemini-api/docs/structured-output"
FUNCTIONS: Final = "https://ai.google.dev/gemini-api/docs/function-calling"
FILES: Final = "https://ai.google.dev/gemini-api/docs/document-processing"
IMAGES: Final = "https://ai.google.dev/gemini-api/docs/image-understanding"

_LEVELS: Final = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
_BUDGET: Final = ("generationConfig", "thinkingConfig", "thinkingBudget")

GEMINI: Final = Spec(
    format="gemini",
    page=PAGE,
    fields={
        "temperature": Field(("generationConfig", "temperature"), PAGE),
        "top_p": Field(("generationConfig", "topP"), PAGE),
        "top_k": Field(("generationConfig", "topK"), PAGE),
        "max_tokens": Field(("generationConfig", "maxOutputTokens"), PAGE),
        "seed": Field(("generationConfig", "seed"), PAGE),
        "stop": Field(("generationConfig", "stopSequences"), PAGE, as_list=True, most=5),
        "frequency_penalty": Field(("generationConfig", "frequencyPenalty"), PAGE),
        "presence_penalty": Field(("generationConfig", "presencePenalty"), PAGE),
        "structured_output": Field((), SCHEMAS),
        "logprobs": Field(("generationConfig", "responseLogprobs"), PAGE),
        "top_logprobs": Field(("generationConfig", "logprobs"), PAGE),
        "reasoning_effort": Field(("generationConfig", "thinkingConfig", "thinkingLevel"), THINKING, choices=_LEVELS),
        "tool_choice": Field((), FUNCTIONS),
        "extra_body": Field((), PAGE),
    },
    roles={"user": "user", "assistant": "model", "tool": "user"},
    stops={
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "LANGUAGE": "content_filter",
        "BLOCKLIST": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "SPII": "content_filter",
        "IMAGE_SAFETY": "content_filter",
        "IMAGE_PROHIBITED_CONTENT": "content_filter",
        "IMAGE_RECITATION": "content_filter",
        "MODEL_ARMOR": "content_filter",
        "ESCALATION": "content_filter",
    },
    # Thoughts are not among the candidates' tokens, what tools brought is not among the prompt's.
    usage={
        "input_tokens": (("promptTokenCount",), ("toolUsePromptTokenCount",)),
        "output_tokens": (("candidatesTokenCount",), ("thoughtsTokenCount",)),
        "cached_tokens": (("cachedContentTokenCount",),),
        "reasoning_tokens": (("thoughtsTokenCount",),),
    },
    media={
        "image": frozenset({"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}),
        "file": frozenset({"application/pdf", "text/plain"}),
    },
    models=(
        ModelRule(r"gemini-(1|2\.0).*", THINKING, refuses=frozenset({"reasoning_effort"})),
        EffortRule(r"gemini-3-pro.*", THINKING, "low high"),
        EffortRule(r"gemini-3\.\d+-pro.*", THINKING, "low medium high"),
        EffortRule(r"gemini-3\.([7-9]|\d\d)-flash(?!-lite).*", THINKING, "low medium high"),
        ModelRule(
            r"gemini-2\.5-pro.*",
            COMPATIBILITY,
            fields={"reasoning_effort": Field(_BUDGET, COMPATIBILITY, choices=_BUDGETS)},
        ),
        ModelRule(
            r"gemini-2\.5-flash.*",
            COMPATIBILITY,
            fields={"reasoning_effort": Field(_BUDGET, COMPATIBILITY, choices={"none": 0, **_BUDGETS})},
        ),
    ),
)
