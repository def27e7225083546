"""Anthropic's message batches: all requests in one body, and their results in one file of lines.

Sources: https://platform.claude.com/docs/en/build-with-claude/batch-processing (100,000 requests or 256 MB, half price,
results for 29 days, expired after 24 hours), https://platform.claude.com/docs/en/api/messages/batches (create, list,
cancel, results; `custom_id` is at most 64 letters, digits, `_` and `-`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from promptops.errors import ProviderError
from promptops.models import Request
from promptops.providers.batches.base import BatchStatus, Entry, Parcel, count_of
from promptops.providers.batches.results import entries_of
from promptops.providers.batches.vendor import VendorBatches
from promptops.providers.failures import of_error_object
from promptops.providers.wire import encode_body

_ROUTE: Final = "/messages/batches"
_PAGE: Final = 1000
_MOST_PAGES: Final = 20
_EARLIER: Final = 600  # seconds: their clock and ours may differ
_COUNTS: Final = ("processing", "succeeded", "errored", "canceled", "expired")


class AnthropicBatches(VendorBatches):
    """`wire` writes the params of each request, and reads the message in its result."""

    most_requests: int = 100_000
    most_bytes: int = 256_000_000
    head: bytes = b'{"requests":['
    joint: bytes = b","
    tail: bytes = b"]}"

    def line(self, custom_id: str, request: Request, seed: int | None) -> bytes:
        """One of the requests: what would be posted, below `params`."""
        params = self.body(request, seed)
        return encode_body({"custom_id": custom_id, "params": params})

    def headers_for(self, request: Request) -> Mapping[str, str]:
        """The version of the API, which depends on what is asked."""
        return self.wire.headers_for(request, None)

    def upload(self, parcel: Parcel) -> str:  # noqa: ARG002
        """There is no such step."""
        return ""

    def create(self, parcel: Parcel, uploaded: str) -> BatchStatus:  # noqa: ARG002
        """Make the batch."""
        parcel.content.seek(0)
        headers = {**parcel.headers, "content-type": "application/json", "content-length": str(parcel.size)}
        return self._status(self.calls.post(_ROUTE, content=_pieces(parcel), headers=headers))

    def find(self, mark: str, *, since: float, count: int) -> Iterator[tuple[str, bool]]:  # noqa: ARG002
        """Batches of as many requests that were made since then, the oldest first: they have no name of ours.

        Whether one is ours, its results say: they have our `custom_id`s.
        """
        found: list[str] = []
        for rows in self.pages(f"{_ROUTE}?limit={_PAGE}", "after_id", most=_MOST_PAGES):
            young = [row for row in rows if _moment(row.get("created_at")) >= since - _EARLIER]
            found += [row["id"] for row in young if sum(_counts(row).values()) == count]
            if len(young) < len(rows):
                break
        yield from ((batch, False) for batch in reversed(found))

    def status(self, batch: str) -> BatchStatus:
        """Ask how far a batch is."""
        return self._status(self.calls.get(f"{_ROUTE}/{quote(batch, safe='')}"))

    def cancel(self, batch: str) -> BatchStatus:
        """Cancel a batch; requests that are being answered come to their end."""
        return self._status(self.calls.post(f"{_ROUTE}/{quote(batch, safe='')}/cancel", again=True))

    def results(self, status: BatchStatus) -> Iterator[Entry]:
        """The lines of the results."""
        return entries_of(self.calls, status, self._entry)

    def _entry(self, line: Mapping[str, Any]) -> Entry:
        custom_id, result = str(line.get("custom_id") or ""), line.get("result")
        try:
            if not isinstance(result, Mapping):
                raise ProviderError("bad_reply", "a result is not what its format promises")
            kind = result.get("type")
            if kind == "succeeded" and isinstance(result.get("message"), Mapping):
                return Entry(custom_id, reply=self.wire.reply(result["message"]))
            if kind == "expired":
                raise ProviderError("timeout", "the batch ended before this request was worked on")
            if kind == "canceled":
                raise ProviderError("cancelled", "the batch was cancelled before this request")
            raise _error(result.get("error") or str(kind))
        except ProviderError as error:
            told = str(error)
            provider = self.calls.provider
            return Entry(custom_id, error=ProviderError(error.kind, f"{provider}: {told}", status=error.status))

    def _status(self, found: Mapping[str, Any]) -> BatchStatus:
        batch, state = found.get("id"), found.get("processing_status")
        if not isinstance(batch, str) or not batch or not isinstance(state, str):
            raise ProviderError("bad_reply", f"{self.calls.provider}: the reply is no batch")
        counts, ended = _counts(found), state == "ended"
        text = f"{self.calls.provider}: batch {batch} has no result for this request"
        return BatchStatus(
            batch,
            state[:40],
            ended,
            answered=counts["succeeded"],
            failed=counts["errored"] + counts["canceled"] + counts["expired"],
            total=sum(counts.values()),
            sources=(self._source(batch, found.get("results_url")),) if ended else (),
            left=ProviderError("bad_reply", text) if ended else None,
        )

    def _source(self, batch: str, url: object) -> str:
        """Where the results are: where the vendor says if that is below its own URL, else where its reference says."""
        named = self.calls.path_of(url) if isinstance(url, str) else None
        return named or f"{_ROUTE}/{quote(batch, safe='')}/results"


def _error(error: Any) -> ProviderError:
    """The error of a result: `{"type": "error", "error": {"type": …, "message": …}}`."""
    inner = error.get("error") if isinstance(error, Mapping) else None
    named = inner if isinstance(inner, Mapping) else error
    kind = named.get("type") if isinstance(named, Mapping) else None
    if kind == "invalid_request_error":
        return ProviderError("request", str(of_error_object("the request is refused", named)))
    return of_error_object("no reply", named)


def _counts(found: Mapping[str, Any]) -> dict[str, int]:
    counts = found.get("request_counts")
    return {name: count_of(counts.get(name)) if isinstance(counts, Mapping) else 0 for name in _COUNTS}


def _moment(text: object) -> float:
    """RFC 3339 as seconds since 1970; what cannot be read was made just now."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")


def _pieces(parcel: Parcel) -> Iterator[bytes]:
    while piece := parcel.content.read(1 << 20):
        yield piece
