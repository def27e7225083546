"""The jobs that `promptops schedule` writes: one file a scheduler, each a function from a `Job` to text."""

from __future__ import annotations

from promptops.cli.schedules.cron import cron
from promptops.cli.schedules.github import github
from promptops.cli.schedules.gitlab import gitlab
from promptops.cli.schedules.job import Job, Writer
from promptops.cli.schedules.kubernetes import kubernetes
from promptops.cli.schedules.systemd import systemd

SCHEDULERS: dict[str, Writer] = {
    "github": Writer(github, ("cache", "branch", "artifact", "store"), ".github/workflows/promptops-drift.yml"),
    "gitlab": Writer(gitlab, ("cache", "artifact", "store"), ".gitlab/promptops-drift.yml", images=True),
    "cron": Writer(cron, ("folder",)),
    "systemd": Writer(systemd, ("folder",)),
    "kubernetes": Writer(kubernetes, ("volume", "store"), "promptops-drift.yaml", images=True),
}

__all__ = ["SCHEDULERS", "Job", "Writer"]
