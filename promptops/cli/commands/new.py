"""`promptops new`: starts a prompt."""

from __future__ import annotations

from typing import Annotated

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, note, say

EXAMPLES = ("promptops new summary",)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The prompt: lower case letters, digits, - and _.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Start a prompt: a first version that works, its settings and a few cases to replace by your own."""
    from promptops.cli.scaffold import prompt_files, write_new
    from promptops.errors import UsageError
    from promptops.project.prompts import name_problem

    project = current_project()
    if problem := name_problem(name):
        raise UsageError(f"{name!r} cannot be the name of a prompt: {' '.join(problem)}")
    folder = project.prompts_dir / name
    if folder.exists():
        raise UsageError(f"{project.relative(folder)} exists already: a further version is promptops bump {name}")
    files = prompt_files(name, prompts=project.config.prompts, fixtures=project.config.fixtures)
    written, kept = write_new(project.root, files)
    if as_json:
        emit_json({"prompt": name, "written": written, "kept": kept})
        return
    for path in written:
        say(f"wrote {path}")
    for path in kept:
        say(f"kept  {path}")
    note(f"next: edit them, then pytest --promptops --promptops-mode new --promptops-select {name}")
