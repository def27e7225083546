"""`promptops drift watch`: a small daemon for those without a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from promptops.cli.commands._shared import note
from promptops.errors import MissingExtra, PromptopsError

HOURLY = timedelta(hours=1)


def keep_watch(visit: Callable[[], int], calibrate: Callable[[], int], *, hour: int, minute: int) -> None:
    """Visit now, then every night at a time of the machine's own clock, and calibrate every hour; until Ctrl-C.

    One at a time, and a visit that was missed (the machine slept) is made up for once. An error of one visit is said,
    and the next comes all the same. Raises `MissingExtra`.
    """
    try:
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.blocking import BlockingScheduler
    except ImportError:
        raise MissingExtra("watch", "the daemon") from None
    defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 6 * 3600}
    scheduler: Any = BlockingScheduler(executors={"default": ThreadPoolExecutor(1)}, job_defaults=defaults)
    scheduler.add_job(said(visit), "date", run_date=datetime.now().astimezone(), id="now")
    scheduler.add_job(said(visit), "cron", hour=hour, minute=minute, id="night")
    scheduler.add_job(said(calibrate), "interval", seconds=HOURLY.total_seconds(), id="calibration")
    note(f"watching: a night at {hour:02}:{minute:02}, calibration every hour; Ctrl-C ends it")
    try:
        scheduler.start()
    finally:
        if scheduler.running:
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
