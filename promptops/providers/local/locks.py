"""A lock between processes that dies with its holder, also after `kill -9`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL = 0.05  # seconds


@contextmanager
def exclusive(path: Path, *, timeout: float, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold `path` exclusively; wait up to `timeout` seconds (0: try once), then raise `TimeoutError`.

    `waiting` is called once where another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor):
            waiting()
            _wait_for(descriptor, path, time.monotonic() + timeout)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, path: Path, until: float) -> None:
    while not _taken(descriptor):
        if time.monotonic() >= until:
            raise TimeoutError(f"{path} is held by another process")
        time.sleep(POLL)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
