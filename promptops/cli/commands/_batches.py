"""`promptops run --batch`: options, when a run is asked in batches, and what is said while it waits."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from promptops.cli.commands._asking import resume_of, say_estimate
from promptops.cli.commands._shared import note
from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.cli.progress import Telling
    from promptops.runner.engine import EngineSettings
    from promptops.runner.resuming import Resume, StoredRun
    from promptops.runner.session import Session
    from promptops.runner.targets import Target
    from promptops.store.batch_rows import BatchRecord

BatchOption = Annotated[
    bool | None,
    typer.Option(
        "--batch/--no-batch",
        help="Ask through the providers' batch APIs: within 24 hours, at half the price (OpenAI, Anthropic).",
    ),
]
CancelOption = Annotated[
    bool,
    typer.Option("--cancel", help="Cancel the batches of the run that waits for them; fetch what they answered."),
]


def check_batches(session: Session, targets: Sequence[Target]) -> None:
    """Raise `UsageError` where a run of `targets` cannot be asked in batches."""
    from promptops.runner.batching import check_batches as check

    check(session, targets)


def batch_resume(option: bool | None, words: Sequence[str], *, cancel: bool) -> tuple[Resume, list[str]]:  # noqa: FBT001
    """Read `--resume` and `--no-resume` as `resume_of` does; `--cancel` is about a run that is there."""
    if cancel and option is False:
        raise UsageError("--cancel is about a run that is there: leave --no-resume out")
    return resume_of(cancel or option, words)


def batch_wanted(stored: StoredRun, option: bool | None, *, cancel: bool) -> bool:  # noqa: FBT001
    """Whether this run is asked in batches: as the user says, else as it was begun.

    Raises `UsageError` where batches are under way that nobody would wait for, or none that could be cancelled.
    """
    if stored.round == 1 and not cancel:
        return bool(option)  # it has only begun
    from promptops.runner.batching import waiting

    under_way = waiting(stored)
    if cancel and not under_way:
        raise UsageError(f"run {stored.id} has no batch under way: there is nothing to cancel")
    if option is False and under_way:
        raise UsageError(
            f"run {stored.id} waits for {_named(under_way)}: cancel that with --cancel, or begin another run with "
            "--no-resume"
        )
    return bool(option or under_way or (option is None and stored.plan.get("batch")))


def say_handing_over(
    session: Session, stored: StoredRun, targets: Sequence[Target], telling: Telling, *, cancel: bool
) -> None:
    """Say what is waited for, and what is about to be handed over."""
    from promptops.runner.batching import not_handed_over, waiting
    from promptops.runner.estimates import estimate_run

    under_way = waiting(stored)
    if under_way and not telling.quiet:
        note(f"going on with run {stored.id}, which waits for {_named(under_way)}")
    if cancel:
        return
    estimate = estimate_run(session, targets, lambda plan: not_handed_over(stored, stored.missing(plan)))
    if estimate.requests or not under_way:
        say_estimate(estimate, caps=session.caps, telling=telling)


def asked_in_batches(
    session: Session,
    stored: StoredRun,
    targets: Sequence[Target],
    settings: EngineSettings,
    telling: Telling,
    *,
    cancel: bool,
) -> EngineSettings:
    """Hand over, wait, fetch; Ctrl-C leaves the batches running, and says how to go on."""
    from promptops.runner.batching import measured_in_batches, waiting

    def say(text: str) -> None:
        if not telling.quiet:
            note(text)

    try:
        return measured_in_batches(session, stored, targets, settings, say=say, cancel=cancel)
    except KeyboardInterrupt:
        if under_way := waiting(stored):
            count = "1 batch goes" if len(under_way) == 1 else f"{len(under_way)} batches go"
            note(f"{count} on without us, and will be paid for")
            note(f"  fetch the results, days later too: {_again('--resume')}")
            note(f"  cancel:                            {_again('--cancel')}")
        raise


def _named(records: Sequence[BatchRecord]) -> str:
    return ", ".join(record.batch or "a batch that may have been made" for record in records)


def _again(option: str) -> str:
    """The command once more, with an option."""
    given = [word for word in sys.argv[1:] if word not in ("--resume", "--cancel", "--no-resume", "--batch")]
    return shlex.join(["promptops", *given, option])
