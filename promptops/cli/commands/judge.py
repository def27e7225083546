"""`promptops judge`: how far a judge agrees with people, and who judges what."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._asking import choices, parse_mode
from promptops.cli.commands._shared import JsonOption, current_project, emit_json, finish, note, say
from promptops.cli.options import EffortOptions, QuietOption, takes_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptops.runner.calibrating import Calibrated

EXAMPLES = (
    "promptops judge calibrate friendly",
    "promptops judge calibrate friendly@v2 --mode replay",
    "promptops judge list",
)

app = typer.Typer(
    help="Compare a judge with what people said, which lets it gate; list the judges in use.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n" + "\n".join(f"  $ {line}" for line in EXAMPLES),
)

_LISTED = 10  # reasons
_NAMED = 3  # labels of one reason


@app.command(
    "calibrate",
    short_help="Ask a judge about labelled outputs: how far does it agree with people?",
    epilog="\b\nExamples:\n"
    "  $ promptops judge calibrate friendly\n"
    "  $ promptops judge calibrate friendly@v2 --mode replay",
)
@takes_options
def calibrate(
    name: Annotated[str, typer.Argument(metavar="JUDGE", help="A prompt that judges: friendly or friendly@v2.")],
    *,
    threshold: Annotated[
        float, typer.Option("--threshold", metavar="SCORE", help="The least score that passes, as its checks have it.")
    ] = 0.5,
    mode: Annotated[
        str, typer.Option("--mode", metavar="new|replay|record", help="Ask what is missing, nothing, or all and write.")
    ] = "new",
    effort: EffortOptions,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask a judge about the outputs in fixtures/JUDGE/labels.jsonl, and say how far it agrees with people.

    What was found is written beside the judge, bound to its digest: with 50 labels and enough agreement it gates.
    """
    from promptops.core import judging
    from promptops.errors import UsageError
    from promptops.runner.calibrating import calibrate as measure
    from promptops.runner.calibrating import keep
    from promptops.runner.session import Session
    from promptops.times import timestamp

    if wrong := next(judging.problems({"prompt": name, "threshold": threshold}), None):
        raise UsageError(f"{name!r}: {wrong}")
    project = current_project()
    if name.partition("@")[0] not in project.prompt_names():
        raise UsageError(f"there is no prompt {name.partition('@')[0]!r}")
    chosen = choices(effort=effort)
    session = Session(project, parse_mode(mode, "new", "replay", "record"), os.environ, chosen)
    wish = judging.parse_asked({"prompt": name, "threshold": threshold})
    found = measure(session, wish, tell=(lambda _: None) if quiet else note)
    if not quiet and found.requests:
        cost = "unknown" if found.cost is None else f"${found.cost:.4f}"
        note(f"asked {found.requests} requests, cost {cost}")
    if found.unasked:
        _unmeasurable(found, as_json=as_json)
        return
    path = keep(session, found, timestamp(datetime.now(UTC)))
    if as_json:
        emit_json({**_document(found), "written": path})
        return
    for line in _lines(found):
        say(line)
    say(f"written to {path}: commit it")


@app.command(
    "list",
    short_help="List the judges that checks name, and whether they gate.",
    epilog="\b\nExamples:\n  $ promptops judge list",
)
def list_(*, as_json: JsonOption = False) -> None:
    """List the judges that checks name: their pins, who asks them, and whether they gate."""
    from promptops.core.judging import THRESHOLD
    from promptops.runner.calibrating import uses_of_judges
    from promptops.runner.session import Session

    found: dict[tuple[str, bool, float], dict[str, Any]] = {}
    for use in uses_of_judges(Session(current_project(), "replay", os.environ)):
        asked, judge = use.asked, use.judge
        row = found.setdefault(
            (judge.name, asked.compares, asked.threshold),
            {
                "judge": judge.name,
                "pin": str(judge.pin),
                "compares": asked.compares,
                "threshold": asked.threshold,
                "used_by": [],
                "gates": not judge.advises,
                "advises": judge.advises,
            },
        )
        row["used_by"] += [] if use.prompt in row["used_by"] else [use.prompt]
    rows = [found[key] for key in sorted(found)]
    if as_json:
        emit_json({"judges": rows})
        return
    for row in rows:
        how = ", comparing" if row["compares"] else ""
        how += f", threshold {row['threshold']:g}" if row["threshold"] != THRESHOLD else ""
        say(f"{row['judge']}  {row['pin']}  asked by {', '.join(row['used_by'])}{how}")
        say("  gates" if row["gates"] else f"  advises: {row['advises']}")
    if not rows:
        say("no check names a judge")


