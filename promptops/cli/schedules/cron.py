"""Two lines for crontab."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from promptops.cli.schedules.job import Job

if TYPE_CHECKING:
    from pathlib import Path


_WORDS = """\
# Lines for `crontab -e`. Written by `promptops schedule cron`; yours to edit.
# cron knows none of your variables: write keys into {keys} (NAME=value, mode 600).
# The first time, and to accept a change: promptops drift accept --reason TEXT
"""


def cron(job: Job) -> str:
    """The night, and the hourly readings of the calibration: absolute paths, and `flock` so that no two run at once."""
    night = _line(job, f"{job.minute} {job.hour}", f"drift --env {job.environment} --require-state")
    hourly = _line(job, f"{job.calibration_minute} *", f"drift calibrate --env {job.environment}")
    return f"{_WORDS.format(keys=_keys(job))}{night}\n{hourly}\n"


def _keys(job: Job) -> Path:
    return job.root / job.store / "drift.env"


def _line(job: Job, when: str, arguments: str) -> str:
    folder = job.root / job.store
    keys = shlex.quote(str(_keys(job)))
    command = (
        f"cd {shlex.quote(str(job.root))} && mkdir -p {shlex.quote(str(folder))} && "
        f"if [ -f {keys} ]; then set -a; . {keys}; set +a; fi && "
        f"flock -n {shlex.quote(str(folder / 'drift.lock'))} "
        f"{shlex.quote(str(job.program))} {arguments} >> {shlex.quote(str(folder / 'drift.log'))} 2>&1"
    )
    return f"{when} * * * " + command.replace("%", "\\%")
