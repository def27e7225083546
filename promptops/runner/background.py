"""Runs an engine beside consumers that are not async: pytest and the command line."""

from __future__ import annotations

import atexit
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from promptops.core.plan import Planned
from promptops.errors import PromptopsError
from promptops.models import Failure, Sample, SampleKey
from promptops.runner.engine import CANCEL_GRACE, Engine, EngineSettings
from promptops.runner.events import Event, RunFinished, SampleDone
from promptops.runner.gate import Gate
from promptops.runner.shared_loop import SharedLoop

_SLICE = 0.2  # seconds between two looks whether the engine still lives
_JOIN = 10.0  # seconds that close waits for the last batch to be written
_PATIENCE = 1.0  # seconds that a paced stream holds still before it takes the pace for lost
_AHEAD = 64  # times the concurrency: one case that takes long, or is asked again, must not stop all others
_LEAST_AHEAD = 64  # samples
_REPLAY_AHEAD = 512  # samples: reading is cheap, changing threads is not


class EngineDied(PromptopsError):
    """The engine ended without a result, or without a sample that was promised: a bug of ours."""

    exit_code = 70


class _Background(ABC):
    """The engine, in a loop that it shares with who waits. Subclasses say what happens with an event.

    What is accepted in the loop and fetched outside of it is in containers whose operations are atomic.
    """

    def __init__(self, plan: Iterable[Planned], settings: EngineSettings, *, look_ahead: int | None = None) -> None:
        ahead = _REPLAY_AHEAD if settings.open_client is None else max(_LEAST_AHEAD, _AHEAD * settings.concurrency)
        self._gate = Gate(look_ahead or ahead)
        self._engine = Engine(plan, settings, gate=self._gate)
        self._loop: SharedLoop | None = None
        self._patience = 0.0
        self._moved = time.monotonic()
        self._cancelled = False
        self.error: BaseException | None = None
        self.finished: RunFinished | None = None

    def start(self) -> Self:
        """Start the engine; returns itself."""
        self._loop = SharedLoop("promptops-engine")
        atexit.register(self.close)
        self._loop.begin(self._consume)
        return self

    @property
    def alive(self) -> bool:
        """Whether more may come."""
        return self._loop is not None and not self._loop.over

    def cancel(self) -> None:
        """Start nothing more, drop what is in flight after half a second; returns at once. Any thread may call it."""
        self._cancelled = True
        if self._loop is not None:
            self._loop.call(self._engine.cancel)

    def close(self) -> None:
        """Cancel what still runs and wait until everything that is done has been written. Twice is fine."""
        atexit.unregister(self.close)
        if self._loop is None:
            return
        if self.alive:
            self.cancel()
        self._loop.join(CANCEL_GRACE + _JOIN)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _accept(self, event: Event) -> None:
        """Keep one event; called in the loop."""

    async def _consume(self) -> None:
        assert self._loop is not None
        try:
            if self._cancelled:
                self._engine.cancel()
            async for event in self._engine.events():
                if isinstance(event, RunFinished):
                    self.finished = event
                self._accept(event)
                self._loop.tell()
        except BaseException as error:  # raised again in the consumer's thread
            self.error = error

    def _wait(self, ready: Callable[[], bool], deadline: float | None) -> bool:
        """Wait, in slices, for `ready`, the engine's end or the deadline; raises what killed the engine.

        A consumer that wants what the look-ahead holds back opens it further.
        """
        if self._loop is not None:
            self._loop.pass_by()
        while not ready():
            if self._loop is None or self._loop.over:
                if ready():
                    return True
                if self.error is not None:
                    raise self.error
                if self.finished is None and not self._cancelled and self._loop is not None:
                    raise EngineDied("the engine ended without a result")
                return False
            left = _SLICE if deadline is None else min(_SLICE, deadline - time.monotonic())
            if left <= 0:
                return False
            if self._held_back():
                self._gate.consumed(self._gate.limit)
                left = min(left, 0.01)
            self._loop.run(ready, left)
        return True

    def _held_back(self) -> bool:
        """Whether nothing moves but for the look-ahead, and has not for as long as the consumer is patient."""
        now = time.monotonic()
        if not self._gate.blocked or self._engine.in_flight:
            self._moved = now
            return False
        return now - self._moved >= self._patience


class BackgroundEngine(_Background):
    """An engine whose samples are fetched by key, each once, in any order.

    `look_ahead` bounds how many samples are started and not yet fetched (default: 64 times the concurrency). The plan
    should be in the order in which samples are fetched; another order works, a little slower.
    """

    def __init__(self, plan: Iterable[Planned], settings: EngineSettings, *, look_ahead: int | None = None) -> None:
        super().__init__(plan, settings, look_ahead=look_ahead)
        self._samples: dict[SampleKey, Sample] = {}

    def get(self, key: SampleKey, timeout: float | None = None) -> Sample | None:
        """Return the sample and forget it; None after `timeout` seconds (None: wait for ever).

        After a cancel, what was never asked is a sample with the failure `cancelled`. Raises what killed the engine,
        and `EngineDied` where the whole plan was asked and the sample is not (any more) here: a bug of ours must not
        pass for an outage.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._wait(lambda: key in self._samples, deadline):
            self._gate.consumed()
            return self._samples.pop(key)
        if self.alive:
            return None
        if self.finished is not None and not self.finished.cancelled:
            raise EngineDied(f"{key} is not in the plan, or was fetched before")
        return Sample(key, "", failure=Failure("cancelled", "the run ended before this sample was asked"))

    def drop(self, keys: Iterable[SampleKey]) -> None:
        """Say that these samples will not be fetched, so that the engine may go on."""
        for key in keys:
            self._samples.pop(key, None)
            self._gate.consumed()

    def _accept(self, event: Event) -> None:
        if isinstance(event, SampleDone):
            self._samples[event.sample.key] = event.sample


class EventStream(_Background):
    """An engine whose events are iterated synchronously, as they come.

    ::

        with EventStream(plan, settings) as events:
            for event in events: ...

    Ctrl-C in the consumer closes it: what was measured is kept and written. With `paced`, no more than so many samples
    are started ahead of those of which somebody says `consumed`; where nobody does for a second, as many again are.
    """

    def __init__(self, plan: Iterable[Planned], settings: EngineSettings, *, paced: int | None = None) -> None:
        super().__init__(plan, settings, look_ahead=paced)
        self._events: deque[Event] = deque()
        self._paced = paced is not None
        self._patience = _PATIENCE if self._paced else 0.0

    def consumed(self, count: int) -> None:
        """Let a paced stream go on by `count` samples. Any thread may call it."""
        if self._paced:
            self._moved = time.monotonic()
            self._gate.consumed(count)

    def __iter__(self) -> Iterator[Event]:
        """Yield every event; raises what killed the engine."""
        while self._wait(lambda: bool(self._events), None):
            event = self._events.popleft()
            if isinstance(event, SampleDone) and not self._paced:
                self._gate.consumed()
            yield event

    def _accept(self, event: Event) -> None:
        self._events.append(event)
