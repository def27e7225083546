"""The stream of an OpenAI response: many events on the way, and the whole response in the last one.

Source: https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.failures import of_error_object
from promptops.providers.reading import mapping, string
from promptops.providers.replies import parse_object

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})


class ResponseEvents:
    """Waits for the last event. What a delta brings is counted as a piece, whatever it is a part of."""

    def __init__(self) -> None:
        self.pieces = 0
        self._response: Mapping[str, Any] | None = None

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    @property
    def complete(self) -> bool:
        """Whether the response is here."""
        return self._response is not None

    def add(self, event: str, data: str) -> None:
        """Take one event; raises `ProviderError` for an error among them, or a wrong shape."""
        if data.strip() == "[DONE]":
            return
        document = parse_object(data)
        kind = string(document.get("type") or event, "type")
        if kind == "error" or (document.get("error") and not str(kind).startswith("response.")):
            raise of_error_object("an error in the stream", document.get("error") or document)
        if kind in _LAST:
            self._response = mapping(document.get("response"), "response")
        elif kind.endswith(".delta") and document.get("delta"):
            self.pieces += 1

    def document(self) -> Mapping[str, Any]:
        """Return the response; raises `ProviderError` where the stream ended before it."""
        if self._response is None:
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        return self._response
