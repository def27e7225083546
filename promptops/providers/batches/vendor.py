"""What the batches of every vendor are made of: calls, a wire format, names of models, a list in pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from promptops.models import Request
from promptops.providers.batches.calls import Calls
from promptops.providers.wire import Wire


class VendorBatches(Struct):
    """What a vendor's `BatchApi` is built on.

    `names` maps the id of a pin to what the endpoint calls the model; `takes_seed` False sends no seed.
    """

    calls: Calls
    wire: Wire
    names: Mapping[str, str]
    takes_seed: bool = True

    def body(self, request: Request, seed: int | None) -> dict[str, Any]:
        """The request as it would be posted alone."""
        return self.wire.body(request, seed if self.takes_seed else None, called=self.names.get(request.pin.model))

    def pages(self, path: str, after: str, *, most: int) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows with an id, page by page, at most `most` pages; `after` is the parameter for the next.

        Nothing is yielded for a page without rows, which is the end, as is one that has nothing after it.
        """
        last = ""
        for _ in range(most):
            page = self.calls.get(f"{path}&{after}={quote(last)}" if last else path)
            rows = [row for row in page.get("data") or () if isinstance(row, dict) and isinstance(row.get("id"), str)]
            if not rows:
                return
            yield rows
            if not page.get("has_more"):
                return
            last = rows[-1]["id"]
