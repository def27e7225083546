"""Which runs live: each holds the lock of a small file until its process ends, in whatever way it ends.

The kernel frees the lock of a killed process, and knows it from any container that shares the folder: there is no
process number to be mistaken, and no heartbeat to be late.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from promptops.errors import StoreError

if sys.platform != "win32":
    import fcntl

_PATIENCE = 2.0  # seconds: who only looks whether a run lives holds its lock for a moment


class RunLocks:
    """The locks that this process holds. `folder` has one empty file for each run that has not ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}
        _all.add(self)

    def take(self, run: str) -> bool:
        """Hold the lock of `run` from now on; False where another process or another store has it.

        Raises `StoreError` where the file cannot be made. A file system without locks holds nothing.
        """
        if run in self._held:
            return False
        deadline = time.monotonic() + _PATIENCE
        while True:
            descriptor = self._open(run)
            if not _locked(descriptor, deadline):
                os.close(descriptor)
                return False
            if self._is_at(run, descriptor) or time.monotonic() > deadline:
                break
            os.close(descriptor)  # it was removed between opening and locking: nobody else would see this lock
        self._held[run] = descriptor
        return True

    def lives(self, run: str) -> bool:
        """Whether some process holds the lock of `run`; also where the file system cannot say."""
        if run in self._held:
            return True
        try:
            descriptor = os.open(self._folder / run, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return error.errno != errno.ENOENT
        try:
            _lock(descriptor)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self, run: str) -> None:
        """The run has ended: nobody needs its file any more."""
        descriptor = self._held.pop(run, None)
        if descriptor is not None:
            with contextlib.suppress(OSError):
                (self._folder / run).unlink()
            os.close(descriptor)

    def sweep(self, keep: Callable[[str], bool]) -> None:
        """Remove the files of runs that neither live nor are to be kept."""
        with contextlib.suppress(OSError):
            for file in self._folder.iterdir():
                if not keep(file.name) and file.name not in self._held:
                    _remove(file)

    def close(self) -> None:
        """Let go of every lock, so that runs that have not ended can be gone on with."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _is_at(self, run: str, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), (self._folder / run).stat())
        except OSError:
            return False

    def _open(self, run: str) -> int:
        try:
            self._folder.mkdir(exist_ok=True)
            return os.open(self._folder / run, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"{self._folder / run} cannot be made: {error.strerror or error}") from error


def _locked(descriptor: int, deadline: float) -> bool:
    """Lock it, and wait until `deadline` for who holds it; also True where the file system has no locks."""
    while True:
        try:
            _lock(descriptor)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        except OSError:
            return True
        else:
            return True


def _remove(file: Path) -> None:
    """Remove the file of a run that does not live, while its lock is held: nobody can take it in between."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # it lives, or nobody can say
            _lock(descriptor)
            file.unlink()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "no locks here")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _forget() -> None:
    """A forked child shares its parent's locks, and must not hold them when the parent is gone."""
    for locks in list(_all):
        locks.close()


_all: weakref.WeakSet[RunLocks] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
