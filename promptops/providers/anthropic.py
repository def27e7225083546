"""The wire format of Anthropic messages.

Source: https://platform.claude.com/docs/en/api/messages/create
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.core.prompt_cache import keep_of, prefix_of
from promptops.core.wire.anthropic import ANTHROPIC
from promptops.core.wire.spec import Spec
from promptops.errors import ProviderError
from promptops.models import Json, Reply, Request, Usage
from promptops.providers.anthropic_body import mark_prefix, schema_format, tool, tool_choice, turns
from promptops.providers.anthropic_stream import MessageEvents
from promptops.providers.failures import of_error_object
from promptops.providers.reading import at_tier, listing, mapping, string, string_or_none, usage_of
from promptops.providers.system import split_system
from promptops.providers.wire import Wire, functions_of

# https://platform.claude.com/docs/en/api/versioning
VERSION = "2026-10-21"
SAMPLING_VERSION = "2023-06-01"
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})


class Anthropic(Wire):
    """`POST /messages`, streamed or not."""

    route = "/messages"

    def __init__(
        self, spec: Spec = ANTHROPIC, *, drop_unsupported: bool = False, prompt_cache: str | None = None
    ) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)
        self._prompt_cache = prompt_cache

    def headers(self, key: str | None) -> dict[str, str]:
        """The version of the API, and the key in a header of its own, which every version of it reads."""
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def headers_for(self, request: Request, key: str | None) -> dict[str, str]:
        """The version that takes what is asked: the newer one knows no sampling params, whatever the model."""
        headers = self.headers(key)
        if not _SAMPLING.isdisjoint(self.in_force(request)):
            headers["anthropic-version"] = SAMPLING_VERSION
        return headers

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """System messages at the top, results of tools in user turns."""
        sent = self.messages(request, params)
        system, messages = split_system(sent)
        body: dict[str, Any] = {"model": request.pin.model, "messages": turns(messages, self.spec.roles)}
        if system:
            body["system"] = system[0] if len(system) == 1 else [{"type": "text", "text": text} for text in system]
        if stream:
            body["stream"] = True
        if request.tools:
            body["tools"] = [tool(function) for function in functions_of(request)]
        if (choice := tool_choice(params)) is not None:
            body["tool_choice"] = choice
        if (schema := self.native_schema(request, params)) is not None:
            body["output_config"] = {"format": schema_format(schema)}
        if (keep := keep_of(request, self.spec.format, self._prompt_cache)) != "off":
            mark_prefix(body, prefix_of(request, sent), messages, self.spec.roles, keep)
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read all blocks; raises `ProviderError` for an error in a reply of status 200, or a wrong shape."""
        if document.get("type") == "error" or document.get("error"):
            raise of_error_object("an error in place of a reply", document.get("error") or document)
        if "content" not in document:
            raise ProviderError("bad_reply", "the reply is not what its format promises: it has no content")
        blocks = [mapping(block, "a block of the content") for block in listing(document["content"], "content")]
        return Reply(
            text="".join(string(b.get("text"), "a block's text") for b in blocks if b.get("type") == "text"),
            finish_reason=self.stop_reason(string_or_none(document.get("stop_reason"), "stop_reason")),
            usage=_usage(self.spec, document.get("usage")),
            served_model=string_or_none(document.get("model"), "model"),
            tool_calls=tuple(_calls(blocks)),
        )

    def chunks(self) -> MessageEvents:
        """What adds up the events of one streamed message."""
        return MessageEvents()


def _usage(spec: Spec, counts: Any) -> Usage:
    usage = usage_of(spec.usage, counts)
    return usage if counts is None else at_tier(usage, counts.get("speed"))


def _calls(blocks: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Json]]:
    """The calls in the shape that calls have everywhere, their arguments as text."""
    for block in blocks:
        if block.get("type") == "tool_use":
            given = block.get("input")
            if not isinstance(given, str):
                given = json.dumps(mapping(given, "a call's input"), ensure_ascii=False)
            function = {"name": string(block.get("name"), "a call's name"), "arguments": given}
            yield {"id": string(block.get("id"), "a call's id"), "type": "function", "function": function}
