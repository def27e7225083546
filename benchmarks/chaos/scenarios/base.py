"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.chaos.claims import Finding
from benchmarks.chaos.stage import Stage

Play = Callable[[Stage, int], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A `play` on a stage with so many `cases` (`few` in a test); it yields what held and what did not."""

    name: str
    play: Play
    cases: int
    few: int
