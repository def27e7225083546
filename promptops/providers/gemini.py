"""The wire format of Google Gemini's `generateContent`.

Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from promptops.core.wire.gemini import GEMINI
from promptops.core.wire.spec import Spec
from promptops.errors import ProviderError
from promptops.models import Json, Reply, Request, Usage
from promptops.providers.failures import of_error_object
from promptops.providers.gemini_body import contents, declaration, tool_config
from promptops.providers.gemini_stream import ContentChunks
from promptops.providers.reading import at_tier, listing, mapping, number, string, string_or_none, usage_of
from promptops.providers.system import split_system
from promptops.providers.wire import Wire, functions_of


class Gemini(Wire):
    """`POST /models/<model>:generateContent`, and `:streamGenerateContent` for a stream of events."""

    def __init__(self, spec: Spec = GEMINI, *, drop_unsupported: bool = False) -> None:
        super().__init__(spec, drop_unsupported=drop_unsupported)

    def path(self, model: str, *, stream: bool = False) -> str:
        """The model is in the path. Without `alt=sse` a stream is one JSON list that ends with it."""
        folder, _, name = model.rpartition("/")
        below = f"{'tunedModels' if folder == 'tunedModels' else 'models'}/{quote(name, safe='')}"
        return f"/{below}:streamGenerateContent?alt=sse" if stream else f"/{below}:generateContent"

    def headers(self, key: str | None) -> dict[str, str]:
        """The key in a header of its own: in the URL it would stand in logs."""
        return {"x-goog-api-key": key} if key else {}

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:  # noqa: ARG002
        """System messages apart, assistants are models, calls and their results are parts."""
        system, messages = split_system(self.messages(request, params))
        body: dict[str, Any] = {"contents": contents(messages, self.spec.roles)}
        if system:
            body["systemInstruction"] = {"parts": [{"text": text} for text in system], "role": "user"}
        if request.tools:
            body["tools"] = [{"functionDeclarations": [declaration(function) for function in functions_of(request)]}]
        if "tool_choice" in params:
            body["toolConfig"] = tool_config(params["tool_choice"])
        if (schema := self.native_schema(request, params)) is not None:
            body["generationConfig"] = {"responseMimeType": "application/json", "responseJsonSchema": dict(schema)}
        return body

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the first candidate; raises `ProviderError` for an error in a reply of status 200, or a wrong shape."""
        if document.get("error"):
            raise of_error_object("an error in place of a reply", document["error"])
        candidates = listing(document.get("candidates"), "candidates")
        if not candidates:
            return self._blocked(document)
        candidate = mapping(candidates[0], "candidates[0]")
        content = mapping(candidate.get("content") or {}, "candidates[0].content")
        parts = [mapping(part, "a part") for part in listing(content.get("parts"), "candidates[0].content.parts")]
        reason = self.stop_reason(string_or_none(candidate.get("finishReason"), "candidates[0].finishReason"))
        calls = tuple(_calls(parts))
        return Reply(
            text="".join(string(part["text"], "a part's text") for part in parts if _is_said(part)),
            finish_reason="tool_calls" if calls and reason == "stop" else reason,
            usage=self._usage(document.get("usageMetadata")),
            served_model=string_or_none(document.get("modelVersion"), "modelVersion"),
            tool_calls=calls,
            logprobs=tuple(_logprobs(candidate.get("logprobsResult"))),
        )

    def chunks(self) -> ContentChunks:
        """What adds up the chunks of one streamed reply."""
        return ContentChunks()

    def _usage(self, counts: Any) -> Usage:
        usage = usage_of(self.spec.usage, counts, "usageMetadata")
        return usage if counts is None else at_tier(usage, counts.get("serviceTier"))

    def _blocked(self, document: Mapping[str, Any]) -> Reply:
        """What is answered to a prompt that a filter stopped: nothing, and why."""
        feedback = mapping(document.get("promptFeedback") or {}, "promptFeedback")
        if not feedback.get("blockReason"):
            raise ProviderError("bad_reply", "the reply is not what its format promises: it has no candidates")
        return Reply(
            text="",
            finish_reason="content_filter",
            usage=self._usage(document.get("usageMetadata")),
            served_model=string_or_none(document.get("modelVersion"), "modelVersion"),
        )


def _is_said(part: Mapping[str, Any]) -> bool:
    """Whether a part is text of the answer: what the model thinks is marked as a thought."""
    return part.get("text") is not None and not part.get("thought")


def _calls(parts: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Json]]:
    """The calls in the shape that calls have everywhere; one without an id is called by its place."""
    found = [mapping(part["functionCall"], "a functionCall") for part in parts if part.get("functionCall")]
    for place, call in enumerate(found):
        arguments = json.dumps(mapping(call.get("args") or {}, "a call's args"), ensure_ascii=False)
        function = {"name": string(call.get("name"), "a call's name"), "arguments": arguments}
        name = string_or_none(call.get("id"), "a call's id") or f"call_{place}"
        yield {"id": name, "type": "function", "function": function}


def _logprobs(value: Any) -> Iterator[Mapping[str, Json]]:
    if not isinstance(value, dict):
        return
    likeliest = listing(value.get("topCandidates"), "topCandidates")
    for place, chosen in enumerate(listing(value.get("chosenCandidates"), "chosenCandidates")):
        top = mapping(likeliest[place], "topCandidates") if place < len(likeliest) else {}
        yield {**_token(chosen), "top": [_token(other) for other in listing(top.get("candidates"), "candidates")]}


def _token(value: Any) -> dict[str, Json]:
    item = mapping(value, "a candidate token")
    logprob = number(item.get("logProbability", 0.0), "a logProbability")
    return {"token": string(item.get("token", ""), "a token"), "logprob": logprob}
