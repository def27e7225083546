"""OpenAI's own SDK as the other side: what calls of chat completions and of responses have in common."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.providers.oracles.calls import PDF, PNG
from tests.providers.oracles.oracle import KEY, TOOL, closed_later

openai: Any = pytest.importorskip("openai")

MODEL = "gpt-4.1-mini-2025-04-14"
IMAGE_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
FILE_URL = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
SAMPLING = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 300, "logprobs": True, "top_logprobs": 2}
LOGPROBS: Any = {
    "content": [
        {
            "token": "h",
            "logprob": -0.1,
            "bytes": [104],
            "top_logprobs": [{"token": "h", "logprob": -0.1, "bytes": [104]}],
        },
        {"token": "i", "logprob": -2.5, "bytes": [105], "top_logprobs": []},
    ],
    "refusal": None,
}
FUNCTION = TOOL["function"]


def their_call(name: str, identifier: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def client(url: str) -> Any:
    return closed_later(openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0))
