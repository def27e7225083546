"""`promptops diff`: what differs between two versions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._shared import JsonOption, colour, current_project, emit_json, finish, say

if TYPE_CHECKING:
    from promptops.models import CaseResult
    from promptops.project.root import Project

EXAMPLES = (
    "promptops diff booking@v2 booking@v3",
    "promptops diff booking@production booking@v3 --rendered --case c17",
    "promptops diff booking@v2 booking@v3 --outputs",
)

_SHOWN = 20  # differences of one case in the terminal


def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="A version: booking@v2 or booking@production.")],
    new: Annotated[str, typer.Argument(metavar="B", help="Another version of the same prompt.")],
    *,
    rendered: Annotated[bool, typer.Option("--rendered", help="The messages of one case (with --case).")] = False,
    outputs: Annotated[bool, typer.Option("--outputs", help="The recorded outputs, case by case.")] = False,
    case: Annotated[str | None, typer.Option("--case", metavar="ID", help="Only this case.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what differs: pin, parameters and template; or the messages of a case; or the recorded outputs.

    `--outputs` judges recordings, and so loads the output contract of the prompt; the others run no Python.
    """
    from promptops.errors import UsageError

    project = current_project()
    (prompt, before), (other, after) = _one(project, old), _one(project, new)
    if prompt != other:
        raise UsageError(f"{old} and {new} are versions of two prompts: name two of one")
    if rendered and (outputs or case is None):
        raise UsageError("--rendered needs --case ID, and goes without --outputs")
    if outputs:
        _show_outputs(_outputs(project, prompt, before, after, case), before, after, as_json=as_json)
        return
    lines = _text(project, prompt, before, after, case if rendered else None)
    if as_json:
        emit_json({"prompt": prompt, "old": before, "new": after, "diff": lines})
        return
    for line in lines or [f"{prompt} {before} and {after} send the same"]:
        _print(line)


def _one(project: Project, text: str) -> tuple[str, str]:
    from promptops.core.select import resolve
    from promptops.errors import UsageError
    from promptops.project.manifest import load_manifest
    from promptops.project.prompts import version_names

    versions = {name: version_names(project, name) for name in project.prompt_names()}
    found = resolve([text], versions, load_manifest(project))
    if len(found) != 1:
        raise UsageError(f"{text!r} does not name one version: write booking@v2 or booking@production")
    return found[0]


def _text(project: Project, prompt: str, before: str, after: str, case: str | None) -> list[str]:
    from promptops.errors import UsageError, did_you_mean
    from promptops.project.datasets import dataset_of
    from promptops.project.media_files import media_reader
    from promptops.project.prompts import load_prompt
    from promptops.release.diff import closure_of, rendered_diff, version_diff

    old, new = closure_of(project, prompt, before), closure_of(project, prompt, after)
    if case is None:
        return version_diff(old, new)
    dataset = dataset_of(project, load_prompt(project, prompt))
    cases = dataset.cases if dataset else ()
    if (found := next((item for item in cases if item.id == case), None)) is None:
        near = did_you_mean(case, (item.id for item in cases[:10_000]))
        raise UsageError(f"the dataset of {prompt!r} has no case {case!r}{near}")
    return rendered_diff(old, new, found.inputs, media_reader(project, prompt, dataset.path if dataset else None))


def _outputs(project: Project, prompt: str, before: str, after: str, case: str | None) -> list[dict[str, Any]]:
    """The cases whose recorded outputs differ, with where."""
    from promptops.cli.commands._measured import judged
    from promptops.core.checks.expected import how_to_compare
    from promptops.core.diff import compare
    from promptops.core.distance import measure
    from promptops.core.judge import checks_for
    from promptops.runner.session import Session

    session = Session(project, "replay", os.environ)
    targets = [session.target(prompt, version) for version in (before, after)]
    old, new = (judged(session, target) for target in targets)
    cases = {item.id: item for item in targets[1].cases}
    contract = targets[1].contract.schema is not None
    rows = []
    for name in sorted(old.keys() & new.keys()):
        how = how_to_compare(checks_for(cases[name], has_contract=contract, checks=targets[1].checks))
        found = compare(_value(old[name]), _value(new[name]), how)
        if case in (None, name) and (found or old[name].outcome != new[name].outcome):
            where = [
                {
                    "path": d.path,
                    "kind": d.kind,
                    "old": d.expected,
                    "new": d.actual,
                    "new_path": d.actual_path or d.path,
                    "record": d.record,
                }
                for d in found
            ]
            apart = measure(_value(old[name]), _value(new[name]), how).value if found else 0.0
            outcomes = {"old": old[name].outcome, "new": new[name].outcome}
            rows.append({"case": name, **outcomes, "distance": apart, "differences": where})
    return rows


def _value(result: CaseResult) -> Any:
    return result.judgements[0].value


def _show_outputs(rows: list[dict[str, Any]], before: str, after: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"old": before, "new": after, "cases": rows})
        return
    for row in rows:
        say(f"{row['case']}: {row['old']} -> {row['new']}, distance {row['distance']:.2g}")
        for item in row["differences"][:_SHOWN]:
            now = f"now {item['new_path']}" if item["new_path"] != item["path"] else ""
            beside = ", ".join(filter(None, (item["record"], now)))
            say(f"    {item['path']}{f' ({beside})' if beside else ''}: {_change(item)}")
        if (more := len(row["differences"]) - _SHOWN) > 0:
            say(f"    and {more:,} more: --case {row['case']} --json has them")
    say(f"{len(rows)} recorded outputs differ between {before} and {after}")
    finish(0)


def _change(item: dict[str, Any]) -> str:
    """What became of a part; what stands on one side only is not taken for null."""
    import json

    old, new = (json.dumps(item[side], ensure_ascii=False)[:200] for side in ("old", "new"))
    if item["kind"].endswith("_removed"):
        return f"{old} is gone"
    return f"{new} is new" if item["kind"].endswith("_added") else f"{old} -> {new}"


def _print(line: str) -> None:
    from promptops.reporting.safe import terminal

    code = {"+": "32", "-": "31", "@": "36"}.get(line[:1]) if colour() else None
    text = terminal(line)
    typer.echo(f"\x1b[{code}m{text}\x1b[0m" if code else text, color=True)
