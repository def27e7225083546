"""`promptops drift --watch`: a small daemon for those without a scheduler."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from promptops.cli.commands._shared import note
from promptops.errors import MissingExtra, PromptopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR: Final = 3600.0  # seconds
_MISTAKE: Final = PromptopsError.exit_code


def keep_watch(visit: Callable[[], int], calibrate: Callable[[], int] | None, *, hour: int, minute: int) -> None:
    """Visit now, then every night at a time of the machine's own clock, and calibrate hourly; until Ctrl-C or SIGTERM.

    One at a time, and what was missed (the machine slept) is made up for once, however late: a visit reads only what is
    due. An error of one visit is said, and the next comes all the same; but a mistake of the configuration ends the
    first one, so that whoever starts this hears of it. Raises `MissingExtra`.
    """
    try:
        from apscheduler.schedulers.background import BackgroundScheduler
    except ImportError:
        raise MissingExtra("watch", "the daemon") from None
    due = Due()
    scheduler: Any = BackgroundScheduler(job_defaults={"coalesce": True, "misfire_grace_time": None})
    scheduler.add_job(lambda: due.put(visit), "cron", hour=hour, minute=minute)
    # Without a calibration, too: it makes the scheduler look at the clock after the machine slept.
    scheduler.add_job(lambda: due.put(calibrate) if calibrate is not None else None, "interval", seconds=HOUR)
    with _until_terminated():
        hourly = ", calibration every hour" if calibrate is not None else ""
        note(f"watching: a night at {hour:02}:{minute:02}{hourly}; Ctrl-C ends it")
        said(visit, first=True)
        scheduler.start()
        try:
            while True:
                said(due.get())  # in this thread, which signals reach: the scheduler only says when
        finally:
            scheduler.shutdown(wait=False)


class Due:
    """What is to be done next, in its order; what waits already is not put there twice."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], int]] = SimpleQueue()
        self._waiting: set[Callable[[], int]] = set()

    def put(self, visit: Callable[[], int]) -> None:
        """Have it done when what came before is done."""
        if visit not in self._waiting:
            self._waiting.add(visit)
            self._queue.put(visit)

    def get(self) -> Callable[[], int]:
        """Wait for the next one."""
        visit = self._queue.get()
        self._waiting.discard(visit)
        return visit


def said(visit: Callable[[], int], *, first: bool = False) -> None:
    """Visit and say what came of it, also what went wrong; only a mistake of the configuration ends the `first` one."""
    try:
        code = visit()
    except PromptopsError as error:
        if first and error.exit_code == _MISTAKE:
            raise
        note(f"this visit failed: {error}")
    except Exception as error:
        note(f"this visit failed: {type(error).__name__}: {error}")
    else:
        note(f"visited; exit code {code}")


@contextmanager
def _until_terminated() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C would (what was measured is kept), but is no interruption: exit 0."""
    terminated = False

    def stop(*_: object) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        if not terminated:
            raise
        note("stopped")
    finally:
        signal.signal(signal.SIGTERM, before)
