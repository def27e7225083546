"""`promptops lint`: every mistake in prompts and datasets, without asking a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, finish, note, say

if TYPE_CHECKING:
    from promptops.errors import Problem
    from promptops.project.root import Project

EXAMPLES = ("promptops lint", "promptops lint booking sentiment", "promptops lint --json")


def lint(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Prompts; all without a name.")] = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as problems.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find every mistake in prompts, their datasets, the manifest and the providers of pyproject.toml.

    Runs no Python of the repository and asks nothing. Ends in 1 where a problem was found; warnings are about what the
    newest version of a prompt costs, how long it takes and what it wastes, by its recordings and its cases, and about
    datasets that are too small for a canary to decide anything.
    """
    from promptops.project.lint import lint as find
    from promptops.project.lint import undecided
    from promptops.providers.registry import known_providers
    from promptops.runner.lints import lint_advice

    project = current_project()
    chosen = names or project.prompt_names()
    found = find(project, chosen, providers=known_providers(project.config))
    found = sorted({*found, *lint_advice(project, chosen), *undecided(project, chosen)})
    if not names:
        found = sorted({*found, *_of_the_project(project)})
    if as_json:
        rows = [{"path": p.path, "line": p.line, "level": p.level, "message": p.message, "hint": p.hint} for p in found]
        emit_json({"prompts": list(chosen), "problems": rows})
    else:
        for problem in found:
            say(str(problem))
        note(f"{len(chosen)} prompt{'s' * (len(chosen) != 1)}: {_counted(found)}")
    finish(1 if any(strict or problem.level == "error" for problem in found) else 0)


def _counted(found: list[Problem]) -> str:
    warnings = sum(problem.level == "warning" for problem in found)
    problems = len(found) - warnings
    many = f"{problems} problem{'s' * (problems != 1)}" if problems else "no problem"
    return f"{many}, {warnings} warning{'s' * (warnings != 1)}" if warnings else many


def _of_the_project(project: Project) -> Iterator[Problem]:
    """What is wrong with the manifest and with the configured providers."""
    from promptops.errors import ProblemsError
    from promptops.project.manifest import load_manifest
    from promptops.providers.registry import check_providers

    path = project.root / "pyproject.toml"
    text = path.read_text("utf-8") if path.is_file() else ""
    checks: tuple[Callable[[], object], ...] = (
        lambda: load_manifest(project),
        lambda: check_providers(project.config, text=text),
    )
    for check in checks:
        try:
            check()
        except ProblemsError as error:
            yield from error.problems
