"""An event loop that runs in the thread of whoever waits for it, and in one of its own while nobody does.

Two threads of one interpreter take turns, and each turn costs both of them: where one reads replies and the other
judges them, or pytest redirects its files around every test, that is a tenth of all processor time. So who waits for a
sample runs the loop meanwhile, in its own thread, and so does in passing who does not wait; a second thread only takes
the loop where nobody has run it for a while: a check that computes, a test that sleeps.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

NEGLECTED = 0.01  # seconds without a turn after which the second thread takes the loop
IN_PASSING = 0.001  # seconds between two turns of who does not wait
_HOPS = 3  # rounds of the loop in passing
_SIGNALS = tuple(number for name in ("SIGINT", "SIGTERM", "SIGALRM") if (number := getattr(signal, name, None)))


class SharedLoop:
    """Runs one coroutine to its end. `begin` starts it, `join` waits for it; `run` and `pass_by` lend a thread.

    At any moment at most one thread runs the loop, and whoever takes it sees what the one before left.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._turn = threading.Condition()
        self._runs = self._wanted = self._over = False
        self._last = time.monotonic()
        self._ready: Callable[[], bool] | None = None
        self._work: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._thread = threading.Thread(target=self._second, name=name, daemon=True)

    def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start the coroutine that `work` makes, which must not raise. Once."""
        self._work = work
        self._task = self._loop.create_task(self._main())
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the coroutine has ended, or its thread died."""
        return self._over or not self._thread.is_alive()

    def call(self, what: Callable[..., object], *given: object) -> None:
        """Have `what` called in the loop; nothing happens where it has ended. Any thread may ask."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(what, *given)

    def tell(self) -> None:
        """Called in the loop: something has changed that who waits may be ready for."""
        if self._ready is not None and self._ready():
            self._loop.stop()

    def run(self, ready: Callable[[], bool], seconds: float) -> None:
        """Run the loop in this thread until `ready`, which is looked at after each `tell`, or the time is over.

        In a thread whose own loop runs, the second thread does it, and this one waits.
        """
        if _has_a_loop():
            self._await(ready, seconds)
            return
        with self._taken() as taken, self._signals_later():
            if taken and not ready():
                self._ready = ready
                alarm = self._loop.call_later(seconds, self._loop.stop)
                try:
                    self._loop.run_forever()
                finally:
                    self._ready = None
                    alarm.cancel()

    def pass_by(self) -> None:
        """Let the loop do in this thread what it can do at once, if that is due."""
        if time.monotonic() - self._last < IN_PASSING or self._over or _has_a_loop():
            return
        with self._taken(wait=False) as taken, self._signals_later():
            if taken:
                self._stop_after(_HOPS)
                self._loop.run_forever()

    def _stop_after(self, rounds: int) -> None:
        """End the loop after so many rounds: a reply needs some, from the socket to the sample."""
        if rounds:
            self._loop.call_soon(self._stop_after, rounds - 1)
        else:
            self._loop.stop()

    def join(self, seconds: float) -> None:
        """Leave the loop to the second thread, and wait until it has ended."""
        self._last = float("-inf")
        with self._turn:
            self._turn.notify_all()
        self._thread.join(seconds)

    @contextmanager
    def _taken(self, *, wait: bool = True) -> Iterator[bool]:
        """Have the loop to oneself, if it still runs."""
        with self._turn:
            while wait and self._runs and not self._over:
                self._wanted = True
                self.call(self._loop.stop)
                self._turn.wait(NEGLECTED)
            self._wanted = False
            taken = not self._runs and not self._over and not self._task.done()
            self._runs = self._runs or taken
        try:
            yield taken
        finally:
            if taken:
                self._last = time.monotonic()
                self._runs = False
            if self._task.done():
                with self._turn:
                    self._turn.notify_all()

    @contextmanager
    def _signals_later(self) -> Iterator[None]:
        """Handle a signal when the loop has stopped, which it then does: what a handler raises must not hit a task."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}
        came: list[tuple[int, FrameType | None]] = []

        def later(number: int, frame: FrameType | None) -> None:
            came.append((number, frame))
            self.call(self._loop.stop)

        for number in handlers:
            signal.signal(number, later)
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for number, frame in came:
                handlers[signal.Signals(number)](number, frame)

    def _await(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for what the second thread does."""
        until = time.monotonic() + seconds
        with self._turn:
            while not ready() and not self._over and (left := until - time.monotonic()) > 0:
                self._turn.wait(min(left, IN_PASSING))

    # --- in the second thread

    def _second(self) -> None:
        try:
            while self._is_left_to_me():
                self._loop.run_forever()
                with self._turn:
                    self._runs = False
                    self._turn.notify_all()
        finally:
            self._end()

    def _is_left_to_me(self) -> bool:
        """Wait until nobody else has run the loop for a while; False where there is nothing left to run."""
        with self._turn:
            while not self._task.done():
                if not self._runs and not self._wanted and time.monotonic() - self._last >= NEGLECTED:
                    self._runs = True
                    return True
                self._turn.wait(NEGLECTED)
            while self._runs:
                self._turn.wait(NEGLECTED)
            self._runs = True
            return False

    def _end(self) -> None:
        try:
            self._loop.close()
        finally:
            with self._turn:
                self._over, self._runs = True, False
                self._turn.notify_all()

    async def _main(self) -> None:
        assert self._work is not None
        try:
            await self._work()
        finally:
            await self._tidy()
            self._loop.stop()

    async def _tidy(self) -> None:
        """End what is left in the loop, as `asyncio.run` does."""
        left = asyncio.all_tasks() - {self._task}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()


def _has_a_loop() -> bool:
    """Whether an event loop runs in this thread already: then no other can."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
