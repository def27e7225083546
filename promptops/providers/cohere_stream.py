"""The streamed form of Cohere's chat: typed events that add up to the document of an unstreamed reply.

Source: https://docs.cohere.com/reference/chat-stream
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from msgspec import Struct, field

from promptops.errors import ProviderError
from promptops.providers.failures import of_error_object
from promptops.providers.reading import MAX_CALLS, mapping, string, wrong
from promptops.providers.replies import parse_object, well_formed


class _Part(Struct):
    """A part of the content, or a call: what its start said, and a text that grows."""

    fields: dict[str, Any]
    text: StringIO = field(default_factory=StringIO)


class CohereEvents:
    """Adds up the events of one reply."""

    def __init__(self) -> None:
        self.complete = False
        self.pieces = 0
        self._content: dict[int, _Part] = {}
        self._calls: dict[int, _Part] = {}
        self._logprobs: list[Any] = []
        self._end: Mapping[str, Any] = {}

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    def add(self, event: str, data: str) -> None:
        """Take one event; raises `ProviderError` for an error among them, or a wrong shape."""
        if data.strip() == "[DONE]":
            return
        document = parse_object(data, mend=False)
        kind = document.get("type") or event
        delta = mapping(document.get("delta") or {}, "delta")
        if kind == "message-end":
            self._finish(delta)
            return
        message = mapping(delta.get("message") or {}, "delta.message")
        if kind in ("content-start", "content-delta"):
            self._add_content(_index(document), mapping(message.get("content") or {}, "content"))
            if document.get("logprobs") is not None:
                self._logprobs.append(document["logprobs"])
        elif kind in ("tool-call-start", "tool-call-delta"):
            self._add_call(_index(document), mapping(message.get("tool_calls") or {}, "tool_calls"))
        elif kind == "tool-plan-delta":
            self.pieces += 1
        elif not kind or kind == "error":
            raise of_error_object("an error in the middle of the reply", document.get("message") or document)

    def document(self) -> dict[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        if not self.complete:
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        message: dict[str, Any] = {
            "role": "assistant",
            "content": [
                {**part.fields, part.fields["type"]: part.text.getvalue()} for _, part in sorted(self._content.items())
            ],
        }
        if self._calls:
            message["tool_calls"] = [_call(part) for _, part in sorted(self._calls.items())]
        document: dict[str, Any] = well_formed({**self._end, "message": message, "logprobs": self._logprobs})
        return document

    def _finish(self, delta: Mapping[str, Any]) -> None:
        if error := delta.get("error"):
            raise of_error_object("the model's host failed midway", error)
        self._end, self.complete = delta, True

    def _add_content(self, index: int, content: Mapping[str, Any]) -> None:
        kind = content.get("type") or ("thinking" if content.get("thinking") is not None else "text")
        part = self._content.setdefault(index, _Part({"type": string(kind, "content.type")}))
        piece = string(content.get(part.fields["type"]) or "", "content")
        part.text.write(piece)
        if piece:
            self.pieces += 1

    def _add_call(self, index: int, call: Mapping[str, Any]) -> None:
        if index not in self._calls and len(self._calls) == MAX_CALLS:
            raise ProviderError("bad_reply", f"the reply has more than {MAX_CALLS} tool calls")
        part = self._calls.setdefault(index, _Part({"function": {}}))
        function = mapping(call.get("function") or {}, "a tool call's function")
        for name in ("id", "type"):
            if call.get(name) is not None:
                part.fields.setdefault(name, call[name])
        if function.get("name") is not None:
            part.fields["function"].setdefault("name", function["name"])
        part.text.write(string(function.get("arguments") or "", "a tool call's arguments"))
        self.pieces += 1


def _call(part: _Part) -> dict[str, Any]:
    return {**part.fields, "function": {**part.fields["function"], "arguments": part.text.getvalue()}}


def _index(document: Mapping[str, Any]) -> int:
    index = document.get("index", 0)
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise wrong("index", "a number", index)
    return index
