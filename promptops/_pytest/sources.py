"""How an item waits for its samples: on the engine of this process, or on the store that the controller fills."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from promptops.models import Case, Failure, Sample, SampleKey
from promptops.runner.targets import Target

_SLICE = 0.1  # seconds between two looks whether what is waited for still lives
_POLL = 0.01  # seconds between two looks into the store, doubled up to _SLICE


class Mailbox(Protocol):
    """What a worker reads: samples as the controller's engine finds them, and why nothing more will come."""

    def get_many(self, keys: Sequence[SampleKey]) -> dict[SampleKey, Sample]: ...

    @property
    def ended(self) -> str | None: ...


class PollingSource:
    """In an xdist worker: polls what the one engine in the controller writes.

    Waits in short pauses, so that Ctrl-C and time-outs reach the item, and gives up where the run ended or the
    controller is gone.
    """

    def __init__(self, mailbox: Mailbox, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._mailbox, self._sleep = mailbox, sleep
        self._parent = os.getppid()

    def samples(self, target: Target, case: Case) -> list[Sample]:
        """Wait for all samples of one case."""
        keys = target.keys(case)
        found, ended = self._wait(keys)
        return [self._with_answers(target, case, found.get(key) or _never(key, ended or "")) for key in keys]

    def _with_answers(self, target: Target, case: Case, sample: Sample) -> Sample:
        """The sample with what judges were asked about it, which is written a moment later."""
        if not target.judges or sample.reply is None:
            return sample
        found, _ = self._wait(target.judging_keys(case, sample.key))
        return replace(sample, answers=tuple(found.values())) if found else sample

    def _wait(self, keys: Sequence[SampleKey]) -> tuple[dict[SampleKey, Sample], str | None]:
        """The samples of `keys`, in the order in which they came; where some never will, also why."""
        found: dict[SampleKey, Sample] = {}
        pause = _POLL
        while True:
            ended = self._ended()  # asked before the look: what was written until then is found
            found.update(self._mailbox.get_many([key for key in keys if key not in found]))
            if len(found) == len(keys) or ended is not None:
                return found, ended
            self._sleep(pause)
            pause = min(2 * pause, _SLICE)

    def _ended(self) -> str | None:
        if os.getppid() != self._parent:
            return "the controller of this worker is gone"
        return self._mailbox.ended


def _never(key: SampleKey, why: str) -> Sample:
    return Sample(key, "", failure=Failure("cancelled", why))
