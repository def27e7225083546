"""`promptops drift`: does a served model still answer as it did?"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins
from msgspec.structs import replace

from promptops.cli.commands._asking import choices, environ, resume_of
from promptops.cli.commands._drift_options import (
    EXIT_CODES,
    CheckUnlessNamed,
    EnvOption,
    StateOption,
    endpoints_of,
    seen_json,
    show,
    watched,
    worst,
)
from promptops.cli.commands._shared import JsonOption, current_project, emit_json, finish, note, say_lines
from promptops.cli.options import CaseOptions, EffortOptions, LimitOption, ResumeOption, TagOption, takes_options
from promptops.cli.progress import Telling
from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.cli.commands._drift_night import Night
    from promptops.core.nightly.events import EpochBegun
    from promptops.runner.nightly.night import Nightly, Seen
    from promptops.runner.resuming import Resume
    from promptops.runner.session import Session

EXAMPLES = (
    "promptops drift accept --reason 'the first epoch'",
    "promptops drift calibrate --stay",
    "promptops drift",
    "promptops drift booking@production --tier 3 --samples 3",
    "promptops drift status",
    "promptops drift history",
)

SelectorsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="SELECTOR", help="Which served versions, or which pins (default: all of them)."),
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log and in git.")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a visit was asked for."""

    tier: str = "all"
    state: str | None = None
    required: bool = False
    as_json: bool = False


app = typer.Typer(
    cls=CheckUnlessNamed,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n" + "\n".join(f"  $ {line}" for line in EXAMPLES),
)


@app.callback()
def drift() -> None:
    """Does a served model still answer as it did?

    Without a command it is `check` (`promptops drift check --help`): read every endpoint that is due, and say in which
    state each is.
    """


@app.command(
    "check",
    short_help="Read what is due, and say in which state each endpoint is.",
    epilog="\b\nExamples:\n"
    "  $ promptops drift\n"
    "  $ promptops drift booking@production --tier 3 --samples 3\n"
    "  $ promptops drift --watch --at 03:17",
)
@takes_options
def check(
    selectors: SelectorsArgument = None,
    *,
    env: EnvOption = None,
    tier: Annotated[
        str, typer.Option("--tier", metavar="1|3|all", help="Only the probes, or only the dataset (default: all).")
    ] = "all",
    state: StateOption = None,
    require_state: Annotated[
        bool,
        typer.Option(
            "--require-state", help="For jobs: no log is a lost one, and an alarm has to be told to somebody."
        ),
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option("--samples", metavar="N", min=1, max=20, help="Samples per case (default: prompt.yaml)."),
    ] = None,
    tag: TagOption = None,
    limit: LimitOption = 0,
    effort: EffortOptions,
    resume: ResumeOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and visit every night: a small daemon (pip install …[watch]).")
    ] = False,
    at: Annotated[
        str | None, typer.Option("--at", metavar="HH:MM", help="When the nights of --watch are (default: 03:17).")
    ] = None,
    telling: Telling,
    as_json: JsonOption = False,
) -> None:
    """Read what is due: probes of every endpoint by its log, the dataset by its recordings.

    STABLE ends in 0, CHANGED in 1, UNMEASURABLE in 10, WATCH and RECALIBRATING in 11. Before the watch has begun
    (`promptops drift accept`) it is the dataset alone that is asked.
    """
    from promptops.runner.session import Session

    if tier not in ("1", "3", "all"):
        raise UsageError(f"--tier {tier!r}: write 1 (probes), 3 (dataset) or all")
    cases = CaseOptions(samples, tag, limit)
    chosen = choices(cases, effort, environment=env)

    def visit(wish: Resume) -> int:
        session = Session(current_project(), "live", environ(), chosen)
        return _visit(session, names, wish, telling, wanted)

    wanted = Wanted(tier, state, require_state, as_json)
    wish, names = resume_of(resume, selectors or ())
    _check_together(wanted, cases, resume=resume, watch=watch, at=at)
    if not watch:
        finish(visit(wish))
        return
    from promptops.cli.commands._drift_daemon import keep_watch
    from promptops.cli.commands.schedule import time_of_day
    from promptops.runner.nightly.telling import check_receivers

    hour, minute = time_of_day(at or "03:17")
    drift_settings = current_project().config.drift
    check_receivers(drift_settings.webhook if drift_settings is not None else None, environ())
    calibration = None if tier == "3" else lambda: _calibrate(names, env, wanted)
    keep_watch(lambda: visit(wish), calibration, hour=hour, minute=minute)


