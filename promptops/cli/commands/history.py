"""`promptops history`: what environments served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, note, say

if TYPE_CHECKING:
    from promptops.release.history import Stay

EXAMPLES = ("promptops history booking", "promptops history booking --env production --json")


def history(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")],
    *,
    env: Annotated[str, typer.Option("--env", metavar="ENV", help="Only this environment.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what environments serve and served of a prompt, since when, why and by which commit."""
    from promptops.core.select import served_versions
    from promptops.errors import UsageError, did_you_mean
    from promptops.project.manifest import load_manifest
    from promptops.release.history import history as read

    project = current_project()
    stays, why_no_git = read(project, name, environment=env)
    if not stays and not served_versions(load_manifest(project), name) and name not in project.prompt_names():
        raise UsageError(f"there is no prompt named {name!r}{did_you_mean(name, project.prompt_names())}")
    if as_json:
        emit_json({"prompt": name, "served": [_json(stay) for stay in stays]})
        return
    if not stays:
        say(f"no environment{f' {env!r}' if env else ''} ever served {name}")
    for stay in stays:
        say(_line(stay))
        if stay.served.reason:
            say(f"      {stay.served.reason}")
    if why_no_git and stays:
        note(f"commits are not shown: {why_no_git}")


def _line(stay: Stay) -> str:
    from promptops.core.digest import short_digest

    served = stay.served
    mark = "*" if stay.state == "now" else " "
    by = f"  {stay.commit.sha[:10]} {stay.commit.author}" if stay.commit else ""
    evidence = f"  evidence {short_digest(served.evidence)}" if served.evidence else ""
    return f"{mark} {stay.environment}  {served.version}  {served.at}  {served.how}{evidence}{by}"


def _json(stay: Stay) -> dict[str, Any]:
    fields = {
        name: getattr(stay.served, name) for name in ("version", "digest", "pin", "evidence", "how", "reason", "at")
    }
    commit = stay.commit
    return {
        **fields,
        "environment": stay.environment,
        "now": stay.state == "now",
        "acknowledged": list(stay.served.acknowledged),
        "commit": {"sha": commit.sha, "author": commit.author, "date": commit.date} if commit else None,
    }
