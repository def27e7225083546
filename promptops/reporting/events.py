"""What a run says while it goes, as JSON lines for other programs: one object an event, `event` says which."""

from __future__ import annotations

import json
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import to_builtins

from promptops.errors import StoreError
from promptops.models import Sample
from promptops.runner.events import Event, Progress, RunFinished, RunStarted, SampleDone


class EventLog:
    """Appends events to a file, each line whole and at once, so that `tail -f` and a dashboard can follow.

    ::

        with EventLog(path) as log:
            log(event)

    What a model said is not in it. Raises `StoreError` where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror or error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._file is not None:
            self._file.close()

    def __call__(self, event: Event) -> None:
        """Append one event."""
        assert self._file is not None
        try:
            self._file.write(json.dumps(event_json(event), separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror or error}") from error


def event_json(event: Event) -> dict[str, Any]:
    """An event as plain data."""
    if isinstance(event, SampleDone):
        return {"event": "sample", **_sample(event.sample)}
    names: dict[type, str] = {RunStarted: "started", Progress: "progress", RunFinished: "finished"}
    return {"event": names[type(event)], **to_builtins(event)}


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        **to_builtins(sample.key),
        "source": sample.source,
        "cost": sample.cost,
        "latency": sample.reply.latency if sample.reply is not None and not sample.reply.batch else None,
        "failure": sample.failure.kind if sample.failure is not None else None,
        "attempts": [to_builtins(attempt) for attempt in sample.attempts],
    }
