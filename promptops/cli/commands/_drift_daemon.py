"""`promptops drift watch`: a small daemon for those without a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final

from promptops.cli.commands._shared import note
from promptops.errors import MissingExtra, PromptopsError

HOUR: Final = 3600.0  # seconds
_MADE_UP_FOR: Final = 6 * 3600
"""Seconds for which a visit that the machine slept through is made up for."""


def keep_watch(visit: Callable[[], int], calibrate: Callable[[], int], *, hour: int, minute: int) -> None:
    """Visit now, then every night at a time of the machine's own clock, and calibrate every hour; until Ctrl-C.

    One at a time, and a visit that was missed (the machine slept) is made up for once. An error of one visit is said,
    and the next comes all the same. Raises `MissingExtra`.
    """
    try:
        from apscheduler.schedulers.background import BackgroundScheduler
    except ImportError:
        raise MissingExtra("watch", "the daemon") from None
    due: SimpleQueue[Callable[[], None]] = SimpleQueue()
    due.put(said(visit))
    scheduler: Any = BackgroundScheduler(job_defaults={"coalesce": True, "misfire_grace_time": _MADE_UP_FOR})
    scheduler.add_job(lambda: due.put(said(visit)), "cron", hour=hour, minute=minute)
    scheduler.add_job(lambda: due.put(said(calibrate)), "interval", seconds=HOUR)
    note(f"watching: a night at {hour:02}:{minute:02}, calibration every hour; Ctrl-C ends it")
    scheduler.start()
    try:
        while True:
            due.get()()  # in this thread, which Ctrl-C reaches: the scheduler only says when
    finally:
        scheduler.shutdown(wait=False)


def said(visit: Callable[[], int]) -> Callable[[], None]:
    """A visit that never raises: what went wrong is said, and the daemon lives."""

    def once() -> None:
        try:
            code = visit()
        except PromptopsError as error:
            note(f"this visit failed: {error}")
        except Exception as error:
            note(f"this visit failed: {type(error).__name__}: {error}")
        else:
            note(f"visited; exit code {code}")

    return once
