"""OpenAI's batches: a file of requests is uploaded, a batch made of it, and its output and error files fetched.

Sources: https://developers.openai.com/api/docs/guides/batch (the lines of both files, one model a file, 50,000 requests
and 200 MB, half price), https://developers.openai.com/api/reference/resources/batches (states, `metadata`),
https://developers.openai.com/api/reference/resources/files (upload with the purpose `batch`, content).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from promptops.errors import FailureKind, ProviderError
from promptops.models import Request
from promptops.providers.batches.base import BatchStatus, Entry, Parcel, count_of
from promptops.providers.batches.results import entries_of
from promptops.providers.batches.vendor import VendorBatches
from promptops.providers.failures import of_error_object, of_status
from promptops.providers.reading import string_or_none
from promptops.providers.replies import error_words
from promptops.providers.wire import encode_body

MARK: Final = "promptops"  # the key of the metadata that holds our name of a batch
_ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_EARLIER: Final = 86_400  # seconds: their clock and ours may differ
_KINDS: Final[Mapping[str, FailureKind]] = {
    "batch_expired": "timeout",
    "batch_cancelled": "cancelled",
    "token_limit_exceeded": "rate_limit",  # of what may be queued for the model: it passes
    "model_not_found": "not_found",
}


class OpenAIBatches(VendorBatches):
    """`wire` writes what is below `body` of each line, and reads what is there in the results."""

    most_requests: int = 50_000
    most_bytes: int = 200_000_000
    head: bytes = b""
    joint: bytes = b"\n"
    tail: bytes = b"\n"

    def line(self, custom_id: str, request: Request, seed: int | None) -> bytes:
        """One line of the input file: the request as it would be posted, and where."""
        body = self.body(request, seed)
        line = {"custom_id": custom_id, "method": "POST", "url": self._url(request.pin.model), "body": body}
        return encode_body(line)

    def headers_for(self, request: Request) -> Mapping[str, str]:  # noqa: ARG002
        """Requests of one file have the model in common, and no headers."""
        return {}

    def upload(self, parcel: Parcel) -> str:
        """Upload the file; a second time is harmless."""
        parcel.content.seek(0)
        file = (f"{parcel.mark}.jsonl", parcel.content, "application/jsonl")
        made = self.calls.post("/files", again=True, data={"purpose": "batch"}, files={"file": file})
        if name := string_or_none(made.get("id"), "id"):
            return name
        raise ProviderError("bad_reply", f"{self.calls.provider}: the upload has no id")

    def create(self, parcel: Parcel, uploaded: str) -> BatchStatus:
        """Make a batch of an uploaded file, with our name of it in its metadata."""
        asked = {
            "input_file_id": uploaded,
            "endpoint": self._url(""),
            "completion_window": "24h",
            "metadata": {MARK: parcel.mark},
        }
        return self._status(self.calls.post("/batches", json=asked))

    def find(self, mark: str, *, since: float, count: int) -> Iterator[tuple[str, bool]]:  # noqa: ARG002
        """The batch whose metadata has our name of it, among the newest."""
        for rows in self.pages(f"/batches?limit={_PAGE}", "after", most=_MOST_PAGES):
            for row in rows:
                metadata = row.get("metadata")
                if isinstance(metadata, Mapping) and metadata.get(MARK) == mark:
                    yield row["id"], True
            if count_of(rows[-1].get("created_at")) < since - _EARLIER:
                return

    def status(self, batch: str) -> BatchStatus:
        """Ask how far a batch is."""
        return self._status(self.calls.get(f"/batches/{quote(batch, safe='')}"))

    def cancel(self, batch: str) -> BatchStatus:
        """Cancel a batch: that takes up to ten minutes; what was answered by then is in its output file."""
        return self._status(self.calls.post(f"/batches/{quote(batch, safe='')}/cancel", again=True))

    def results(self, status: BatchStatus) -> Iterator[Entry]:
        """The lines of the output file, then those of the error file."""
        return entries_of(self.calls, status, self._entry)

    def _url(self, model: str) -> str:
        """The path of the endpoint that a line is for, which begins with the version whatever the base URL is."""
        return f"/v1{self.wire.path(model)}"

    def _entry(self, line: Mapping[str, Any]) -> Entry:
        custom_id = str(line.get("custom_id") or "")
        try:
            response = line.get("response")
            if line.get("error") or not isinstance(response, Mapping):
                raise self._error(line.get("error") or "it has neither a response nor an error")
            code, body = response.get("status_code"), response.get("body")
            if not isinstance(body, Mapping) or not isinstance(code, int):
                raise ProviderError("bad_reply", "a result is not what its format promises")
            if not 200 <= code < 300:
                raise of_status(code, {}, encode_body(body), provider=self.calls.provider, model="", key=None)
            return Entry(custom_id, reply=self.wire.reply(body))
        except ProviderError as error:
            return Entry(custom_id, error=error)

    def _error(self, error: Any) -> ProviderError:
        said, code = error_words(error)
        if code in _KINDS:
            return ProviderError(_KINDS[code], f"{self.calls.provider}: {said}")
        return of_error_object(self.calls.provider, error)

    def _status(self, found: Mapping[str, Any]) -> BatchStatus:
        batch, state = found.get("id"), found.get("status")
        if not isinstance(batch, str) or not batch or not isinstance(state, str):
            raise ProviderError("bad_reply", f"{self.calls.provider}: the reply is no batch")
        counts = found.get("request_counts")
        counts = counts if isinstance(counts, Mapping) else {}
        files = [found.get(name) for name in ("output_file_id", "error_file_id")]
        return BatchStatus(
            batch,
            state[:40],
            ended=state in _ENDED,
            answered=count_of(counts.get("completed")),
            failed=count_of(counts.get("failed")),
            total=count_of(counts.get("total")),
            sources=tuple(f"/files/{quote(file, safe='')}/content" for file in files if isinstance(file, str) and file),
            problem=self._problem(found) if state == "failed" else None,
            left=_left(self.calls.provider, batch, state) if state in _ENDED else None,
        )

    def _problem(self, found: Mapping[str, Any]) -> ProviderError:
        """Why a file was not taken: the first of what is wrong with it, with the line."""
        errors = found.get("errors")
        rows = errors.get("data") if isinstance(errors, Mapping) else None
        first = next((row for row in rows or () if isinstance(row, Mapping)), {})
        said, code = error_words(first) if first else ("it does not say why", "")
        line = f" (line {first['line']})" if isinstance(first.get("line"), int) else ""
        text = f"{self.calls.provider} did not take the batch: {said}{line}"
        return ProviderError(_KINDS.get(code, "request"), text)


def _left(provider: str, batch: str, state: str) -> ProviderError:
    """What became of requests that are in neither file."""
    kinds: Mapping[str, FailureKind] = {"expired": "timeout", "cancelled": "cancelled"}
    words = {"expired": "ended before this request was worked on", "cancelled": "was cancelled before this request"}
    said = words.get(state, "has no result for this request")
    return ProviderError(kinds.get(state, "bad_reply"), f"{provider}: batch {batch} {said}")
