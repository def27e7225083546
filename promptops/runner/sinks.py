"""Where an engine's samples go: recordings in git, and the run store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.models import Sample
from promptops.runner.journal import Resumed
from promptops.store import recordings

if TYPE_CHECKING:
    from promptops.store.runs import RunStore


class RecordingSink:
    """Writes replies that are new into the recordings file that `path_of` names, where `writable` allows it.

    Samples are expected to be redacted already, as the engine's are. `kept_back` counts those that were not allowed.
    """

    def __init__(self, path_of: Callable[[Sample], Path], writable: Callable[[Sample], bool] = lambda _: True) -> None:
        self._path_of, self._writable = path_of, writable
        self.written = self.kept_back = 0

    def wants(self, sample: Sample) -> bool:
        """Live replies and copies of them: what was recorded is there already."""
        if sample.reply is None or sample.source == "recorded" or sample.digest is not None:
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


class RunJournal:
    """Keeps in the store what round `round_` of a run asked: replies, copies of them, failures.

    `every`: what was recorded or resumed too, for other processes that wait for it.
    """

    def __init__(self, store: RunStore, run: str, round_: int = 1, *, every: bool = False) -> None:
        self._store, self._run, self._round, self._every = store, run, round_, every

    def wants(self, sample: Sample) -> bool:
        """What was recorded stands in git, what was resumed in the store."""
        recorded = sample.source == "recorded" or sample.digest is not None
        return self._every or not (recorded or isinstance(sample, Resumed))

    def write(self, samples: Sequence[Sample]) -> None:
        """Write one group in one transaction."""
        self._store.append(self._run, samples, round_=self._round)
