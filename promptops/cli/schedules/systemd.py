"""Units of systemd. Source: https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html"""

from __future__ import annotations

from promptops.cli.schedules.job import GREEN, Job

_UNITS = """\
# Units for systemd. Written by `promptops schedule systemd`; yours to edit.
# Put each into ~/.config/systemd/user/ under its name, keys into {root}/{store}/drift.env (NAME=value, mode 600), then:
#   systemctl --user daemon-reload
#   systemctl --user enable --now promptops-drift.timer promptops-calibrate.timer
#   loginctl enable-linger
# The first time, and to accept a change: promptops drift accept --reason TEXT

# --- promptops-drift.service
[Unit]
Description=promptops drift: do served models still answer as they did?

[Service]
Type=oneshot
WorkingDirectory={root_value}
EnvironmentFile=-{root_value}/{store_value}/drift.env
ExecStart={program} drift --env {environment} --require-state
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
Type=oneshot
WorkingDirectory={root_value}
EnvironmentFile=-{root_value}/{store_value}/drift.env
ExecStart={program} drift calibrate --env {environment}
SuccessExitStatus={codes}

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
    return _UNITS.format(
        root=job.root,
        root_value=_value(str(job.root)),
        store=job.store,
        store_value=_value(job.store),
        program=_quoted(str(job.program)),
        environment=job.environment,
        hour=job.hour,
        minute=job.minute,
        calibration=job.calibration_minute,
        codes=" ".join(code for code in GREEN.split("|") if code != "0"),
    )


def _value(path: str) -> str:
    """A path that is a whole value: `%` begins a specifier, blanks are fine."""
    return path.replace("%", "%%")


def _quoted(path: str) -> str:
    """A path that is the first word of a command line."""
    escaped = _value(path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
