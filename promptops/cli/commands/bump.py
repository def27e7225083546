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
    from promptops.errors import UsageError, did_you_mean
    from promptops.project.files import read_text
    from promptops.project.prompts import version_names
    from promptops.project.released import released_versions
    from promptops.store.atomic import locked

    project = current_project()
    known = project.prompt_names()
    if name not in known:
        raise UsageError(f"there is no prompt named {name!r}{did_you_mean(name, known)}")
    folder = project.prompts_dir / name
    with locked(folder / "v1.j2"):
        versions = version_names(project, name)
        if not versions:
            raise UsageError(f"{name!r} has no version to copy: write {project.relative(folder)}/v1.j2")
        taken = [int(version[1:]) for version in (*versions, *released_versions(project, name))]
        new, newest = folder / f"v{max(taken) + 1}.j2", folder / f"{versions[-1]}.j2"
        text = read_text(project.root, newest, project.relative(newest))
        with new.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    if as_json:
        emit_json({"prompt": name, "from": versions[-1], "version": new.stem, "path": project.relative(new)})
        return
    say(f"{project.relative(new)} is a copy of {versions[-1]}")
    note(f"next: edit it, then promptops canary {name}@{new.stem}")
