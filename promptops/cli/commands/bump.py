"""`promptops bump`: the newest version, copied to the next number."""

from __future__ import annotations

from typing import Annotated

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, note, say

EXAMPLES = ("promptops bump booking",)


def bump(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy the newest version of a prompt to the next number, to be changed there: released versions are frozen."""
    from promptops.release.bump import bump as copy

    project = current_project()
    made = copy(project, name)
    path = project.relative(made.path)
    if as_json:
        emit_json({"prompt": name, "from": made.source, "version": made.version, "path": path})
        return
    say(f"{path} is a copy of {made.source}")
    note(f"next: edit it, then promptops canary {name}@{made.version}")
