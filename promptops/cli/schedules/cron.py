"""Two lines for crontab."""

from __future__ import annotations

import shlex

from promptops.cli.schedules.job import Job


def cron(job: Job) -> str:
    """The night, and the hourly readings of the calibration: absolute paths, and `flock` so that no two run at once."""
    night = _line(job, f"{job.minute} {job.hour}", f"drift --env {job.environment} --require-state")
    hourly = _line(job, f"{job.calibration_minute} *", f"drift calibrate --env {job.environment}")
    return f"{night}\n{hourly}\n"


def _line(job: Job, when: str, arguments: str) -> str:
    folder = job.root / job.store
    command = (
        f"cd {shlex.quote(str(job.root))} && mkdir -p {shlex.quote(str(folder))} && "
        f"flock -n {shlex.quote(str(folder / 'drift.lock'))} "
        f"{shlex.quote(str(job.program))} {arguments} >> {shlex.quote(str(folder / 'drift.log'))} 2>&1"
    )
    return f"{when} * * * " + command.replace("%", "\\%")
