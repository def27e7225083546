"""Mistral chat completions: OpenAI's shape with names of their own.

The vendor's SDK is made from the reference: https://github.com/mistralai/client-python, models/chatcompletionrequest.py
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from promptops.core.wire.openai_chat import OPENAI_CHAT
from promptops.core.wire.spec import Field

PAGE: Final = "https://docs.mistral.ai/api/endpoint/chat"

_EFFORTS: Final = {word: word for word in ("none", "minimal", "low", "medium", "high", "xhigh", "max")}

MISTRAL: Final = replace(
    OPENAI_CHAT.but(
        page=PAGE,
        fields={
            "top_k": Field(("top_k",), PAGE),
            "seed": Field(("random_seed",), PAGE),
            "reasoning_effort": Field(("reasoning_effort",), PAGE, choices=_EFFORTS),
        },
        without=frozenset({"grammar"}),
    ),
    format="mistral",
    stops={"model_length": "length"},
)
