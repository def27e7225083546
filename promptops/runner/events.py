"""What a run says while it goes: the engine emits, reporters and commands consume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from promptops.models import Mode, Sample


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first event. `planned` is the number of samples where it is known, `run` the id in the run store."""

    mode: Mode
    planned: int | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class SampleDone:
    """One sample is there, or the reason why it is not. Samples come as they finish, not in the order of the plan."""

    sample: Sample


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The last event: how many samples came, by where from, what was spent in US dollars, and how long it took.

    `asked` counts live requests that answered, `recorded` samples from recordings, `failed` those without a reply;
    `written` is the number of recordings written; `seconds` is wall time. `cancelled` means that the plan was not
    finished.
    """

    asked: int = 0
    recorded: int = 0
    failed: int = 0
    cost: float = 0.0
    written: int = 0
    seconds: float = 0.0
    cancelled: bool = False


Event: TypeAlias = RunStarted | SampleDone | RunFinished
