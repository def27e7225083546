"""`promptops promote`: an environment serves a version, when its policy is satisfied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._shared import (
    DryRunOption,
    JsonOption,
    MessageOption,
    NoCommitOption,
    current_project,
    emit_json,
    note,
    prompt_and_version,
    say,
)

if TYPE_CHECKING:
    from promptops.release.promote import Promotion

EXAMPLES = (
    "promptops canary booking@v3",
    "promptops promote booking@v3 --to production",
    "promptops promote booking@v3 --to production --ack c17",
)


def promote(
    ref: Annotated[str, typer.Argument(metavar="NAME@vN", help="The version.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="ENV", help="The environment that shall serve it.")],
    ack: Annotated[
        list[str] | None, typer.Option("--ack", metavar="CASE", help="A case that you know broke; may be repeated.")
    ] = None,
    override: Annotated[
        str, typer.Option("--override", metavar="REASON", help="Go without evidence. The reason stays visible.")
    ] = "",
    dry_run: DryRunOption = False,
    no_commit: NoCommitOption = False,
    message: MessageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an environment serve a version.

    The environment's `require` in manifest.yaml says what evidence that needs; what is missing is listed with the
    command that gets it. Writes the closure, the accepted outcomes and the manifest, and commits just these with the
    evidence and the recordings of the version.
    """
    from promptops.cli.commands._measured import measure, now
    from promptops.errors import UsageError
    from promptops.release.promote import Terms
    from promptops.release.promote import promote as run

    prompt, version = prompt_and_version(ref, example="promptops promote booking@v3 --to production")
    if override and not override.strip():
        raise UsageError("--override needs a reason")
    project = current_project()
    terms = Terms(
        at=now(),
        acknowledged=tuple(ack or ()),
        override=override,
        subject=message or "",
        commit=not no_commit,
        dry_run=dry_run,
    )
    show_promotion(run(project, measure(project, prompt, version), to, terms), terms.dry_run, as_json=as_json)


def show_promotion(done: Promotion, dry_run: bool, *, as_json: bool) -> None:  # noqa: FBT001
    """Say what was done, or as JSON; shared with `adopt`."""
    if as_json:
        emit_json(promotion_json(done, dry_run=dry_run))
        return
    name = f"{done.prompt} {done.served.version}"
    if done.already:
        say(f"{done.environment} serves {name} already: nothing to do")
        for line in done.notices:
            note(f"note: {line}")
        return
    said = "would serve" if dry_run else "now serves"
    instead = f" instead of {done.replaced.version}" if done.replaced else ""
    say(f"{done.environment} {said} {name} ({done.served.pin}){instead}")
    for line in _evidence_lines(done):
        say(f"  {line}")
    for line in done.notices:
        note(f"note: {line}")
    say(f"  {'would write' if dry_run else 'wrote'} {', '.join(done.files)}")
    if done.commit:
        say(f"  commit {done.commit[:10]}")
    elif not dry_run:
        note("not committed: commit these files together, with the evidence and the recordings of the version")


def _evidence_lines(done: Promotion) -> list[str]:
    from promptops.formats import CanaryEvidence

    lines = []
    record = done.licence.record
    if done.served.how == "override":
        lines.append(f"without evidence: {done.served.reason}")
    elif isinstance(record, CanaryEvidence):
        lines.append(
            f"canary: {record.verdict}, {_difference(record)}, p = {record.p_value:.3g} for 'worse'"
            if record.p_value is not None
            else f"canary: {record.verdict}"
        )
        lines.append(_detectable(record))
    elif record is not None:
        passed = sum(outcome == "pass" for outcome in record.outcomes.values())
        lines.append(f"run: {passed} of {len(record.outcomes)} cases passed")
    if done.served.acknowledged:
        lines.append(f"acknowledged: {', '.join(done.served.acknowledged)}")
    return [line for line in lines if line]


def _difference(record: Any) -> str:
    return f"{100 * record.difference:+.1f} points" if record.difference is not None else "no difference known"


def _detectable(record: Any) -> str:
    """What this canary could have seen at all: a pass of few cases says little. Empty where figures decided."""
    from promptops.core.canary import Counts, Detects, noise_of

    if record.metrics and (record.clusters or len(record.metrics) > 1 or record.metrics[0].graded):
        return ""
    pairs = [(pair.baseline, pair.candidate == "pass") for pair in record.outcomes.values()]
    counts = Counts(pairs.count(("pass", False)), pairs.count(("fail", True)), len(pairs))
    looking = record.test == "sequential"
    drop = Detects(len(pairs), noise_of(counts), record.delta, record.alpha, looking=looking).drop
    if drop is None:
        return f"{len(pairs)} cases: too few to detect any drop reliably"
    return f"{len(pairs)} cases detect a drop of {100 * drop:.0f} points or more 4 times in 5"


def promotion_json(done: Promotion, *, dry_run: bool) -> dict[str, Any]:
    """The result as one document."""
    return {
        "prompt": done.prompt,
        "environment": done.environment,
        "served": done.served.model_dump(mode="json"),
        "replaced": done.replaced.version if done.replaced else None,
        "verdict": done.licence.record.verdict if done.licence.record else None,
        "attempts": done.licence.attempts,
        "broken": list(done.licence.broken),
        "files": list(done.files),
        "commit": done.commit,
        "already": done.already,
        "dry_run": dry_run,
        "notices": list(done.notices),
    }
