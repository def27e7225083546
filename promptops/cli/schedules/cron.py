"""Two lines for crontab."""

from __future__ import annotations

import shlex
from pathlib import Path

from promptops.cli.schedules.job import GREEN, Job

_WORDS = """\
# Lines for `crontab -e`. Written by `promptops schedule cron`; yours to edit.
# cron knows none of your variables: write keys into {keys} (NAME=value, mode 600).
# What they say is in {log}.
# cron sends a mail only of what nobody else tells: a mistake of the configuration, a bug.
# The first time, and to accept a change: promptops drift accept --reason TEXT
"""


def cron(job: Job) -> str:
    """The night, and the hourly readings of the calibration; one at a time where there is `flock`."""
    words = _WORDS.format(keys=job.home / "drift.env", log=job.home / "drift.log")
    night = _line(job, f"{job.minute} {job.hour}", job.night)
    return f"{words}{night}\n{_line(job, f'{job.calibration_minute} *', job.hourly)}\n"


def _line(job: Job, when: str, command: str) -> str:
    keys, lock, log = (_quoted(Path(job.store) / f"drift.{ending}") for ending in ("env", "lock", "log"))
    dotted = keys if Path(job.store).is_absolute() else f"./{keys}"
    program = f"{_quoted(job.program)} {command.removeprefix('promptops ')}"
    if job.flock is not None:  # two at once count one reading, but pay for two
        program = f"{_quoted(Path(job.flock))} -w 3600 -E 10 {lock} {program}"
    text = (  # short, by paths from the project: crontabs take a thousand characters
        f"cd {_quoted(job.root)} && mkdir -p {_quoted(Path(job.store))} && "
        f"if [ -f {keys} ]; then set -a; . {dotted}; set +a; fi && "
        f"{{ code=0; {program} >> {log} 2>&1 || code=$?; "
        f'case $code in {GREEN}) ;; *) echo "promptops drift ended in $code"; tail -n 20 {log} ;; esac; }}'
    )
    return f"{when} * * * " + text.replace("%", "\\%")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
