"""What the commands below `promptops drift` share: their app, the watch of a project, and how it is shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from promptops.cli.commands._shared import note, say_lines
from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.models import Pin
    from promptops.runner.nightly.night import Nightly, Seen
    from promptops.runner.session import Session

EXIT_CODES = {"stable": 0, "changed": 1, "unmeasurable": 10, "watch": 11, "recalibrating": 11}
WORST_FIRST = ("changed", "unmeasurable", "watch", "recalibrating", "stable")

StateOption = Annotated[
    str | None,
    typer.Option(
        "--state", metavar="PLACE", help="Where the log is kept: a folder, `store` (the run store) or postgresql://…"
    ),
]
EnvOption = Annotated[str | None, typer.Option("--env", metavar="ENV", help="What this environment serves.")]


HELP = ("-h", "--help")


class CheckUnlessNamed(TyperGroup):
    """A group whose command `check` needs no name: what is no name of a command is an argument of it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name in that was left out. Help on a word that is no command is the list of commands."""
        if not args and ctx.resilient_parsing:  # a shell asks what may come here
            return super().parse_args(ctx, args)
        if not args or (args[0] not in self.commands and args[0] not in HELP):
            wants_help = bool(args) and not args[0].startswith("-") and any(part in HELP for part in args)
            args = [HELP[1]] if wants_help else ["check", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Offer the commands, and what `check` takes."""
        check = self.commands["check"]
        inner = check.make_context("check", [], parent=ctx, resilient_parsing=True)
        found = [*super().shell_complete(ctx, incomplete), *check.shell_complete(inner, incomplete)]
        if not incomplete.startswith("-"):
            for param in check.params:
                found += param.shell_complete(inner, incomplete) if param.param_type_name == "argument" else []
        return found


def worst(states: Sequence[str]) -> str:
    """The state that decides of several: changed, unmeasurable, watch, recalibrating, stable."""
    return next((state for state in WORST_FIRST if state in states), "stable")


def watched(
    session: Session, selectors: Sequence[str], state: str | None, *, required: bool = False, anyway: bool = False
) -> Nightly | None:
    """The watch over what is selected; None where it has never begun here and nobody says that it has, unless `anyway`.

    It has begun where `[tool.promptops.drift]`, `prompts/drift.json` or a log says so, or `required` does.
    """
    from promptops.config import DriftConfig
    from promptops.runner.nightly.asking import asker
    from promptops.runner.nightly.night import Nightly
    from promptops.runner.nightly.places import open_log, read_mark
    from promptops.times import clock_of

    project = session.project
    log, mark = open_log(project, os.environ, state), read_mark(project)
    if not (anyway or required or project.config.drift is not None or mark or log.begun()):
        return None
    everybody = endpoints_of(session, ())
    return Nightly(
        endpoints=endpoints_of(session, selectors) if selectors else everybody,
        log=log,
        clock=clock_of_process(clock_of),
        config=project.config,
        settings=project.config.drift or DriftConfig(),
        ask=asker(session),
        expected=required or bool(mark) or log.begun(),
        accepted=mark,
        fleet=[endpoint.name for endpoint in everybody],
        tell=note,
    )


def clock_of_process(make: Any) -> Any:
    """The clock, simulated where the environment says so; raises `UsageError` for a moment that is none."""
    try:
        return make(os.environ)
    except ValueError as error:
        raise UsageError(str(error)) from None


def endpoints_of(session: Session, selectors: Sequence[str]) -> list[Any]:
    """The distinct endpoints behind what an environment serves; a selector is a pin, or names prompts and versions."""
    from promptops.models import Pin
    from promptops.runner.nightly.endpoints import distinct

    environment = session.manifest.environments.get(session.environment)
    served = [] if environment is None else sorted(environment.prompts.items())
    pins = [(f"{prompt}@{entry.version}", Pin.parse(entry.pin)) for prompt, entry in served]
    found = distinct([*pins, *_judges(session, [prompt for prompt, _ in served])], session.project.config)
    if not found:
        raise UsageError(
            f"{session.environment!r} serves nothing, and drift is about what is served "
            "(take a version in with `promptops adopt NAME@vN`)"
        )
    if not selectors:
        return found
    names = {endpoint.name for endpoint in found}
    named = [text for text in selectors if text not in names]
    if strangers := [text for text in named if "/" in text]:
        raise UsageError(
            f"{session.environment!r} serves nothing by {', '.join(map(repr, strangers))} "
            f"(what it serves is asked of {', '.join(sorted(names))})"
        )
    versions = {f"{prompt}@{version}" for prompt, version in session.select(named)} if named else set()
    chosen = [e for e in found if e.name in selectors or versions & set(e.serves)]
    if not chosen:
        raise UsageError(f"{session.environment!r} serves nothing of {', '.join(selectors)}")
    return chosen


def _judges(session: Session, prompts: Sequence[str]) -> list[tuple[str, Pin]]:
    """The judges of what is served: one that answers otherwise judges otherwise.

    Those of a prompt that cannot be read today are not known; what is served of it is watched all the same.
    """
    from contextlib import suppress

    from promptops.errors import PromptopsError
    from promptops.models import Pin
    from promptops.runner.calibrating import judges_in_use

    found: dict[str, Pin] = {}
    for prompt in prompts:
        with suppress(PromptopsError):
            found |= {name: Pin.parse(pin) for name, pin in judges_in_use(session, [prompt])}
    return list(found.items())


def show(seen: Sequence[Seen], now: datetime) -> None:
    """Say in words what was found."""
    from promptops.reporting.nightly import watch_lines

    if lines := watch_lines(seen, now):
        say_lines(lines)


def seen_json(seen: Seen, now: datetime) -> dict[str, Any]:
    """One endpoint as plain data."""
    watch, epoch, chosen = seen.watch, seen.watch.epoch, seen.watch.chosen
    return {
        "endpoint": seen.endpoint.name,
        "route": seen.endpoint.route,
        "serves": list(seen.endpoint.serves),
        "state": seen.state,
        "read": seen.read,
        "why": seen.why,
        "notices": list(seen.notices),
        "alarm": watch.alarm.model_dump(mode="json") if watch.alarm is not None else None,
        "epoch": epoch.epoch if epoch is not None else None,
        "since": epoch.at if epoch is not None else None,
        "tier": chosen.tier if chosen is not None else None,
        "probes": list(chosen.texts) if chosen is not None else [],
        "drawn": chosen.drawn if chosen is not None else None,
        "readings": watch.readings,
        "calibrated": watch.calibrated,
        "nights": len(watch.nights),
        "level": watch.detector.level if watch.calibrated else None,
        "threshold": watch.detector.threshold if watch.calibrated else None,
        "thin": watch.thin,
        "correlation": watch.calibration.correlation.value if watch.calibration.correlation is not None else None,
        "last": watch.last.at if watch.last is not None else None,
        "next": watch.next_at(now).isoformat() if epoch is not None else None,
        "missed": len(watch.outage),
        "missed_since": watch.outage[0].at if watch.outage else None,
        "cost": watch.cost,
    }
