"""`promptops init`: starts a project in the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptops.cli.commands._shared import JsonOption, emit_json, note, say

EXAMPLES = ("promptops init", "promptops init --name reviews")


def init(
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The example prompt.")] = "sentiment",
    as_json: JsonOption = False,
) -> None:
    """Start a project here: settings, an example prompt with cases, and what git has to know.

    Nothing that exists is overwritten. The example runs on a small model on this machine: no key, no account.
    """
    from promptops.cli.scaffold import ATTRIBUTES, IGNORE, NEW_IGNORE, TABLE, add_lines, prompt_files, write_new
    from promptops.errors import UsageError
    from promptops.project.prompts import name_problem

    if problem := name_problem(name):
        raise UsageError(f"{name!r} cannot be the name of a prompt: {' '.join(problem)}")
    root = Path.cwd()
    written, kept = _settings(root, TABLE)
    has_prompts = any((root / "prompts").glob("*/v*.j2"))
    more, left = ([], []) if has_prompts else write_new(root, prompt_files(name))
    ignore = IGNORE if (root / ".gitignore").exists() else NEW_IGNORE
    changed = [
        file for file, text in ((".gitattributes", ATTRIBUTES), (".gitignore", ignore)) if add_lines(root / file, text)
    ]
    written, kept = [*written, *more, *changed], [*kept, *left, *(["prompts"] if has_prompts else [])]
    if as_json:
        emit_json({"written": written, "kept": kept})
        return
    for path in written:
        say(f"wrote {path}")
    for path in kept:
        say(f"kept  {path}")
    if not (root / ".git").exists() and not any((parent / ".git").exists() for parent in root.parents):
        note("this is no git repository yet: git init")
    note("next:")
    note("  promptops models pull smollm2-135m-instruct")
    note("  pytest --promptops --promptops-mode new     # asks the model once, and records its answers")
    note('  git add . && git commit -m "Begin with prompts"')
    note(f"  promptops adopt {name}@v1                # what it does today becomes the baseline")


def _settings(root: Path, table: str) -> tuple[list[str], list[str]]:
    """Add `[tool.promptops]` to pyproject.toml; returns what was written and what was left alone."""
    import tomllib

    from promptops.errors import ConfigError, Problem

    path = root / "pyproject.toml"
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        if "promptops" in tomllib.loads(before).get("tool", {}):
            return [], ["pyproject.toml"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem("pyproject.toml", 0, f"is not TOML: {error}", "mend it first")]) from error
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    path.write_text(before + gap + table, encoding="utf-8")
    return ["pyproject.toml"], []