def _check_together(wanted: Wanted, cases: CaseOptions, *, resume: bool | None, watch: bool, at: str | None) -> None:
    """Refuse options that would not do anything beside the others; raises `UsageError`."""
    if at is not None and not watch:
        raise UsageError(
            "--at is when the nights of the daemon are, and there is none without --watch:\n"
            f"  promptops drift --watch --at {at}\n"
            f"  promptops schedule cron --at {at}   writes the job of a scheduler instead"
        )
    if watch and resume is not None:
        raise UsageError("--resume and --no-resume are about one run, and --watch makes many: leave one of them out")
    of_cases = {"--samples": cases.samples, "--tag": cases.tag, "--limit": cases.limit, "--resume": resume is not None}
    given = [name for name, value in of_cases.items() if value]
    if wanted.tier == "1" and given:
        raise UsageError(f"{', '.join(given)}: about the dataset, and --tier 1 asks probes only")
    given = [name for name, value in (("--state", wanted.state), ("--require-state", wanted.required)) if value]
    if wanted.tier == "3" and given:
        raise UsageError(f"{', '.join(given)}: about the log of the probes, and --tier 3 asks the dataset only")


def _opened(names: Sequence[str], env: str | None, state: str | None) -> tuple[Session, Nightly]:
    """What is served, and its watch, whether that has begun or not."""
    from promptops.runner.session import Session

    session = Session(current_project(), "live", environ(), choices(environment=env))
    watch = watched(session, names, state, anyway=True)
    assert watch is not None
    return session, watch


def _visit(session: Session, names: Sequence[str], wish: Resume, telling: Telling, wanted: Wanted) -> int:
    """One visit; returns its exit code."""
    from promptops.cli.commands._drift_dataset import check_datasets
    from promptops.cli.commands._drift_night import Night, follow, tell
    from promptops.runner.nightly.telling import check_receivers

    watch = watched(session, names, wanted.state, required=wanted.required) if wanted.tier != "3" else None
    if watch is None:
        results, _ = check_datasets(session, names, wish, telling)
        if wanted.tier != "3":
            note("notice: the nightly watch has not begun here: promptops drift accept begins it")
        return _report(None, [], Night(results=results), as_json=wanted.as_json)
    if wanted.required:
        check_receivers(watch.settings.webhook, environ())
    seen = watch.visit()
    night = follow(session, watch, seen, wish, telling) if wanted.tier == "all" else Night()
    seen = [replace(after, read=before.read) for before, after in zip(seen, watch.look(), strict=True)]
    code = _report(watch, seen, night, as_json=wanted.as_json)
    able = tell(watch, seen, night)
    return code if not wanted.required or (able and not any(map(_mistaken, seen))) else UsageError.exit_code


def _mistaken(seen: Seen) -> bool:
    """Whether an endpoint was not read for what no night mends: its key is missing or refused, its model is gone."""
    missed = seen.watch.missed
    return missed is not None and missed.failure in {"auth", "not_found"}


def _calibrate(names: Sequence[str], env: str | None, wanted: Wanted) -> int:
    """The reading that the calibration wants next; returns the exit code."""
    from promptops.cli.commands._drift_night import Night

    _, watch = _opened(names, env, wanted.state)
    return _report(watch, watch.visit(only_calibration=True), Night(), as_json=wanted.as_json)


