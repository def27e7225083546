"""What must hold: one finding a claim, with what was seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from benchmarks.chaos.counting import Log
from benchmarks.chaos.stage import Ended


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim: `held` or not, and what was `seen`. A `timed` one depends on how busy the machine is."""

    claim: str
    held: bool
    seen: str
    timed: bool = False


def each_once(log: Log, cases: int) -> Finding:
    """Every case was answered well, and none twice."""
    answered = log.answered
    missing, twice = cases - len(answered), sum(count > 1 for count in answered.values())
    return Finding(
        f"all {cases} cases are answered well once", not missing and not twice, f"{missing} never, {twice} twice"
    )


def at_most(what: str, seen: float, limit: float, *, timed: bool = False) -> Finding:
    """A number keeps below a limit."""
    return Finding(
        f"{what} at most {limit:g}", seen <= limit, f"{seen:g}" if seen == int(seen) else f"{seen:.2f}", timed
    )


def at_least(what: str, seen: float, limit: float, *, timed: bool = False) -> Finding:
    """A number reaches a limit."""
    return Finding(
        f"{what} at least {limit:g}", seen >= limit, f"{seen:g}" if seen == int(seen) else f"{seen:.2f}", timed
    )


def in_flight(log: Log, places: int) -> Finding:
    """Never more requests at once than configured."""
    return at_most("requests in flight", log.peak, places)


def exits(ended: Ended, *codes: int) -> Finding:
    """The process ended by itself, with one of these codes."""
    wanted = " or ".join(map(str, codes))
    return Finding(f"it ends by itself in {wanted}", ended.code in codes, ended.said)


def failures(ended: Ended, cases: int, kinds: Collection[str]) -> Finding:
    """Every case that was not measured says why, in one of these kinds."""
    seen = [row["failure"] for row in ended.rows if row["outcome"] == "unmeasurable"]
    counted = ", ".join(f"{seen.count(kind)} {kind or 'without a word'}" for kind in sorted(set(seen)))
    held = len(ended.rows) == cases and bool(seen) and set(seen) <= set(kinds)
    return Finding(f"what is not measured is {' or '.join(sorted(kinds))}", held, f"{len(ended.rows)} rows: {counted}")


def all_pass(ended: Ended, cases: int) -> Finding:
    """Every case was measured and passed."""
    passed = sum(row["outcome"] == "pass" for row in ended.rows)
    return Finding(f"all {cases} cases pass", passed == cases == len(ended.rows), f"{passed} of {len(ended.rows)}")


def same(what: str, seen: Iterable[object], wanted: Iterable[object]) -> Finding:
    """Two collections have the same members, each as often."""
    mine, theirs = sorted(map(str, seen)), sorted(map(str, wanted))
    return Finding(what, mine == theirs, f"{len(mine)} of {len(theirs)}, {len(set(mine) ^ set(theirs))} differ")
