"""What a nightly job needs to know, whoever runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

GREEN = "0|1|10|11"
"""Exit codes after which a job stays green: an issue, a webhook or a summary tells them. An outage is no failure.

A mistake of the configuration ends in 2, and so does an alarm that nobody is told of.
"""


class Job(Struct, frozen=True):
    """One nightly check of an environment, and the hourly readings of its calibration.

    `keys` are the variables with keys and addresses, to come from secrets; `keep` is how the log is kept, `state` the
    folder it is in, from the project's root `root`, and `home` the store folder; `folder` is the project's place below
    the repository. `requirement` is what is installed, `models` the local models that are pulled.
    """

    environment: str
    hour: int
    minute: int
    keys: tuple[str, ...]
    keep: str
    state: str
    store: str
    home: Path
    root: Path
    program: Path
    python: str
    requirement: str
    models: tuple[str, ...] = ()
    folder: str = "."
    image: str = ""
    flock: str | None = None

    @property
    def calibration_minute(self) -> int:
        """When in the hour the calibration is read: not when the night is."""
        return (self.minute + 30) % 60

    @property
    def night(self) -> str:
        """The command of the night."""
        return f"promptops drift --env {self.environment} --require-state"

    @property
    def hourly(self) -> str:
        """The command of the calibration."""
        return f"promptops drift calibrate --env {self.environment}"

    @property
    def install(self) -> str:
        """What makes the commands work on a machine that has nothing."""
        pulls = "".join(f" && promptops models pull {name}" for name in self.models)
        return f'pip install --quiet "{self.requirement}"{pulls}'

    @property
    def place(self) -> str:
        """The folder of the log from the repository's root."""
        return self.state if self.folder == "." else f"{self.folder}/{self.state}"


class Writer(Struct, frozen=True):
    """A scheduler: what writes its text, how it can keep the log (the first by default), and where its file goes."""

    write: Callable[[Job], str]
    keeps: tuple[str, ...]
    path: str = ""
