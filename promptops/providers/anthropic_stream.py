"""The stream of an Anthropic message: events that add up to the document of an unstreamed one.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
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

# What a delta of each type brings, and to which field of its block; other deltas change nothing that is read.
_GROWS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class _Block(Struct):
    """One block of the content: how it began, and the text that came after."""

    start: Mapping[str, Any]
    grown: dict[str, StringIO] = field(default_factory=dict)

    def grow(self, name: str, piece: str) -> None:
        if name not in self.grown:
            self.grown[name] = StringIO()
            if name != "partial_json":
                self.grown[name].write(string(self.start.get(name) or "", f"content_block.{name}"))
        self.grown[name].write(piece)

    def document(self) -> dict[str, Any]:
        """The block as an unstreamed message has it; input that was cut by the limit stays the text that it is."""
        texts = {name: text.getvalue() for name, text in self.grown.items()}
        written = texts.pop("partial_json", "")
        made = {**self.start, **texts}
        if written.strip():
            try:
                made["input"] = parse_object(written, mend=False)
            except ProviderError:
                made["input"] = written
        return made


class MessageEvents:
    """Adds up the events of one message."""

    def __init__(self) -> None:
        self.pieces = 0
        self.complete = False
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    def add(self, event: str, data: str) -> None:
        """Take one event; raises `ProviderError` for an error among them, or a wrong shape."""
        document = parse_object(data, mend=False)
        kind = document.get("type") or event
        if kind == "error":
            raise of_error_object("an error in the stream", document.get("error") or document)
        if kind == "message_start":
            self._message = dict(mapping(document.get("message"), "message"))
            self._add_usage(self._message.get("usage"))
        elif kind == "content_block_start":
            self._start(document)
        elif kind == "content_block_delta":
            self._grow(document)
        elif kind == "message_delta":
            delta = mapping(document.get("delta"), "delta")
            self._message.update({name: value for name, value in delta.items() if value is not None})
            self._add_usage(document.get("usage"))
        elif kind == "message_stop":
            self.complete = True

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed message would be; raises `ProviderError` where the stream ended before it did."""
        if not self.complete and not self._message.get("stop_reason"):
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        content = [self._blocks[index].document() for index in sorted(self._blocks)]
        made: dict[str, Any] = well_formed({**self._message, "content": content, "usage": self._usage})
        return made

    def _start(self, document: Mapping[str, Any]) -> None:
        index = _index(document)
        if len(self._blocks) == MAX_CALLS:
            raise ProviderError("bad_reply", f"the reply has more than {MAX_CALLS} blocks")
        if index in self._blocks:
            raise ProviderError("bad_reply", f"the reply begins its block {index} twice")
        self._blocks[index] = _Block(mapping(document.get("content_block"), "content_block"))
        self.pieces += self._blocks[index].start.get("type") == "tool_use"

    def _grow(self, document: Mapping[str, Any]) -> None:
        index, delta = _index(document), mapping(document.get("delta"), "delta")
        if index not in self._blocks:
            raise ProviderError("bad_reply", f"the reply goes on with a block {index} that it did not begin")
        if (name := _GROWS.get(str(delta.get("type")))) is not None:
            piece = string(delta.get(name), f"delta.{name}")
            self._blocks[index].grow(name, piece)
            self.pieces += bool(piece)

    def _add_usage(self, value: Any) -> None:
        """Later counts go before earlier ones; those that are missing later stay."""
        if value is not None:
            counts = mapping(value, "usage")
            self._usage.update({name: counted for name, counted in counts.items() if counted is not None})


def _index(document: Mapping[str, Any]) -> int:
    index = document.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise wrong("a block's index", "a number", index)
    return index
