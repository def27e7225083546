"""Options that several commands take: each once, with its help, and in records what belongs together.

A command under `@takes_options` names a record as one parameter, `cases: CaseOptions`. On the command line, in its help
and to a shell that completes, the fields of the record stand in its place, in their order.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer
from msgspec import Struct
from msgspec.structs import fields

TagOption = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help="Only cases with this tag; may be given again.")
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="Only the first N cases (0: all).")]
SamplesOption = Annotated[
    int | None, typer.Option("--samples", metavar="N", min=1, max=100, help="Samples per case (default: prompt.yaml).")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="PIN", help="Ask this model instead of the one the version names.")
]
ConcurrencyOption = Annotated[
    int | None, typer.Option("--concurrency", metavar="N", min=1, max=1024, help="Requests in flight.")
]
BudgetOption = Annotated[
    float | None, typer.Option("--budget", metavar="USD", help="Stop before the worst case exceeds this many dollars.")
]
BudgetTokensOption = Annotated[
    int | None, typer.Option("--budget-tokens", metavar="N", min=1, help="Stop before more tokens than this are used.")
]
BudgetRequestsOption = Annotated[
    int | None, typer.Option("--budget-requests", metavar="N", min=1, help="Send at most so many, retries included.")
]
CacheOption = Annotated[
    bool | None,
    typer.Option(
        "--cache/--no-cache",
        help="Use replies of earlier runs and keep these; or ask for every sample, equal requests too.",
    ),
]
ResumeOption = Annotated[
    bool | None,
    typer.Option(
        "--resume/--no-resume",
        help="Go on with a run that was cut short, however old, or ask all again (default: with one of the last day).",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing but the result: no estimate, no progress.")
]
EventsOption = Annotated[
    Path | None, typer.Option("--events", metavar="PATH", help="Append what happens to a file, as JSON lines.")
]


class Options(Struct, frozen=True):
    """A record of options: every field has a default, and its `typer.Option` in its annotation."""


class CaseOptions(Options, frozen=True):
    """Which cases are asked, and how often."""

    samples: SamplesOption = None
    tag: TagOption = None
    limit: LimitOption = 0


class EffortOptions(Options, frozen=True):
    """How many requests are in flight, and at most how much is asked: dollars, tokens, requests."""

    concurrency: ConcurrencyOption = None
    budget: BudgetOption = None
    budget_tokens: BudgetTokensOption = None
    budget_requests: BudgetRequestsOption = None


ALL_CASES: Final = CaseOptions()
NO_LIMIT: Final = EffortOptions()


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command be called with the fields of its records as parameters; what is not given has its default."""
    signature = inspect.signature(command, eval_str=True)
    records = {name: each.annotation for name, each in signature.parameters.items() if _is_record(each.annotation)}
    parameters: list[inspect.Parameter] = []
    for name, each in signature.parameters.items():
        parameters += _parameters(records[name]) if name in records else [each]
    shown = signature.replace(parameters=parameters)

    @functools.wraps(command)
    def called(*listed: Any, **named: Any) -> None:
        bound = shown.bind(*listed, **named)
        bound.apply_defaults()
        given = bound.arguments
        for name, record in records.items():
            given[name] = record(**{field: given.pop(field) for field in record.__struct_fields__})
        command(**given)

    called.__dict__["__signature__"] = shown
    return called


def _is_record(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Options)


def _parameters(record: type[Options]) -> list[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    return [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(record)
    ]