def _unmeasurable(found: Calibrated, *, as_json: bool) -> None:
    if as_json:
        emit_json({**_document(found), "written": None})
    else:
        say(f"{found.judge.name} has no answer for {len(found.unasked)} of {len(found.labels.rows)} labels:")
        for line in _reasons(found.unasked):
            say(line)
        say(f"nothing was written; promptops judge calibrate {found.judge.name} asks for what is missing")
    finish(10)


def _lines(found: Calibrated) -> list[str]:
    from promptops.core.calibration import table_lines

    agreement, rate = found.agreement, found.pass_rate
    lines = [f"{found.judge.name} on {found.judge.pin}: {agreement.labels} labels, {len(found.labels.rows)} outputs"]
    lines.append(f"agreement {agreement.agreement:.1%}, {_kappa(found)}")
    lines += [f"  {line}" for line in table_lines(found.counts, found.words)]
    if found.unread:
        lines.append(f"no verdict in {len(found.unread)} answers, which counts as disagreement:")
        lines += _reasons(found.unread)
    if found.labels.compares and found.grades:
        pairs = len(found.grades)
        share = found.flips / pairs
        lines.append(f"contradicts itself when the order is changed: {found.flips} of {pairs} pairs ({share:.1%})")
    if rate is not None:
        low, high = rate.interval
        what = "the first is preferred" if found.labels.compares else "people would pass"
        spread = f"{what}: {rate.value:.1%} ({low:.1%} to {high:.1%})"
        if more := len(found.labels.rows) - len(found.labelled):
            lines.append(f"{spread}, by labels and judge together (PPI++)")
            lines.append(f"  of {more} outputs only the judge spoke; weight that it earned: {rate.trust:.2f}")
        else:
            lines += [f"{spread}, by the labels alone", "  outputs without a label would let the judge narrow it"]
    lines.append(f"it advises: {agreement.advises}" if agreement.advises else "it gates")
    return lines


def _reasons(found: Mapping[str, str]) -> list[str]:
    """Each reason once, with the first labels that it holds for."""
    by: dict[str, list[str]] = {}
    for name, why in found.items():
        by.setdefault(why, []).append(name)
    lines = []
    for why, names in list(by.items())[:_LISTED]:
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        lines.append(f"  {', '.join(names[:_NAMED])}{more}: {why}")
    return [*lines, f"  and {len(by) - _LISTED:,} other reasons: --json has all"] if len(by) > _LISTED else lines


def _kappa(found: Calibrated) -> str:
    agreement = found.agreement
    if agreement.kappa is None or agreement.interval is None:
        return "kappa cannot be told"
    return f"kappa {agreement.kappa:.2f} ({agreement.interval[0]:.2f} to {agreement.interval[1]:.2f})"


def _document(found: Calibrated) -> dict[str, Any]:
    document = found.record("").model_dump(mode="json", exclude={"format", "calibrated_at"})
    gates = not found.agreement.advises and not found.unasked
    return {
        **document,
        "gates": gates,
        "advises": found.agreement.advises,
        "unread_answers": dict(found.unread),
        "without_answer": dict(found.unasked),
        "cost": found.cost,
    }