@app.command(
    "calibrate",
    short_help="Take the readings that the calibration wants next.",
    epilog="\b\nExamples:\n  $ promptops drift calibrate\n  $ promptops drift calibrate --stay",
)
def calibrate(
    selectors: SelectorsArgument = None,
    *,
    env: EnvOption = None,
    state: StateOption = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Wait for the next reading, and the next, until all are taken: three days.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take the reading that the calibration wants next, if it is due; ask nothing where it is complete.

    Made for an hourly job: so the readings are spread over the hours of three days. Ends in 0, or in 10 where an
    endpoint could not be read.
    """
    from promptops.cli.commands._drift_night import Night

    _, watch = _opened(selectors or (), env, state)
    seen = watch.visit(only_calibration=True)
    while stay and (waits := _calibrating(watch, seen)):
        watch.clock.sleep(max(1.0, waits))
        seen = watch.visit(only_calibration=True)
    code = _report(watch, seen, Night(), as_json=as_json)
    finish(code if code == EXIT_CODES["unmeasurable"] else 0)


@app.command(
    "accept",
    short_help="Begin a new epoch: what is answered from now on is right.",
    epilog="\b\nExamples:\n"
    "  $ promptops drift accept --reason 'the first epoch'\n"
    "  $ promptops drift accept booking@production --reason 'announced'",
)
def accept(
    selectors: SelectorsArgument = None,
    *,
    env: EnvOption = None,
    state: StateOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Begin a new epoch: what an endpoint answers from now on is what it is to be compared with.

    Nothing is asked; the readings of the calibration come next. Writes the log, and `prompts/drift.json` for git.
    """
    if not reason.strip():
        raise UsageError(
            "say why what is answered from now on is right: it is kept in the log and in prompts/drift.json\n"
            "  promptops drift accept --reason 'the first epoch'\n"
            "  promptops drift accept PIN --reason 'the vendor announced it, and no case is worse'"
        )
    session, watch = _opened((), env, state)
    names = [endpoint.name for endpoint in endpoints_of(session, selectors or ())]
    begun = watch.accept(names, reason=reason)
    marked = _marked(session, begun)
    if as_json:
        emit_json([event.model_dump(mode="json") for event in begun])
    else:
        for event in begun:
            note(f"{event.endpoint}: epoch {event.epoch} begins")
        note(f"wrote {watch.log.place}")
        note(marked)
        note(
            "next: promptops drift calibrate, hourly for three days (promptops schedule writes the job), or with --stay"
        )


def _marked(session: Session, begun: Sequence[EpochBegun]) -> str:
    """Write the mark for git; says what is to be done with it. A job that may not write there has `--require-state`."""
    from promptops.errors import StoreError
    from promptops.runner.nightly.places import mark_path, write_mark

    where = session.project.relative(mark_path(session.project))
    try:
        write_mark(session.project, begun)
    except StoreError as error:
        return f"notice: {where} was not written, and only --require-state knows that the watch has begun: {error}"
    return f"wrote {where}: commit it, unless this is a job (it has --require-state)"


@app.command(
    "status",
    short_help="Say in which state every endpoint is, and ask nothing.",
    epilog="\b\nExamples:\n  $ promptops drift status\n  $ promptops drift status --json",
)
def status(
    selectors: SelectorsArgument = None,
    *,
    env: EnvOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in which state every endpoint is, by its log, and ask nothing; ends as `check` would."""
    from promptops.cli.commands._drift_night import Night

    _, watch = _opened(selectors or (), env, state)
    finish(_report(watch, watch.look(), Night(), as_json=as_json))


@app.command(
    "history",
    short_help="Show the nights so far, and ask nothing.",
    epilog="\b\nExamples:\n  $ promptops drift history\n  $ promptops drift history openai/gpt-4.1-mini-2025-04-14",
)
def history(
    selectors: SelectorsArgument = None,
    *,
    env: EnvOption = None,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the nights so far, as a chart of every endpoint and a line for each dataset, and ask nothing."""
    from promptops.cli.commands._drift_dataset import stored_nights
    from promptops.core.nightly.watch import fold
    from promptops.reporting.drift import history_lines
    from promptops.reporting.nightly import watch_history_lines
    from promptops.reporting.nightly_chart import COLUMNS
    from promptops.runner.nightly.places import open_log, read_mark
    from promptops.runner.session import Session
    from promptops.store.drift_log import DamagedLog

    project = current_project()
    session = Session(project, "live", environ(), choices(environment=env))
    log = open_log(project, environ(), state)
    pins = {endpoint.name for endpoint in endpoints_of(session, selectors)} if selectors else None
    events = log.read()
    if not events and read_mark(project):
        raise DamagedLog(f"the state of the watch was lost: there is none in {log.place}, and it has begun before")
    watches = [watch for name, watch in fold(events).items() if pins is None or name in pins]
    prompts = [text for text in selectors or () if "/" not in text]
    nights = stored_nights(project, prompts)
    if selectors and not prompts:  # pins alone
        nights = [night for night in nights if night.pin in selectors]
    if as_json:
        emit_json({"watch": [_history_json(watch) for watch in watches], "datasets": [to_builtins(n) for n in nights]})
        return
    columns = shutil.get_terminal_size((COLUMNS, 24)).columns
    lines = watch_history_lines(watches, columns=columns) if watches or not nights else []
    say_lines([*lines, *(history_lines(nights) if nights else ())])


def _history_json(watch: object) -> dict[str, object]:
    from promptops.core.nightly.watch import Watch

    assert isinstance(watch, Watch)
    nights = [night.model_dump(mode="json", exclude={"profiles", "kind"}) for night in watch.nights]
    return {"endpoint": watch.endpoint, "epoch": watch.epoch.epoch if watch.epoch else None, "nights": nights}


def _calibrating(watch: Nightly, seen: list[Seen]) -> float:
    """Seconds until the next reading of a calibration is wanted; 0 where none is, or nobody can say when."""
    now = watch.clock.now()
    open_ = [one.watch for one in seen if one.watch.epoch is not None and one.watch.role != "night"]
    waits = [
        one.epoch.spacing if one.missed else (one.next_at(now) - now).total_seconds() for one in open_ if one.epoch
    ]
    return max(1.0, min(waits)) if waits else 0.0


def _report(watch: Nightly | None, seen: Sequence[Seen], night: Night, *, as_json: bool) -> int:
    """Show what was found; returns the exit code: the worst of all."""
    from promptops.cli.commands._drift_dataset import results_json
    from promptops.reporting.drift import drift_lines
    from promptops.reporting.nightly import night_lines

    state = worst([*(one.state for one in seen), *(result.decision.state for result in night.results)])
    if as_json:
        now = watch.clock.now() if watch is not None else None
        shown = [seen_json(one, now) for one in seen if now is not None]
        emit_json({"state": state, "watch": shown, "endpoints": results_json(night.results), **night.json()})
        return EXIT_CODES[state]
    if watch is not None:
        show(seen, watch.clock.now())
    if lines := [*night_lines(night.texts, night.factors), *drift_lines(night.results)]:
        say_lines(lines)
    return EXIT_CODES[state]
