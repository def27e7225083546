"""How long a pin is still served, and what its vendor recommends after it. Offline: `core.life_table`, and what was
asked of the endpoint itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final, Literal

from msgspec import Struct

from promptops.core.life_table import PAGES
from promptops.models import Pin

Status = Literal["gone", "ending", "deprecated", "listed", "unknown"]
"""Shut down or not served any more; a shutdown is announced; advised against; nothing announced; nothing known."""

# Providers by the name promptops users give them → whose table. Gateways sell other vendors' models.
_VENDORS: Final = {
    "anthropic": "anthropic",
    "aws": "bedrock",
    "azure": "azure",
    "azure-openai": "azure",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "gemini": "google",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openai-responses": "openai",
    "vertex": "google",
    "x-ai": "xai",
    "xai": "xai",
}
_OWN_DATES: Final = ("azure", "bedrock")  # a model's dates there are no other endpoint's


class Life(Struct, frozen=True):
    """What is known of one model's end. `source` says who said so, `read` on which day (ISO).

    `replacement` is the pin that the vendor recommends, "" where it names none. `earliest`: the shutdown may come
    later. `served` is whether the endpoint listed the model when it was asked (None: it was not).
    """

    deprecated: date | None = None
    shutdown: date | None = None
    replacement: str = ""
    source: str = ""
    read: str = ""
    earliest: bool = False
    served: bool | None = None

    def status(self, today: date) -> Status:
        """What this means on `today`."""
        if self.served is False or (self.shutdown is not None and self.shutdown <= today):
            return "gone"
        if self.shutdown is not None:
            return "ending"
        if self.deprecated is not None:
            return "deprecated"
        return "listed" if self.source else "unknown"

    def due(self, today: date, within: timedelta) -> bool:
        """Whether the model is gone, or will be `within` from `today`."""
        ends = self.shutdown is not None and self.shutdown <= today + within
        return ends or self.status(today) == "gone"


def life_of(pin: Pin) -> Life:
    """Return what the table says of a pin; an empty `Life` where it says nothing.

    A provider that is no known vendor (an endpoint of yours, a gateway) is taken to serve the vendor's model of that
    name: what the vendor shuts down it cannot serve for long.
    """
    for vendor in _vendors(pin.provider):
        *gateway, name = pin.model.split("/")
        for asked, prefix in ((pin.model, ""), (name, "/".join([*gateway, ""]))):
            if (found := _rows(vendor).get(asked.lower())) is not None:
                replacement = found.replacement and f"{pin.provider}/{prefix}{found.replacement}"
                return Life(
                    found.deprecated, found.shutdown, replacement, found.source, found.read, earliest=found.earliest
                )
    return Life()


def days(text: str) -> timedelta:
    """Read `60d` or `8w`: days or weeks, up to ten years; raises `ValueError`."""
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in ("d", "w") or len(number) > 4:
        raise ValueError(f"{text!r} is no time in days: write 60d or 8w")
    found = timedelta(days=int(number) * (7 if unit == "w" else 1))
    if found > timedelta(days=3660):
        raise ValueError(f"{text!r} is longer than ten years")
    return found


def _vendors(provider: str) -> Iterator[str]:
    if provider in _VENDORS:
        yield _VENDORS[provider]
    elif provider != "local":
        yield from (vendor for vendor in PAGES if vendor not in _OWN_DATES)


@functools.cache
def _rows(vendor: str) -> Mapping[str, Life]:
    found: dict[str, Life] = {}
    for page in PAGES[vendor]:
        for model, deprecated, shutdown, replacement in page.rows:
            ends = shutdown and date.fromisoformat(shutdown)
            since = deprecated and date.fromisoformat(deprecated)
            life = Life(since or None, ends or None, replacement, page.source, page.read, earliest=page.earliest)
            found.setdefault(model, life)
    return found
