"""What every check is: a name, a test of its options when they are parsed, and a test of one output.

A family of checks is one file with one or more objects of `Check`; `registry.py` lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from promptops.core.contract import Parsed
from promptops.core.judging import Asked, Judge
from promptops.models import Case, Difference, Json, Reply, Sample, SampleKey

Resolver = Callable[[str], Callable[..., Any]]
Held = Literal["yes", "no", "cannot"]


class CheckContext(Struct, frozen=True):
    """What a check may look at. `cost` is US dollars, None where the price is unknown.

    `parsed` is what the contract made of `reply.text`; `has_contract` whether there is one; `python` finds the
    function behind `checks.py:polite`. `copied`: the reply is a copy of another sample's, whose latency it names.
    `judges` are those that the checks name, `answers` what they were asked about the sample `key`.
    """

    case: Case
    reply: Reply
    cost: float | None
    parsed: Parsed
    python: Resolver
    has_contract: bool = True
    copied: bool = False
    key: SampleKey | None = None
    judges: Mapping[Asked, Judge] = {}
    answers: Mapping[SampleKey, Sample] = {}


class Finding(Struct, frozen=True):
    """What a check found: it held, it did not, or it cannot be asked of this output (which fails, also under `not`).

    `score` (0 to 1) is how much of it held, where a check can say more than yes or no. `advice`: it decides nothing.
    """

    held: Held
    message: str = ""
    differences: tuple[Difference, ...] = ()
    score: float | None = None
    advice: bool = False


class CheckError(Exception):
    """The check could not be made: an error, never a pass, also under `not`. `trace` is a user's traceback."""

    def __init__(self, message: str, trace: str = "") -> None:
        self.message, self.trace = message, trace
        super().__init__(message)


class NotMeasured(Exception):
    """The check cannot judge an output of this kind: neither a pass nor a failure, also under `not`."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class Check(Protocol):
    """One check. `problems` yields what is wrong with the options as written; `run` tests one output."""

    @property
    def name(self) -> str: ...

    def problems(self, options: Json) -> Iterator[str]: ...

    def run(self, options: Json, context: CheckContext) -> Finding: ...


def found(held: bool, yes: str, no: str) -> Finding:  # noqa: FBT001 - the two words that follow are its names
    """A finding with the words for either way, so that `not` reads well too."""
    return Finding("yes", yes) if held else Finding("no", no)


def quoted(text: str, limit: int = 80) -> str:
    """`text` in quotes and escaped, at most about `limit` characters."""
    return repr(text) if len(text) <= limit else repr(text[:limit]) + "…"


def unknown_keys(options: dict[str, Any], known: tuple[str, ...]) -> Iterator[str]:
    """One problem for each key that is not `known`."""
    from promptops.errors import did_you_mean

    for key in options:
        if key not in known:
            yield f"unknown option {key!r}{did_you_mean(str(key), known)}; known: {', '.join(known)}"
