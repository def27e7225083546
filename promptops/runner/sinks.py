"""Where an engine's samples go: recordings in git, and the run store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.models import Sample
from promptops.store import recordings

if TYPE_CHECKING:
    from promptops.store.runs import RunStore


class RecordingSink:
    """Writes live replies into the recordings file that `path_of` names, where `writable` allows it.

    Samples are expected to be redacted already, as the engine's are. `kept_back` counts those that were not allowed.
    """

    def __init__(self, path_of: Callable[[Sample], Path], writable: Callable[[Sample], bool] = lambda _: True) -> None:
        self._path_of, self._writable = path_of, writable
        self.written = self.kept_back = 0

    def wants(self, sample: Sample) -> bool:
        """Live replies only: what was recorded is there already."""
        if sample.reply is None or sample.source != "live":
            return False
        if not self._writable(sample):
            self.kept_back += 1
            return False
        return True

    def write(self, samples: Sequence[Sample]) -> None:
        """Merge one batch into its files, each file written whole."""
        by_path: dict[Path, list[Sample]] = {}
        for sample in samples:
            by_path.setdefault(self._path_of(sample), []).append(sample)
        for path, batch in by_path.items():
            recordings.write(path, batch)
        self.written += len(samples)


class RunStoreSink:
    """Appends every sample to a run in the store, one transaction a batch."""

    def __init__(self, store: RunStore, run: str) -> None:
        self._store, self._run = store, run

    def wants(self, sample: Sample) -> bool:  # noqa: ARG002 - the protocol of a sink
        """Every sample: failures too."""
        return True

    def write(self, samples: Sequence[Sample]) -> None:
        """Write one batch."""
        self._store.append(self._run, samples)
