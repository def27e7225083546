"""`promptops rollback`: an environment serves an earlier version again, at once."""

from __future__ import annotations

from typing import Annotated

import typer

from promptops.cli.commands._shared import (
    DryRunOption,
    JsonOption,
    MessageOption,
    NoCommitOption,
    ReasonOption,
    ServedByOption,
    current_project,
    emit_json,
    note,
    say,
)

EXAMPLES = ("promptops rollback booking --env production", "promptops rollback booking --env production --to v1")


def rollback(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")],
    *,
    env: ServedByOption = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="vN", help="A version it served; the one before if left out.")
    ] = None,
    reason: ReasonOption = "",
    dry_run: DryRunOption = False,
    no_commit: NoCommitOption = False,
    message: MessageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an environment serve what it served before again.

    Needs no network, no evidence and no git history, and works while prompt files are broken: only the manifest
    changes. Rolling back twice goes back twice.
    """
    from promptops.cli.commands._measured import now
    from promptops.config import environment_name
    from promptops.release.rollback import rollback as run

    project = current_project()
    done = run(
        project,
        name,
        environment_name(project.config, env),
        at=now(),
        to=to,
        reason=reason,
        subject=message or "",
        commit=not no_commit,
        dry_run=dry_run,
    )
    if as_json:
        emit_json(
            {
                "prompt": done.prompt,
                "environment": done.environment,
                "served": done.served.model_dump(mode="json"),
                "replaced": done.replaced.version,
                "commit": done.commit,
                "dry_run": dry_run,
            }
        )
        return
    said = "would serve" if dry_run else "serves"
    say(f"{done.environment} {said} {done.prompt} {done.served.version} again, instead of {done.replaced.version}")
    if done.commit:
        say(f"  commit {done.commit[:10]}")
    elif not dry_run:
        note(f"not committed{': ' + done.why_no_commit if done.why_no_commit else ''}")
