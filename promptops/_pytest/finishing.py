"""After the last report: what was accepted is written, then the report files, then the run's verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops._pytest.outcomes import ItemStanding
from promptops.core.report import CaseRow
from promptops.models import Caps, PlannedSample
from promptops.release.accept import Acceptance, accept_outcomes
from promptops.release.measured import Measured
from promptops.reporting.files import RunReport, write_report
from promptops.reporting.lines import Line
from promptops.reporting.safe import one_line
from promptops.runner.session import Session, plan_target
from promptops.store.runs import INTERRUPTED, STOPPED
from promptops.times import timestamp

if TYPE_CHECKING:
    from promptops._pytest.run import Run
    from promptops.models import CaseResult
    from promptops.runner.targets import Target


def finish(run: Run, rows: Sequence[CaseRow]) -> list[Line]:
    """Do what the options ask for at the end; returns lines for the summary. Raises `PromptopsError`."""
    lines = [Line(run.estimate)] if run.estimate else []
    lines += [Line(notice, "warn") for target in _targets(run, rows) for notice in target.notices]
    if run.asked is not None and (kept := run.asked.kept_back):
        lines.append(Line(f"{kept} recordings of served versions were kept: --promptops-accept rewrites them", "warn"))
    if run.options.accept:
        lines += _accept(run, rows)
    lines += _write_reports(run, rows)
    return lines


def end(run: Run, standings: Iterable[ItemStanding], *, interrupted: bool) -> None:
    """End the run in the store, once everything else is written: one that is killed before can be gone on with."""
    if run.asked is not None:
        run.asked.finish(INTERRUPTED if interrupted and not run.stopping else _verdict(run, set(standings)))


def _targets(run: Run, rows: Sequence[CaseRow]) -> list[Target]:
    pairs = dict.fromkeys((row.prompt, row.version) for row in rows)
    return [run.target(prompt, version) for prompt, version in pairs]


def _verdict(run: Run, standings: set[ItemStanding]) -> str:
    if run.stopping:
        return STOPPED
    if standings & {"broke", "error"}:
        return "regress"
    return "unmeasurable" if "unmeasurable" in standings else "pass"


def _accept(run: Run, rows: Sequence[CaseRow]) -> Iterator[Line]:
    """Accept what this run measured, judged again from the recordings as they are now: only they are evidence."""
    session = Session(run.project, "replay", run.session.environ, replace(run.session.choices, caps=Caps()))
    moment = timestamp(datetime.now(UTC))
    for known in _targets(run, rows):
        target = session.target(known.prompt, known.version)
        cases = [row.case for row in rows if (row.prompt, row.version) == (known.prompt, known.version)]
        measured = Measured(
            target.closure,
            target.measurement,
            {case.id: case.digest for case in target.cases},
            [_replayed(session, target, case) for case in cases],
            recordings=target.recordings_path,
        )
        only = cases if len(cases) < target.total else ()
        yield from _accepted_lines(target, accept_outcomes(run.project, measured, at=moment, only=only))


def _replayed(session: Session, target: Target, case: str) -> CaseResult:
    plan = plan_target(target, [target.case(case)])
    return session.judge(target, [session.find(p) if isinstance(p, PlannedSample) else p for p in plan])


def _accepted_lines(target: Target, acceptance: Acceptance) -> Iterator[Line]:
    if acceptance.same:
        yield Line(f"accepted {target.name}: the same outcomes as before")
    else:
        counted = f"{len(acceptance.added)} new, {len(acceptance.changed)} changed"
        yield Line(f"accepted {target.name}: {counted}; review and commit evidence/{target.version}.json", "good")
    for case, (before, after) in list(acceptance.changed.items())[:20]:
        yield Line(f"  {case}: {before} → {after}")
    if acceptance.left_out:
        left = ", ".join(f"{case} ({outcome})" for case, outcome in list(acceptance.left_out.items())[:10])
        yield Line(one_line(f"  not accepted, nothing was measured: {left}", 400), "warn")


def _write_reports(run: Run, rows: Sequence[CaseRow]) -> Iterator[Line]:
    meta = {
        "mode": run.options.mode,
        "cases": run.counted,
        "finished": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "command": " ".join(["pytest", *sys.argv[1:]]),
    }
    for path in run.options.reports:
        write_report(path, RunReport("promptops", rows, meta))
        yield Line(f"report: {path}")
