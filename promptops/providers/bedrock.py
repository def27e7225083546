"""The wire format of Amazon Bedrock's Converse.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html, and botocore's service model
`data/bedrock-runtime/2023-09-30/service-2.json`
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from promptops.core.prompt_cache import keep_of, prefix_of
from promptops.core.wire.bedrock import BEDROCK
from promptops.core.wire.claude_schema import claude_schema
from promptops.core.wire.spec import Spec
from promptops.core.wire.strict_schema import schema_name
from promptops.errors import MissingExtra, ProviderError
from promptops.models import Json, Reply, Request, Usage
from promptops.providers.aws import Credentials, region_of, sign
from promptops.providers.bedrock_body import add_cache_points, converse_tools, converse_turns
from promptops.providers.bedrock_stream import BedrockEvents
from promptops.providers.reading import listing, mapping, string, string_or_none, usage_of
from promptops.providers.system import split_system
from promptops.providers.wire import Wire

_BROKEN = frozenset({"malformed_model_output", "malformed_tool_use"})


class Bedrock(Wire):
    """`POST /model/<id>/converse`; `base_url` is https://bedrock-runtime.<region>.amazonaws.com.

    A request is signed by the AWS credentials in the environment, or carries a Bedrock key as a bearer token where
    `api_key_env` names one. A reply names the model that made it only where a prompt router chose one. Raises
    `MissingExtra` where botocore is not installed.
    """

    says_model = False
    credentials = "AWS_ACCESS_KEY_ID"
    stream_type = "application/vnd.amazon.eventstream"

    def __init__(
        self,
        spec: Spec = BEDROCK,
        *,
        drop_unsupported: bool = False,
        environ: Mapping[str, str] = os.environ,
        region: str | None = None,
        prompt_cache: str | None = None,
    ) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)
        try:
            import botocore.auth  # noqa: F401 - a fifth of a second, not in the middle of other requests
        except ImportError:
            raise MissingExtra("bedrock", "Amazon Bedrock") from None
        self._environ, self._region, self._prompt_cache = environ, region, prompt_cache

    def path(self, model: str, *, stream: bool = False) -> str:
        """The model's id stands in the path: an ARN has colons and slashes."""
        return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"

    def signed(self, url: str, headers: dict[str, str], body: bytes) -> Mapping[str, str]:
        """Sign the request, unless it carries a key; raises `ProviderError("auth")` where there are no credentials."""
        if "authorization" in headers:
            return headers
        credentials = Credentials.of(self._environ)
        region = self._region or region_of(urlsplit(url).hostname or "", self._environ)
        return {**headers, **sign(url, body, credentials, service="bedrock", region=region)}

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:  # noqa: ARG002
        """System prompts apart, turns of one role joined, media in base64, results of tools from the user."""
        sent = self.messages(request, params)
        system, messages = split_system(sent)
        body: dict[str, Any] = {"messages": converse_turns(messages, self.spec.roles)}
        if system:
            body["system"] = [{"text": text} for text in system]
        if tools := converse_tools(request.tools, params.get("tool_choice", "auto")):
            body["toolConfig"] = tools
        if (schema := self.native_schema(request, params)) is not None:
            text = json.dumps(claude_schema(schema), ensure_ascii=False, separators=(",", ":"))
            structure = {"jsonSchema": {"schema": text, "name": schema_name(schema)}}
            body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
        if (keep := keep_of(request, self.spec.format, self._prompt_cache)) != "off":
            add_cache_points(body, prefix_of(request, sent), messages, self.spec.roles, keep)
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the reply; raises `ProviderError` for output that the vendor could not read, or a wrong shape."""
        said = string_or_none(document.get("stopReason"), "stopReason")
        if said in _BROKEN:
            raise ProviderError("server", f"the vendor could not read what the model wrote (stopReason {said})")
        output = mapping(document.get("output"), "output")
        message = mapping(output.get("message"), "output.message")
        blocks = [mapping(block, "a block of the content") for block in listing(message.get("content"), "content")]
        return Reply(
            text="".join(string(block["text"], "a block's text") for block in blocks if "text" in block),
            finish_reason=self.stop_reason(said),
            usage=_usage(usage_of(self.spec.usage, document.get("usage")), document.get("usage")),
            served_model=_routed_to(document),
            tool_calls=tuple(_call(block["toolUse"]) for block in blocks if "toolUse" in block),
        )

    def chunks(self) -> BedrockEvents:
        """What adds up the events of one streamed reply."""
        return BedrockEvents()


def _routed_to(document: Mapping[str, Any]) -> str | None:
    """Return the model that a prompt router chose: all that a reply ever says of who made it."""
    trace = mapping(document.get("trace") or {}, "trace")
    router = mapping(trace.get("promptRouter") or {}, "trace.promptRouter")
    return string_or_none(router.get("invokedModelId"), "trace.promptRouter.invokedModelId")


def _call(value: Any) -> Mapping[str, Json]:
    call = mapping(value, "toolUse")
    return {
        "id": string(call.get("toolUseId"), "toolUse.toolUseId"),
        "type": "function",
        "function": {
            "name": string(call.get("name"), "toolUse.name"),
            "arguments": json.dumps(call.get("input") or {}, ensure_ascii=False),
        },
    }


def _usage(counted: Usage, said: Any) -> Usage:
    """The counts with what was written for an hour, where the details of the cache have such a row (CacheDetail)."""
    rows = said.get("cacheDetails") if isinstance(said, Mapping) else None
    if not isinstance(rows, list):
        return counted
    hours = [row.get("inputTokens") for row in rows if isinstance(row, Mapping) and row.get("ttl") == "1h"]
    written = sum(hour for hour in hours if isinstance(hour, int) and not isinstance(hour, bool) and hour > 0)
    return replace(counted, cache_write_1h_tokens=written) if written else counted
