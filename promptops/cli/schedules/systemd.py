"""Units of systemd. Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html"""

from __future__ import annotations

from pathlib import Path

from promptops.cli.schedules.job import GREEN, Job

_UNITS = """\
# Units for systemd. Written by `promptops schedule systemd`; yours to edit.
# Put each into ~/.config/systemd/user/ under its name, keys into {keys} (NAME=value, mode 600), then:
#   systemctl --user daemon-reload
#   systemctl --user enable --now promptops-drift.timer promptops-calibrate.timer
#   loginctl enable-linger
# The first time, and to accept a change: promptops drift accept --reason TEXT
# What they say: journalctl --user -u promptops-drift

# --- promptops-drift.service
[Unit]
Description=promptops drift: do served models still answer as they did?

[Service]
{service}
ExecStart={program} {night}
# changed, not measured, undecided: told by the webhook and the journal, no failed unit
SuccessExitStatus={codes}
TimeoutStartSec=2h

# --- promptops-drift.timer
[Unit]
Description=promptops drift, every night

[Timer]
OnCalendar=*-*-* {hour:02}:{minute:02}:00
Persistent=true

[Install]
WantedBy=timers.target

# --- promptops-calibrate.service
[Unit]
Description=promptops drift calibrate: readings while it is calibrated

[Service]
{service}
ExecStart={program} {hourly}
SuccessExitStatus={codes}
TimeoutStartSec=1h

# --- promptops-calibrate.timer
[Unit]
Description=promptops drift calibrate, every hour (asks nothing once it is complete)

[Timer]
OnCalendar=*-*-* *:{calibration:02}:00

[Install]
WantedBy=timers.target
"""


def systemd(job: Job) -> str:
    """Two services and two timers, each under its name."""
    keys = job.home / "drift.env"
    service = f"Type=oneshot\nWorkingDirectory={_value(job.root)}\nEnvironmentFile=-{_value(keys)}"
    return _UNITS.format(
        keys=keys,
        service=service,
        program=_quoted(job.program),
        night=job.night.removeprefix("promptops "),
        hourly=job.hourly.removeprefix("promptops "),
        hour=job.hour,
        minute=job.minute,
        calibration=job.calibration_minute,
        codes=" ".join(code for code in GREEN.split("|") if code != "0"),
    )


def _value(path: Path) -> str:
    """A path that is a whole value: `%` begins a specifier, blanks are fine."""
    return str(path).replace("%", "%%")


def _quoted(path: Path) -> str:
    """A path that is the first word of a command line."""
    escaped = _value(path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
