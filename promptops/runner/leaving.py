"""Leaves a model alone that does not answer: of several that are asked together, one must not hold up the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from promptops.errors import FailureKind
from promptops.models import Failure, Pin, PlannedSample, Sample
from promptops.runner.engine import Asker

MOST_REFUSED: Final = 3  # samples in a row after which a key, or a name, will not do for the next either
MOST_FAILED: Final = 20  # samples in a row, each tried again as often as the provider allows

_REFUSED: Final[frozenset[FailureKind]] = frozenset({"auth", "not_found"})
_NOT_THE_MODELS: Final[frozenset[FailureKind]] = frozenset({"budget", "cancelled", "template"})


@dataclass(slots=True)
class _Row:
    """Samples of one model that failed in a row."""

    failed: int = 0
    refused: int = 0
    left: Failure | None = None


class Leaving:
    """An asker around another one, which it closes. Belongs to one event loop.

    A model is left alone after samples that failed in a row: 3 that were refused (no such model, no right to it), 20 by
    whatever failed. Its further samples are that failure at once; `left` hears of it. An endpoint's breaker does not
    see this where other models of the same endpoint answer.
    """

    def __init__(self, asker: Asker, left: Callable[[Pin], object] = lambda _: None) -> None:
        self._asker, self._left = asker, left
        self._rows: dict[Pin, _Row] = {}

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask once, unless the model was left alone."""
        pin = planned.request.pin
        row = self._rows.setdefault(pin, _Row())
        if row.left is not None:
            return Sample(planned.key, planned.digest, failure=row.left)
        sample = await self._asker.sample(planned)
        self._count(pin, row, sample.failure)
        return sample

    def stop(self) -> None:
        """Send nothing more."""
        self._asker.stop()

    async def aclose(self) -> None:
        """Close connections."""
        await self._asker.aclose()

    def _count(self, pin: Pin, row: _Row, failure: Failure | None) -> None:
        if failure is None:
            row.failed = row.refused = 0
        elif failure.kind not in _NOT_THE_MODELS and row.left is None:
            row.failed += 1
            row.refused += failure.kind in _REFUSED
            if row.refused >= MOST_REFUSED or row.failed >= MOST_FAILED:
                said = f"not asked any more: {row.failed} samples in a row failed, the last with: {failure.message}"
                row.left = replace(failure, message=said)
                self._left(pin)
