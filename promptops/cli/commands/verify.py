"""`promptops verify`: recomputes what the files claim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, finish, note, say

if TYPE_CHECKING:
    from promptops.release.verifying.findings import Finding

EXAMPLES = ("promptops verify", "promptops verify booking --json")


def verify(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Prompts; all if left out.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Recompute what manifest, closures, evidence and recordings claim.

    Offline and without a key, and runs no Python of the repository: the check to require of a protected branch.
    Ends in 1 where something does not hold; notices do not count.
    """
    from promptops.release.verify import verify as run

    report = run(current_project(), names or ())
    if as_json:
        emit_json(
            {
                "ok": not report.problems,
                "prompts": list(report.prompts),
                "problems": [to_builtins(item) for item in report.problems],
                "notices": [to_builtins(item) for item in report.notices],
                "recomputed": list(report.recomputed),
                "skipped": list(report.skipped),
            }
        )
    else:
        for item in (*report.problems, *report.notices):
            _show(item)
        for line in report.recomputed:
            note(f"recomputed  {line}")
        for line in report.skipped:
            note(f"not recomputed  {line}")
        say(_summary(len(report.prompts), report.problems, report.notices))
    finish(1 if report.problems else 0)


def _show(item: Finding) -> None:
    where = f"{item.path}:{item.line}" if item.line else item.path
    say(f"{'PROBLEM' if item.kind == 'problem' else 'NOTICE'}  {where}")
    say(f"    {item.message}")
    if item.commit:
        say(f"    last touched by {item.commit}")
    if item.hint:
        say(f"    {item.hint}")


def _summary(count: int, problems: tuple[Finding, ...], notices: tuple[Finding, ...]) -> str:
    prompts = f"{count} prompt{'' if count == 1 else 's'}"
    seen = f", {len(notices)} notice{'' if len(notices) == 1 else 's'}" if notices else ""
    if not problems:
        return f"verified {prompts}: everything holds{seen}"
    broken = ", ".join(sorted({item.prompt for item in problems if item.prompt})) or "the manifest"
    return f"verified {prompts}: {len(problems)} problem{'' if len(problems) == 1 else 's'} in {broken}{seen}"
