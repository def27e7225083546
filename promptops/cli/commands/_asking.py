"""What the commands that ask models share: how options are read, the estimate, the run's record, how a run ends."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptops.cli.commands._shared import note
from promptops.cli.options import ALL_CASES, NO_LIMIT, CaseOptions, EffortOptions
from promptops.cli.progress import Telling, duration
from promptops.errors import UsageError
from promptops.models import Caps, Json, Mode, Pin, Verdict

if TYPE_CHECKING:
    from datetime import timedelta

    from promptops.runner.estimates import Estimate
    from promptops.runner.resuming import Resume, StoredRun
    from promptops.runner.session import Choices, Session
    from promptops.runner.targets import Target

EXIT_CODES: dict[Verdict, int] = {"pass": 0, "regress": 1, "unmeasurable": 10, "inconclusive": 11}

_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")


def parse_pin(text: str | None) -> Pin | None:
    """Read `--model`; raises `UsageError`."""
    try:
        return Pin.parse(text) if text else None
    except ValueError as error:
        raise UsageError(f"--model: {error}") from None


def parse_mode(text: str, *allowed: Mode) -> Mode:
    """Read `--mode`; raises `UsageError` where this command does not know it."""
    for mode in allowed:
        if text == mode:
            return mode
    raise UsageError(f"--mode {text!r} makes no sense here: write {' or '.join(allowed)}")


def choices(
    cases: CaseOptions = ALL_CASES,
    effort: EffortOptions = NO_LIMIT,
    *,
    pin: Pin | None = None,
    environment: str | None = None,
    accept: bool = False,
    cache: bool | None = None,
    batch: bool = False,
) -> Choices:
    """The session's choices from a command's options; raises `UsageError` for a budget of nothing."""
    from promptops.runner.session import Choices

    if effort.budget is not None and not effort.budget > 0:
        raise UsageError("--budget is a number of dollars above 0")
    return Choices(
        environment,
        pin,
        cases.samples,
        tuple(cases.tag or ()),
        cases.limit,
        effort.concurrency,
        Caps(effort.budget, effort.budget_tokens, effort.budget_requests),
        accept,
        cache,
        batch,
    )


def say_estimate(estimate: Estimate, *, caps: Caps, telling: Telling, ask: str = "promptops run {name}") -> None:
    """Say on standard error what is about to be asked, before it is; `ask` is the command that fills recordings."""
    from promptops.reporting.estimates import asking_words

    for name, count in estimate.missing.items():
        samples = "1 sample has" if count == 1 else f"{count} samples have"
        note(f"{name}: {samples} no recording; ask for what is missing with {ask.format(name=name)}")
    if telling.quiet:
        return
    about = f", about {duration(estimate.seconds)}" if estimate.requests and estimate.seconds is not None else ""
    note(asking_words(estimate, caps) + about)


def resume_of(option: bool | None, words: Sequence[str] = ()) -> tuple[Resume, list[str]]:  # noqa: FBT001 - typer's
    """Read `--resume [RUN]`, whose value stands among the selectors, and `--no-resume`; returns the selectors too."""
    from promptops.runner.resuming import Resume

    runs = [word for word in words if _RUN_ID.fullmatch(word)]
    if len(runs) > bool(option):
        raise UsageError(f"{runs[-1]!r} is a run, not a selector: --resume {runs[-1]} goes on with it")
    wish = Resume(never=option is False, demanded=bool(option), run="".join(runs))
    return wish, [word for word in words if word not in runs]


@contextmanager
def recorded_run(
    session: Session,
    kind: str,
    targets: Sequence[Target],
    plan: Mapping[str, Json],
    *,
    resume: Resume,
    within: timedelta | None = None,
    key: Json = None,
    alone: bool = False,
) -> Iterator[StoredRun]:
    """A run in the store, begun or gone on with: interrupted where the block is left before it was finished."""
    from promptops.runner.resuming import StoredRun
    from promptops.store.runs import KEPT_FOR

    wanted = [(target, target.cases) for target in targets]
    command = " ".join(sys.argv[1:])
    stored = StoredRun.begin(
        session,
        kind,
        wanted,
        plan=plan,
        command=command,
        resume=resume,
        within=within or KEPT_FOR,
        key=key,
        alone=alone,
    )
    try:
        if words := stored.words(sum(len(cases) * target.samples for target, cases in wanted), "--no-resume"):
            note(words)
        yield stored
    finally:
        stored.close()


def environ() -> dict[str, str]:
    """The environment variables that a session may read."""
    return dict(os.environ)
