"""Leaves a model alone that does not answer: of several that are asked together, one must not hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.errors import FailureKind
from promptops.models import Failure, Pin, PlannedSample, Sample
from promptops.runner.engine import Asker

MOST_FAILED: Final = 3  # samples asked alone that fail in a row, each tried again as often as the provider allows
MOST_REFUSED: Final = 20  # where it is the single request that is refused: another case may be taken
SUSPICIOUS: Final = 2  # samples that fail in a row after which a model is asked for one at a time

_NOT_THE_MODELS: Final[frozenset[FailureKind]] = frozenset({"budget", "cancelled", "template"})


class _Row(Struct):
    """How one model does: `failed` in a row, `alone` of them asked while nothing else was asked of it."""

    answered: bool = False
    failed: int = 0
    alone: int = 0
    asking: int = 0
    left: Failure | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waits(self) -> bool:
        """Whether a further sample has to wait for what is being asked."""
        careful = not self.answered or self.failed >= SUSPICIOUS
        return self.left is None and careful and self.asking > 0

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Leaving:
    """An asker around another one, which it closes. Belongs to one event loop.

    A model is asked for one sample at a time until it has answered, and again once it fails. So its failures stand
    between the answers of other models at the same endpoint, whose breaker stays closed. After three such samples in a
    row without a reply it is left alone: its further samples are that failure at once, and `left` hears of it.
    """

    def __init__(self, asker: Asker, left: Callable[[Pin], object] = lambda _: None) -> None:
        self._asker, self._left = asker, left
        self._rows: dict[Pin, _Row] = {}
        self._stopped = False

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask once, unless the model was left alone."""
        pin = planned.request.pin
        row = self._rows.setdefault(pin, _Row())
        while row.waits and not self._stopped:
            await row.changed.wait()
        if self._stopped:
            failure = Failure("cancelled", "the run ended before this sample was asked")
            return Sample(planned.key, planned.digest, failure=failure)
        if row.left is not None:
            return Sample(planned.key, planned.digest, failure=row.left)
        alone, row.asking = row.asking == 0, row.asking + 1
        try:
            sample = await self._asker.sample(planned)
            self._count(pin, row, sample.failure, alone=alone)
        finally:
            row.asking -= 1
            row.wake()
        return sample

    def stop(self) -> None:
        """Send nothing more: what waits for its turn ends as `cancelled`."""
        self._stopped = True
        for row in self._rows.values():
            row.wake()
        self._asker.stop()

    async def aclose(self) -> None:
        """Close connections."""
        await self._asker.aclose()

    def _count(self, pin: Pin, row: _Row, failure: Failure | None, *, alone: bool) -> None:
        if failure is None:
            row.answered, row.failed, row.alone = True, 0, 0
        elif failure.kind not in _NOT_THE_MODELS and row.left is None:
            row.failed += 1
            row.alone += alone
            if row.alone >= (MOST_REFUSED if failure.kind == "request" else MOST_FAILED):
                said = f"not asked any more: {row.failed} samples in a row failed, the last with: {failure.message}"
                row.left = replace(failure, message=said)
                self._left(pin)
