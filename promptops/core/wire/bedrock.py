"""Amazon Bedrock Converse: one shape for the models of all vendors there, with places for what only some of them take.

The service model is that of botocore: data/bedrock-runtime/2023-09-30/service-2.json
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from promptops.core.wire.anthropic import ANTHROPIC
from promptops.core.wire.spec import Field, ModelRule, Spec

PAGE: Final = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"
STREAM: Final = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html"
INFERENCE: Final = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html"
CACHING: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html"
OUTPUT: Final = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_OutputConfig.html"
CLAUDE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html"
NOVA: Final = "https://docs.aws.amazon.com/nova/latest/userguide/using-converse-api.html"

SCHEMAS: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html"

_MORE: Final = "additionalModelRequestFields"
_EFFORTS: Final = {word: word for word in ("low", "medium", "high", "xhigh", "max")}

BEDROCK: Final = Spec(
    format="bedrock-converse",
    page=PAGE,
    fields={
        "temperature": Field(("inferenceConfig", "temperature"), INFERENCE, high=1),
        "top_p": Field(("inferenceConfig", "topP"), INFERENCE),
        "max_tokens": Field(("inferenceConfig", "maxTokens"), INFERENCE),
        "stop": Field(("inferenceConfig", "stopSequences"), INFERENCE, as_list=True),
        "reasoning_effort": Field(("outputConfig", "effort"), OUTPUT, choices=_EFFORTS),
        "structured_output": Field((), SCHEMAS),
        "tool_choice": Field((), PAGE),
        "prompt_cache": Field((), CACHING),  # blocks of their own
        "extra_body": Field((), PAGE),
    },
    roles={"system": "system", "user": "user", "assistant": "assistant", "tool": "user"},
    stops={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "content_filtered": "content_filter",
        "guardrail_intervened": "content_filter",
    },
    media={
        "image": frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"}),
        "file": frozenset({"application/pdf", "text/plain", "text/csv", "text/markdown", "text/html"}),
    },
    usage={
        # inputTokens are those for which no cache was read or written (CACHING).
        "input_tokens": (("inputTokens",), ("cacheReadInputTokens",), ("cacheWriteInputTokens",)),
        "output_tokens": (("outputTokens",),),
        "cached_tokens": (("cacheReadInputTokens",),),
        "cache_write_tokens": (("cacheWriteInputTokens",),),
    },
    schema_mode="claude",
    models=(
        # What Anthropic's models refuse at home, they refuse here.
        *(replace(rule, models=rf"([a-z-]+\.)?anthropic\.({rule.models})(-v\d+)?(:\d+)*") for rule in ANTHROPIC.models),
        # Those that the page does not list: vendors without, and Claude before 4.5.
        ModelRule(r"([a-z-]+\.)?(ai21|amazon|cohere|meta|writer)\..*", SCHEMAS, native_schema=False),
        ModelRule(
            r"([a-z-]+\.)?anthropic\.claude-(v\d|instant|3|(opus|sonnet)-4-(\d{8}|1-)).*", SCHEMAS, native_schema=False
        ),
        ModelRule(r"([a-z-]+\.)?anthropic\..*", CLAUDE, fields={"top_k": Field((_MORE, "top_k"), CLAUDE)}),
        ModelRule(
            r"([a-z-]+\.)?amazon\.nova-.*", NOVA, fields={"top_k": Field((_MORE, "inferenceConfig", "topK"), NOVA)}
        ),
    ),
)
