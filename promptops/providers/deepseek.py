"""The wire format of DeepSeek's chat completions: OpenAI's, with a switch for thinking.

Sources: https://api-docs.deepseek.com/api/create-chat-completion, https://api-docs.deepseek.com/guides/thinking_mode,
https://api-docs.deepseek.com/guides/json_mode
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.core.wire.deepseek import DEEPSEEK
from promptops.core.wire.spec import Spec
from promptops.errors import ProviderError
from promptops.models import Reply, Request
from promptops.providers.openai_chat import OpenAIChat

_GAVE_UP = "insufficient_system_resource"


class DeepSeek(OpenAIChat):
    """`POST /chat/completions` at api.deepseek.com."""

    def __init__(self, spec: Spec = DEEPSEEK, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """As OpenAI, with `thinking` beside the effort, and JSON mode where a schema is asked for."""
        body = super().write(request, params, stream=stream)
        if (effort := params.get("reasoning_effort")) is not None:
            body["thinking"] = {"type": "disabled" if effort == "none" else "enabled"}
            if effort != "none":
                body["reasoning_effort"] = effort
        schema = request.output_schema
        if schema is not None and schema.get("type") == "object" and params.get("structured_output") != "instruction":
            body["response_format"] = {"type": "json_object"}
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """As OpenAI; raises `ProviderError("server")` for a reply that the vendor broke off for want of resources."""
        reply = super().reply(document)
        if reply.finish_reason == _GAVE_UP:
            raise ProviderError("server", f"the reply was broken off: {_GAVE_UP}")
        return reply
