"""The pins that a project uses: what `promptops models` shows, checks and moves on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import typer
from msgspec import Struct

from promptops.cli.commands._shared import colour, current_project, emit_json, finish, note
from promptops.errors import ProblemsError, ProviderError, UsageError

if TYPE_CHECKING:
    from promptops.models import Pin
    from promptops.project.root import Project
    from promptops.providers.model_list import ListedModel
    from promptops.runner.pins import PinInUse, Pins

GONE, UNMEASURABLE = 1, 10


class Wanted(Struct, frozen=True):
    """What the options of `promptops models` ask for."""

    within: timedelta
    today: date
    check: bool = False
    online: bool = False
    as_json: bool = False


class Move(Struct, frozen=True):
    """Which prompts `--successor` moves (none named: all that are due), to which pin, within which budget."""

    prompts: tuple[str, ...] = ()
    to: Pin | None = None
    canary: bool = True
    budget: float | None = None


def wanted(within: str, today: str | None, *, check: bool, online: bool, as_json: bool) -> Wanted:
    """Read the options; raises `UsageError` for a time or a day that is none."""
    from promptops.core.model_life import days

    try:
        span = days(within)
        day = date.fromisoformat(today) if today else datetime.now(UTC).date()
    except ValueError as error:
        raise UsageError(f"--within and --today: {error}") from None
    return Wanted(span, day, check, online, as_json)


def show_pins(options: Wanted) -> None:
    """Show every pin in use; with `check` end in 1 where one is gone or about to be, 10 where that was not answered."""
    from promptops.reporting.lines import painted
    from promptops.reporting.models import pin_json, pin_lines
    from promptops.runner.pins import pins_in_use

    project = current_project()
    answers, failed = _ask(project, options)
    found = pins_in_use(project, options.today, answers)
    due = [pin for pin in found.pins if pin.due(options.today, options.within)]
    if options.as_json:
        rows = [pin_json(pin, options.today, options.within) for pin in found.pins]
        emit_json({"today": str(options.today), "within_days": options.within.days, "pins": rows, "failed": failed})
    else:
        shown = due if options.check else found.pins
        for pin in shown:
            typer.echo(painted(pin_lines(pin, options.today, options.within), color=colour()))
    for provider, message in failed.items():
        note(f"{provider} did not say which models it has: {message}")
    _conclude(options, found, due, failed)


def _conclude(options: Wanted, found: Pins, due: Sequence[PinInUse], failed: Mapping[str, str]) -> None:
    if found.broken and options.check:
        raise ProblemsError([problem for error in found.broken for problem in error.problems])
    for error in found.broken:
        note(f"not shown, because it cannot be read: {error}")
    if not found.pins and not found.broken:
        note("no pin is in use: there is no prompt yet")
        return
    many = f"{len(found.pins)} pin{'s' * (len(found.pins) != 1)} in use"
    ends = f"{len(due)} of them" if due else "none of them"
    note(f"{many}; shut down within {options.within.days} days of {options.today}: {ends}")
    if due:
        note("next: promptops models --successor")
    if options.check:
        finish(GONE if due else UNMEASURABLE if failed else 0)


def _ask(project: Project, options: Wanted) -> tuple[dict[str, Mapping[str, ListedModel]], dict[str, str]]:
    """What the providers of the pins in use list, where that is asked for, and who did not answer."""
    if not options.online:
        return {}, {}
    from promptops.cli.commands._asking import environ
    from promptops.providers.model_list import ask_models
    from promptops.runner.pins import pins_in_use

    answers: dict[str, Mapping[str, ListedModel]] = {}
    failed: dict[str, str] = {}
    for provider in sorted({pin.pin.provider for pin in pins_in_use(project, options.today).pins} - {"local"}):
        try:
            answers[provider] = ask_models(provider, project.config, environ())
        except ProviderError as error:
            failed[provider] = str(error)
    return answers, failed


# --- moving on --------------------------------------------------------------------------------------------------------


def move_on(options: Wanted, move: Move) -> None:
    """Write the next version of each prompt whose pin is due, on the successor, and run its canary.

    Ends as the worst of the canaries: regress (1), unmeasurable (10), inconclusive (11).
    """
    from promptops.release.bump import bump
    from promptops.runner.pins import pins_in_use

    project = current_project()
    if unknown := set(move.prompts) - set(project.prompt_names()):
        raise UsageError(f"there is no prompt named {sorted(unknown)[0]!r}")
    answers, failed = _ask(project, options)
    for provider, message in failed.items():
        note(f"{provider} did not say which models it has: {message}")
    found = pins_in_use(project, options.today, answers)
    rows, codes = [], [0]
    for prompt, pin, successor in _to_move(found, options, move):
        made = bump(project, prompt, pin=successor)
        note(f"{project.relative(made.path)} is {made.source} on {successor}, in place of {pin}")
        row: dict[str, Any] = {"prompt": prompt, "from": made.source, "version": made.version, "pin": str(successor)}
        if move.canary:
            code, row["canary"] = _canary(project, prompt, made.version, made.source, move, as_json=options.as_json)
            row["exit_code"] = code
            codes.append(code)
        rows.append(row)
    if options.as_json:
        emit_json({"moved": rows})
    if not rows:
        note(f"nothing to move: no newest version has a pin that ends within {options.within.days} days")
    finish(next((code for code in (2, 1, 10, 11) if code in codes), max(codes)))


def _to_move(found: Pins, options: Wanted, move: Move) -> list[tuple[str, Pin, Pin]]:
    """(prompt, its newest version's pin, the successor); raises `UsageError` where nobody names a successor."""
    from promptops.models import Pin

    chosen = []
    for pin in found.pins:
        named = [user.prompt for user in pin.users if user.newest and (not move.prompts or user.prompt in move.prompts)]
        if not named or not (move.prompts or pin.due(options.today, options.within)):
            continue
        if move.to is None and not pin.life.replacement:
            raise UsageError(f"nobody names a successor of {pin.pin} ({', '.join(named)}): say one with --to PIN")
        chosen += [(name, pin.pin, move.to or Pin.parse(pin.life.replacement)) for name in named]
    return sorted(chosen, key=lambda item: item[0])


def _canary(
    project: Project, prompt: str, version: str, source: str, move: Move, *, as_json: bool
) -> tuple[int, dict[str, Any] | None]:
    """Run `promptops canary` of the new version against what is served, else against the version it was copied from."""
    from promptops.cli.commands.canary import canary
    from promptops.config import environment_name
    from promptops.project.manifest import load_manifest

    environment = load_manifest(project).environments.get(environment_name(project.config))
    served = environment is not None and prompt in environment.prompts
    out = StringIO() if as_json else sys.stdout
    code = 0
    with redirect_stdout(out):  # the canary's document becomes a part of this command's one
        try:
            canary(f"{prompt}@{version}", against=None if served else source, budget=move.budget, as_json=as_json)
        except typer.Exit as end:
            code = end.exit_code
        except ProviderError as error:
            note(f"{prompt}@{version}: {error}")
            code = UNMEASURABLE
    return code, json.loads(out.getvalue()) if isinstance(out, StringIO) and out.getvalue() else None
