"""Which file counts: the one that all processes share, or one in memory while that cannot be used."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

from promptops.store.limits.file import LimitsFile, Locked, Unusable

LOCKED_PAUSE = 0.05  # seconds to leave the file alone after it was locked
LOCKED_LONG = 5.0  # seconds of being locked after which it cannot be used
RETRY = 10.0  # seconds after which a file that could not be used is tried again
_TRIES = 3

T = TypeVar("T")
logger = logging.getLogger("promptops")


class Keeper:
    """Keeps one file of limits open. `adopt` writes what this participant has into a file that does not know it yet."""

    def __init__(self, folder: Path, adopt: Callable[[Connection], None]) -> None:
        self._folder, self._adopt = folder, adopt
        self._file: LimitsFile | None = None
        self._origin = b""
        self._warned = False
        self._not_before = self._retry_at = -math.inf
        self._locked_since: float | None = None

    def change(self, act: Callable[[Connection], T], now: float) -> T:
        """Do `act` in one transaction, perhaps more than once: it must change nothing but the file.

        Raises `Locked` where others are at the file: nothing was done, and it is left alone for `LOCKED_PAUSE`.
        """
        return self._with_file(lambda file: _changed(file, act), now)

    def read(self, sql: str, parameters: Sequence[Any], now: float) -> list[Any]:
        """Rows of one consistent view. Raises `Locked` as `change` does."""
        return self._with_file(lambda file: file.read(sql, parameters), now)

    @property
    def alone(self) -> bool:
        """Whether limits are kept within this process."""
        return self._file is not None and self._file.path is None

    def give_up(self, why: str, now: float) -> None:
        """Go on within this process, and say so, once."""
        if not self._warned:
            logger.warning("limits of providers are not shared with other processes: %s", why)
            self._warned = True
        self._retry_at = now + RETRY
        self._locked_since = None
        self._replace(LimitsFile.in_memory())

    def close(self) -> None:
        """Close a shared file; it is opened again when it is asked for. What is in memory stays."""
        if self._file is not None and not self.alone:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Close the file for good, wherever it is."""
        if self._file is not None:
            self._file.close()
        self._file, self._origin = None, b""

    def _with_file(self, act: Callable[[LimitsFile], T], now: float) -> T:
        if now < self._not_before:
            raise Locked("it was locked a moment ago")
        for _ in range(_TRIES):
            try:
                found = act(self._current(now))
            except Locked:
                self._not_before = now + LOCKED_PAUSE
                self._locked_since = now if self._locked_since is None else self._locked_since
                if now - self._locked_since < LOCKED_LONG:
                    raise
                self.give_up("their file stays locked by another process", now)
            except Unusable as error:
                self._lost(error, now)
            else:
                self._locked_since = None
                return found
        raise Locked("no file can be used")

    def _current(self, now: float) -> LimitsFile:
        file = self._file
        if file is not None and self.alone:
            return self._tried_again(file, now) if now >= self._retry_at else file
        if file is not None and not file.moved:
            return file
        self.close()
        return self._replace(LimitsFile.in_folder(self._folder))

    def _tried_again(self, memory: LimitsFile, now: float) -> LimitsFile:
        self._retry_at = now + RETRY
        try:
            return self._replace(LimitsFile.in_folder(self._folder))
        except (Locked, Unusable):
            return memory

    def _lost(self, error: Unusable, now: float) -> None:
        """Go on without the file that failed: with another in its place, or alone."""
        file = self._file
        self.discard()
        if file is not None and file.path is not None and error.damaged:
            try:
                self._replace(LimitsFile.in_folder(self._folder, instead_of=file))
            except (Locked, Unusable) as another:
                self.give_up(str(another), now)
        elif file is None or file.path is None or not file.moved:
            self.give_up(str(error), now)

    def _replace(self, file: LimitsFile) -> LimitsFile:
        """Use `file` from now on; it learns what this participant has, unless it knows."""
        if file.origin != self._origin:
            try:
                _changed(file, self._adopt)
            except BaseException:
                file.close()
                raise
        self.discard()
        self._file, self._origin = file, file.origin
        return file


def _changed(file: LimitsFile, act: Callable[[Connection], T]) -> T:
    with file.writing() as connection:
        return act(connection)
