"""`promptops accept`: the outcomes of a version become its baseline, in a diff that people review."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._shared import (
    DryRunOption,
    JsonOption,
    MessageOption,
    current_project,
    emit_json,
    note,
    say,
)

if TYPE_CHECKING:
    from pathlib import Path

    from promptops.project.root import Project
    from promptops.release.accept import Acceptance

EXAMPLES = ("promptops accept booking", "promptops accept booking@v2 --case c17 --case c18")


def accept(
    ref: Annotated[str, typer.Argument(metavar="NAME[@vN]", help="The version; what is served if left out.")],
    *,
    case: Annotated[
        list[str] | None, typer.Option("--case", metavar="ID", help="Only this case; may be repeated.")
    ] = None,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the evidence file and the recordings.")] = False,
    message: MessageOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Accept what the recordings of a version give: a failure that is accepted is known, and no longer red.

    Only the evidence file changes; review the diff and commit it. An error is never accepted.
    """
    from promptops.cli.commands._measured import measure, now
    from promptops.release.accept import accept_outcomes, check_committable

    project = current_project()
    prompt, version = _version(project, ref)
    measured = measure(project, prompt, version)
    if commit and not dry_run:
        check_committable(project, measured)
    done = accept_outcomes(project, measured, at=now(), only=tuple(case or ()), write=not dry_run)
    sha = _commit(project, prompt, version, measured.recordings, message) if commit and not dry_run else None
    if as_json:
        emit_json(_json(prompt, version, done, sha))
        return
    _show(project, prompt, version, done, dry_run=dry_run, sha=sha)


def _version(project: Project, ref: str) -> tuple[str, str]:
    """`booking@v2` as written; `booking` is what the environment serves, else the newest version."""
    from promptops.config import environment_name
    from promptops.core.manifest import serving
    from promptops.core.select import parse_selector
    from promptops.errors import UsageError
    from promptops.project.manifest import load_manifest
    from promptops.project.prompts import load_prompt

    selector = parse_selector(ref)
    if selector.kind not in ("prompt", "version", "served"):
        raise UsageError(f"{ref!r} does not name one prompt: write promptops accept booking")
    if selector.version:
        return selector.prompt, selector.version
    environment = selector.environment or environment_name(project.config)
    entry = serving(load_manifest(project), environment, selector.prompt)
    return selector.prompt, entry.version if entry else load_prompt(project, selector.prompt).newest.name


def _commit(project: Project, prompt: str, version: str, recordings: Path | None, message: str | None) -> str | None:
    """Commit evidence and recordings; None where they are as committed."""
    from promptops.project.evidence import evidence_path
    from promptops.store.git import Repo

    paths = [evidence_path(project, prompt, version), *([recordings] if recordings and recordings.exists() else [])]
    repo = Repo.open(project.root)
    return repo.commit(paths, message or f"Accept outcomes of {prompt} {version}") if repo.dirty(paths) else None


def _review(project: Project, path: Path) -> str:
    """The command that shows what is to be reviewed; a file that git does not know yet has no diff."""
    from promptops.errors import GitError
    from promptops.store.git import Repo

    shown = project.relative(path)
    try:
        new = Repo.open(project.root).show("HEAD", path) is None
    except GitError:
        return f"review it and keep it in git: {shown}"
    if new:
        return f"review and commit it: git add -- {shown} && git diff --cached -- {shown}"
    return f"review and commit it: git diff -- {shown}"


def _show(project: Project, prompt: str, version: str, done: Acceptance, *, dry_run: bool, sha: str | None) -> None:
    from promptops.project.evidence import evidence_path

    for case, outcome in done.added.items():
        say(f"  {case}: {outcome} (new)")
    for case, (before, after) in done.changed.items():
        say(f"  {case}: {before} -> {after}")
    failing = sum(entry.outcome == "fail" for entry in done.accepted.cases.values())
    said = "would accept" if dry_run else "accepted"
    what = f"{len(done.added)} new, {len(done.changed)} changed"
    if done.same:
        what = "nothing changed" if done.unchanged else "the same as before, as measured and recorded today"
    say(f"{prompt} {version}: {said} {len(done.accepted.cases)} outcomes, {failing} of them known failures: {what}")
    for case, outcome in done.left_out.items():
        note(f"not accepted: {case} ({outcome})")
    if sha:
        say(f"  commit {sha[:10]}")
    elif not dry_run and not done.unchanged:
        note(_review(project, evidence_path(project, prompt, version)))


def _json(prompt: str, version: str, done: Acceptance, sha: str | None) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "version": version,
        "added": dict(done.added),
        "changed": {case: {"before": before, "after": after} for case, (before, after) in done.changed.items()},
        "left_out": dict(done.left_out),
        "accepted": {case: entry.outcome for case, entry in done.accepted.cases.items()},
        "commit": sha,
    }
