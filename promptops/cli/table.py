"""Every command of `promptops`: its name, the group it is listed under and one line of help.

A command is one file, `commands/<name>.py`, with a function of that name (or `<name>_` where Python owns the word) or
a typer app called `app` where it has subcommands. `EXAMPLES` in that file are the lines that its help shows. Adding a
command is that file and one line here: nothing of it is imported before it is called.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command: `module` is below `promptops.cli.commands`."""

    name: str
    group: str
    help: str

    @property
    def module(self) -> str:
        return f"promptops.cli.commands.{self.name.replace('-', '_')}"

    @property
    def attribute(self) -> str:
        return self.name.replace("-", "_")


WRITE, TEST, RELEASE, WATCH = "Write", "Test and compare", "Release", "Watch"

COMMANDS: tuple[Entry, ...] = (
    Entry("init", WRITE, "Start a project here: an example prompt, its cases and the settings git needs."),
    Entry("new", WRITE, "Start a prompt."),
    Entry("bump", WRITE, "Copy the newest version of a prompt to the next number."),
    Entry("list", WRITE, "List the prompts, their versions and who serves them."),
    Entry("show", WRITE, "Show a version: its pin, parameters, inputs and template."),
    Entry("render", WRITE, "Show the messages that a version sends."),
    Entry("lint", WRITE, "Find every mistake in prompts and datasets, without asking a model."),
    Entry("models", WRITE, "Show the pins in use and when they end; fetch models that run on this machine."),
    Entry("estimate", TEST, "Say what a run would cost and what it could detect."),
    Entry("run", TEST, "Ask a version for its dataset, and judge it."),
    Entry("cache", TEST, "See and clear the replies that are kept across runs."),
    Entry("canary", TEST, "Compare a candidate with what is served, case by case."),
    Entry("judge", TEST, "Compare a judge with what people said; list the judges in use."),
    Entry("diff", TEST, "Show what differs between two versions."),
    Entry("compare", TEST, "Ask one version of several models: which one is enough?"),
    Entry("accept", RELEASE, "Accept the outcomes of a version as its baseline."),
    Entry("adopt", RELEASE, "Take an existing prompt in, without a comparison."),
    Entry("promote", RELEASE, "Let an environment serve a version, when its policy is satisfied."),
    Entry("rollback", RELEASE, "Let an environment serve the version before again, at once."),
    Entry("history", RELEASE, "Show what environments served, since when and why."),
    Entry("verify", RELEASE, "Recompute what manifest, closures, evidence and recordings claim, offline."),
    Entry("drift", WATCH, "Watch what is served: probes against their history, datasets against recordings."),
    Entry("schedule", WATCH, "Write the nightly job that watches for drift."),
)
