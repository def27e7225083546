"""The streamed form of Ollama's chat: lines that add up to the document of an unstreamed reply.

Source: https://docs.ollama.com/api/streaming
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.failures import of_error_object
from promptops.providers.reading import MAX_CALLS, listing, mapping, string
from promptops.providers.replies import parse_object, well_formed


class OllamaLines:
    """Adds up the lines of one reply."""

    def __init__(self) -> None:
        self.complete = False
        self.pieces = 0
        self._text = StringIO()
        self._calls: list[Any] = []
        self._logprobs: list[Any] = []
        self._model: Any = None
        self._last: Mapping[str, Any] = {}

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    def add(self, event: str, data: str) -> None:  # noqa: ARG002 - lines have no name
        """Take one line; raises `ProviderError` for an error among them, a wrong shape, or a second model."""
        line = parse_object(data, mend=False)
        if error := line.get("error"):
            raise of_error_object("an error in the middle of the reply", {"message": error, "code": line.get("status")})
        self._note_model(line.get("model"))
        message = mapping(line.get("message") or {}, "message")
        piece = string(message.get("content") or "", "message.content")
        calls = listing(message.get("tool_calls"), "tool_calls")
        self._text.write(piece)
        self._calls += calls
        if len(self._calls) > MAX_CALLS:
            raise ProviderError("bad_reply", f"the reply has more than {MAX_CALLS} tool calls")
        self._logprobs += listing(line.get("logprobs"), "logprobs")
        if piece or calls or message.get("thinking"):
            self.pieces += 1
        if line.get("done") is True:
            self._last, self.complete = line, True

    def document(self) -> dict[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        if not self.complete:
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        message: dict[str, Any] = {"role": "assistant", "content": self._text.getvalue()}
        if self._calls:
            message["tool_calls"] = self._calls
        document: dict[str, Any] = well_formed({**self._last, "message": message, "logprobs": self._logprobs})
        return document

    def _note_model(self, model: Any) -> None:
        if self._model is None:
            self._model = model
        elif model is not None and model != self._model:
            raise ProviderError(
                "identity", f"the lines of one reply name two models: {self._model!r} and {model!r}"[:500]
            )
