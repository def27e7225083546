"""The streamed form of Bedrock's Converse: events that add up to the document of an unstreamed reply.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from typing import Any

from msgspec import Struct, field

from promptops.errors import FailureKind, ProviderError
from promptops.providers.reading import MAX_CALLS, mapping, string, wrong
from promptops.providers.replies import error_words, parse_object, well_formed

_KINDS: Mapping[str, FailureKind] = {
    "throttlingException": "rate_limit",
    "validationException": "request",
    "accessDeniedException": "auth",
}


class _Block(Struct):
    """One block of the content: `call` is set for a call of a tool, whose arguments then are `text`."""

    text: StringIO = field(default_factory=StringIO)
    call: dict[str, Any] | None = None
    shown: bool = False


class BedrockEvents:
    """Adds up the events of one reply."""

    def __init__(self) -> None:
        self.pieces = 0
        self._blocks: dict[int, _Block] = {}
        self._stop: Mapping[str, Any] | None = None
        self._metadata: Mapping[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """Whether the last event, which has the counts, is in."""
        return self._metadata is not None

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    def add(self, event: str, data: str) -> None:
        """Take one event; raises `ProviderError` for an exception among them, or a wrong shape."""
        body = parse_object(data or "{}", mend=False)
        if event.endswith("Exception"):
            said, _ = error_words(body)
            raise ProviderError(_KINDS.get(event, "server"), f"an error in the middle of the reply: {event}: {said}")
        if event == "contentBlockStart":
            self._start(self._block(body), mapping(body.get("start") or {}, "start"))
        elif event == "contentBlockDelta":
            self._delta(self._block(body), mapping(body.get("delta") or {}, "delta"))
        elif event == "messageStop":
            self._stop = body
        elif event == "metadata":
            self._metadata = body

    def document(self) -> dict[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        if self._stop is None:
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        content = [made for _, block in sorted(self._blocks.items()) if (made := _made(block)) is not None]
        output = {"message": {"role": "assistant", "content": content}}
        document: dict[str, Any] = well_formed({**(self._metadata or {}), **self._stop, "output": output})
        return document

    def _block(self, body: Mapping[str, Any]) -> _Block:
        index = body.get("contentBlockIndex", 0)
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise wrong("contentBlockIndex", "a number", index)
        if index not in self._blocks and len(self._blocks) == MAX_CALLS:
            raise ProviderError("bad_reply", f"the reply has more than {MAX_CALLS} blocks")
        return self._blocks.setdefault(index, _Block())

    def _start(self, block: _Block, start: Mapping[str, Any]) -> None:
        if "toolUse" in start:
            block.call = dict(mapping(start["toolUse"], "start.toolUse"))
            self.pieces += 1

    def _delta(self, block: _Block, delta: Mapping[str, Any]) -> None:
        if "text" in delta:
            block.shown = True
            block.text.write(string(delta["text"], "delta.text"))
        elif "toolUse" in delta:
            block.text.write(string(mapping(delta["toolUse"], "delta.toolUse").get("input"), "delta.toolUse.input"))
        elif "reasoningContent" not in delta:
            return
        self.pieces += 1


def _made(block: _Block) -> dict[str, Any] | None:
    if block.call is None:
        return {"text": block.text.getvalue()} if block.shown else None
    written = block.text.getvalue()
    try:
        arguments = json.loads(written) if written else {}
    except (ValueError, RecursionError):
        raise ProviderError("bad_reply", f"the arguments of a call are not JSON: {written[:100]!r}") from None
    return {"toolUse": {**block.call, "input": arguments}}
