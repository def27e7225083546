"""What a nightly job needs to know, whoever runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

GREEN = "0|1|10|11"
"""Exit codes after which a job stays green: an issue, a webhook or a summary tells them. An outage is no failure."""


@dataclass(frozen=True, slots=True)
class Job:
    """One nightly check of an environment, and the hourly readings of its calibration.

    `keys` are the variables with keys and addresses, to come from secrets; `keep` is how the log is kept, `state` the
    folder it is in, from the project's root `root`; `folder` is the project's place below the repository.
    """

    environment: str
    hour: int
    minute: int
    keys: tuple[str, ...]
    keep: str
    state: str
    store: str
    root: Path
    program: Path
    python: str
    requirement: str = "pytest-promptops"
    folder: str = "."
    image: str = ""

    @property
    def calibration_minute(self) -> int:
        """When in the hour the calibration is read: not when the night is."""
        return (self.minute + 30) % 60


@dataclass(frozen=True, slots=True)
class Writer:
    """A scheduler: what writes its text, how it can keep the log (the first by default), and where its file goes."""

    write: Callable[[Job], str]
    keeps: tuple[str, ...]
    path: str = ""
