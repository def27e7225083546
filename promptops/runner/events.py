"""What a run says while it goes: the engine emits, reporters and commands consume."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from promptops.errors import FailureKind
from promptops.models import Mode, Sample


class RunStarted(Struct, frozen=True):
    """The first event. `planned` is the number of samples where it is known, `run` the id in the run store."""

    mode: Mode
    planned: int | None = None
    run: str | None = None


class SampleDone(Struct, frozen=True):
    """One sample is there, or the reason why it is not. Samples come as they finish, not in the order of the plan."""

    sample: Sample


class Progress(Struct, frozen=True):
    """How far a run is: at most once a second, and once at the end.

    `done` of `planned` samples (None: unknown) are there: `asked` answered live, `recorded` and `cached` ones,
    `resumed` ones that an earlier process of the same run asked, and those that failed, by kind in `failures`.
    `retries` counts the failed attempts that were followed by another, by kind. `cost` is US dollars so far (None: a
    price is unknown), `rate` live samples a second since the beginning, `seconds` ago; `eta` seconds until all are
    there at that rate, None where it cannot be said.
    """

    done: int
    planned: int | None
    asked: int = 0
    recorded: int = 0
    cached: int = 0
    failures: Mapping[FailureKind, int] = field(default_factory=dict)
    retries: Mapping[FailureKind, int] = field(default_factory=dict)
    cost: float | None = 0.0
    seconds: float = 0.0
    rate: float = 0.0
    eta: float | None = None
    resumed: int = 0


class RunFinished(Struct, frozen=True):
    """The last event: how many samples came, by where from, what was spent in US dollars, and how long it took.

    `asked` counts live requests that answered, `recorded` samples from recordings, `cached` copies of replies to the
    same request, `resumed` what an earlier process of the same run asked, `failed` those without a reply; `written` is
    the number of recordings written; `cost` is that of the run, `seconds` the wall time of this process. `cancelled`
    means that the plan was not finished.
    """

    asked: int = 0
    recorded: int = 0
    cached: int = 0
    failed: int = 0
    cost: float = 0.0
    written: int = 0
    seconds: float = 0.0
    cancelled: bool = False
    resumed: int = 0


Event: TypeAlias = RunStarted | SampleDone | Progress | RunFinished
