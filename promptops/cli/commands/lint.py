"""`promptops lint`: every mistake in prompts and datasets, without asking a model."""

from __future__ import annotations

from typing import Annotated

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, finish, note, say

EXAMPLES = ("promptops lint", "promptops lint booking sentiment", "promptops lint --json")


def lint(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Prompts; all without a name.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Find every mistake in prompts, their datasets and the manifest.

    Runs no Python of the repository and asks nothing. Ends in 1 where something was found.
    """
    from promptops.errors import ProblemsError
    from promptops.project.lint import lint as find
    from promptops.project.manifest import load_manifest

    project = current_project()
    chosen = names or project.prompt_names()
    found = find(project, chosen)
    if not names:
        try:
            load_manifest(project)
        except ProblemsError as error:
            found = sorted({*found, *error.problems})
    if as_json:
        rows = [{"path": p.path, "line": p.line, "message": p.message, "hint": p.hint} for p in found]
        emit_json({"prompts": list(chosen), "problems": rows})
    else:
        for problem in found:
            say(str(problem))
        many = "1 problem" if len(found) == 1 else f"{len(found)} problems" if found else "no problem"
        note(f"{len(chosen)} prompt{'s' * (len(chosen) != 1)}: {many}")
    finish(1 if found else 0)
