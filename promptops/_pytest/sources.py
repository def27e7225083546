"""Where an item gets its samples: recordings, the engine of this process, or the store that the controller fills."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from promptops.models import Failure, Sample, SampleKey

_SLICE = 0.1  # seconds between two looks whether what is waited for still lives
_POLL = 0.01  # seconds between two looks into the store, doubled up to _SLICE


class Source(Protocol):
    """Hands out the samples of the plan; `get` waits."""

    def get(self, keys: Sequence[SampleKey]) -> list[Sample]:
        """Return the samples of one case in the order of `keys`; one that never comes has a failure."""
        ...


class Engine(Protocol):
    """What `runner.background.BackgroundEngine` offers."""

    def get(self, key: SampleKey, timeout: float | None = None) -> Sample | None: ...


class EngineSource:
    """The engine in a thread of this process. Waits in short loops, so that Ctrl-C and time-outs reach the item."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, keys: Sequence[SampleKey]) -> list[Sample]:
        return [self._one(key) for key in keys]

    def _one(self, key: SampleKey) -> Sample:
        while True:
            sample = self._engine.get(key, _SLICE)
            if sample is not None:
                return sample


class Mailbox(Protocol):
    """What a worker reads: samples as the controller's engine writes them, and whether it is done."""

    def get_many(self, keys: Sequence[SampleKey]) -> dict[SampleKey, Sample]: ...

    @property
    def ended(self) -> str | None:
        """Why nothing more will come; None while the engine works."""
        ...


class StoreSource:
    """In an xdist worker: polls what the one engine in the controller writes."""

    def __init__(self, mailbox: Mailbox, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._mailbox, self._sleep = mailbox, sleep
        self._parent = os.getppid()

    def get(self, keys: Sequence[SampleKey]) -> list[Sample]:
        found: dict[SampleKey, Sample] = {}
        pause = _POLL
        while missing := [key for key in keys if key not in found]:
            ended = self._mailbox.ended or (None if os.getppid() == self._parent else "the controller is gone")
            found.update(self._mailbox.get_many(missing))
            missing = [key for key in missing if key not in found]
            if missing and ended:
                found.update((key, _never(key, ended)) for key in missing)
            elif missing:
                self._sleep(pause)
                pause = min(2 * pause, _SLICE)
        return [found[key] for key in keys]


def _never(key: SampleKey, why: str) -> Sample:
    return Sample(key, "", failure=Failure("cancelled", why))
