"""The streamed form of OpenAI chat completions: chunks that add up to the document of an unstreamed one.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from msgspec import Struct, field

from promptops.errors import ProviderError
from promptops.providers.openai_chat_shape import (
    refuse_broken_choice,
    refuse_errors,
    text_of,
    thought_in,
    tool_calls,
    usage_in,
)
from promptops.providers.reading import MAX_CALLS, listing, mapping, string, wrong
from promptops.providers.replies import parse_object, well_formed

_TEXTS = ("content", "refusal")
_WHO_SERVED = ("system_fingerprint", "provider", "service_tier")


class _Call(Struct):
    """One tool call. What a chunk said of it, later ones do not change; only its arguments grow."""

    fields: dict[str, Any] = field(default_factory=dict)
    function: dict[str, Any] = field(default_factory=dict)
    arguments: StringIO | None = None

    def add(self, delta: Mapping[str, Any]) -> None:
        for name, value in delta.items():
            if name != "function" and name != "index" and value is not None:
                self.fields.setdefault(name, value)
        for name, value in mapping(delta.get("function") or {}, "a tool call's function").items():
            if name == "arguments" and value is not None:
                self.arguments = self.arguments or StringIO()
                self.arguments.write(string(value, "a tool call's arguments"))
            elif value is not None:
                self.function.setdefault(name, value)

    def document(self) -> dict[str, Any]:
        arguments = {} if self.arguments is None else {"arguments": self.arguments.getvalue()}
        function = {**self.function, **arguments}
        return {**self.fields, "function": function} if function else self.fields


class ChatChunks:
    """Adds up the chunks of one reply."""

    def __init__(self) -> None:
        self.complete = False
        self.pieces = 0
        self._logprobs: list[Any] = []
        self._top: dict[str, Any] = {}
        self._reason: str | None = None
        self._texts: dict[str, StringIO] = {}
        self._calls: list[_Call] = []
        self._places: dict[int | None, int] = {}
        self._has_choice = False
        self._thought: Any = None

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    def add(self, event: str, data: str) -> None:
        """Take one event; raises `ProviderError` for an error among them, a wrong shape, or a second model."""
        if data.strip() == "[DONE]":
            self.complete = True
            return
        chunk = parse_object(data, mend=False)
        refuse_errors({"error": chunk} if event == "error" and "error" not in chunk else chunk)
        self._note_model(chunk.get("model"))
        if (usage := usage_in(chunk)) is not None:
            self._top["usage"] = usage
        for name in _WHO_SERVED:
            if chunk.get(name):
                self._top[name] = chunk[name]
        choices = chunk.get("choices")
        if choices is not None and not isinstance(choices, list):
            raise wrong("choices", "a list", choices)
        for item in choices or ():
            choice = mapping(item, "choices[0]")
            if (choice.get("index") or 0) == 0:
                self._add_choice(choice)

    def document(self) -> dict[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        if not self.complete and self._reason is None:
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        message: dict[str, Any] = {name: text.getvalue() for name, text in self._texts.items()}
        if self._thought is not None:
            message["reasoning"] = self._thought
        if self._calls:
            message["tool_calls"] = [call.document() for call in self._calls]
        choice = {"message": message, "finish_reason": self._reason}
        if self._logprobs:
            choice["logprobs"] = {"content": self._logprobs}
        choices = [choice] if self._has_choice else []
        document: dict[str, Any] = well_formed({**self._top, "choices": choices})
        return document

    def _note_model(self, model: Any) -> None:
        if not model:  # some begin with chunks of an empty name
            return
        if self._top.setdefault("model", model) != model:
            text = f"the chunks of one reply name two models: {self._top['model']!r} and {model!r}"
            raise ProviderError("identity", text[:500])

    def _add_choice(self, choice: Mapping[str, Any]) -> None:
        refuse_broken_choice(choice)
        self._has_choice = True
        if (reason := choice.get("finish_reason")) is not None:
            self._reason = string(reason, "choices[0].finish_reason")
        if isinstance(logprobs := choice.get("logprobs"), dict):
            self._logprobs += listing(logprobs.get("content"), "choices[0].logprobs.content")
        delta = mapping(choice.get("delta") or {}, "choices[0].delta")
        said = False
        if (thought := thought_in(delta)) is not None:  # it goes nowhere, but the model has begun
            self._thought, said = thought, True
        for name in _TEXTS:
            if (piece := text_of(delta.get(name))) is not None:
                self._texts.setdefault(name, StringIO()).write(string(piece, f"choices[0].delta.{name}"))
                said = said or bool(piece)
        for call in tool_calls(delta.get("tool_calls")):
            self._call(call).add(call)
            said = True
        self.pieces += said

    def _call(self, delta: Mapping[str, Any]) -> _Call:
        """The call that `delta` belongs to, by its index; another id at the same index is another call."""
        index, name = delta.get("index"), delta.get("id")
        if isinstance(index, bool) or not isinstance(index, int | None):
            raise wrong("a tool call's index", "a number", index)
        place = self._places.get(index)
        if place is None or (name and self._calls[place].fields.get("id") not in (None, "", name)):
            if len(self._calls) == MAX_CALLS:
                raise ProviderError("bad_reply", f"the reply has more than {MAX_CALLS} tool calls")
            place = self._places[index] = len(self._calls)
            self._calls.append(_Call())
        return self._calls[place]
