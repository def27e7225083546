"""The stream of Gemini's `streamGenerateContent`: chunks that are replies themselves, each with the next parts.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.failures import of_error_object
from promptops.providers.reading import listing, mapping
from promptops.providers.replies import parse_object, well_formed

_LISTS = ("chosenCandidates", "topCandidates")


class ContentChunks:
    """Adds up the chunks of one reply. None of them says that it is the last: the end of the stream does."""

    complete = False

    def __init__(self) -> None:
        self.pieces = 0
        self._top: dict[str, Any] = {}
        self._candidate: dict[str, Any] = {}
        self._parts: list[Any] = []
        self._logprobs: dict[str, list[Any]] = {}

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.pieces > 0

    def add(self, event: str, data: str) -> None:
        """Take one chunk; raises `ProviderError` for an error among them, a wrong shape, or a second model."""
        chunk = parse_object(data, mend=False)
        if event == "error" or chunk.get("error"):
            raise of_error_object("an error in the stream", chunk.get("error") or chunk)
        model = chunk.get("modelVersion")
        if model and self._top.setdefault("modelVersion", model) != model:
            text = f"the chunks of one reply name two models: {self._top['modelVersion']!r} and {model!r}"
            raise ProviderError("identity", text[:500])
        for name in ("usageMetadata", "promptFeedback", "responseId"):
            if chunk.get(name) is not None:
                self._top[name] = chunk[name]
        for item in listing(chunk.get("candidates"), "candidates"):
            candidate = mapping(item, "candidates[0]")
            if candidate.get("index", 0) == 0:
                self._add_candidate(candidate)

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        if self._candidate.get("finishReason") is None and not self._top.get("promptFeedback"):
            raise ProviderError("connection", "the stream ended in the middle of the reply")
        made = dict(self._top)
        if self._candidate:
            made["candidates"] = [{**self._candidate, "content": {"parts": self._parts}}]
            if self._logprobs:
                made["candidates"][0]["logprobsResult"] = self._logprobs
        document: dict[str, Any] = well_formed(made)
        return document

    def _add_candidate(self, candidate: Mapping[str, Any]) -> None:
        self._candidate |= {n: v for n, v in candidate.items() if n not in ("content", "logprobsResult")}
        content = mapping(candidate.get("content") or {}, "candidates[0].content")
        parts = listing(content.get("parts"), "candidates[0].content.parts")
        self._parts += parts
        self.pieces += any(isinstance(part, dict) and (part.get("text") or part.get("functionCall")) for part in parts)
        found = candidate.get("logprobsResult")
        if isinstance(found, dict):
            for name in _LISTS:
                self._logprobs.setdefault(name, []).extend(listing(found.get(name), name))
