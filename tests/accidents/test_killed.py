"""kill -9 at any moment: the next run asks only for what is missing, and ends as if nothing had happened.

`PROMPTOPS_TEST_KILLS=30 pytest tests/accidents/test_killed.py` kills each command thirty times, at other moments for
another `PROMPTOPS_TEST_SEED`.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.accidents.world import (
    IN_FLIGHT,
    PROMPTOPS,
    PYTEST,
    TOTAL,
    Asked,
    Place,
    group_is_gone,
    places,
    wait_until,
)
from tests.runs_there import run_records, timeless

KILLS = int(os.environ.get("PROMPTOPS_TEST_KILLS", "0"))
SEED = int(os.environ.get("PROMPTOPS_TEST_SEED", "1"))
RUN = (*PROMPTOPS, "run", "greet@v1", "--json", "--mode")
TEST = (*PYTEST, "--promptops-report", "report.json", "--junitxml=junit.xml", "--promptops-mode")
COMMANDS = {
    "run new": (*RUN, "new"),
    "run live": (*RUN, "live"),
    "run record": (*RUN, "record"),
    "pytest live": (*TEST, "live"),
    "pytest new": (*TEST, "new"),
    "pytest live -n 2": (*TEST, "live", "-n", "2"),
    "pytest new -n 2": (*TEST, "new", "-n", "2"),
}
QUICK = {"run new": 1, "pytest live": 1, "pytest new -n 2": 1}
"""Kills of each command in a usual run of the tests: the others are for the long ones."""


@pytest.mark.timeout(120 + 40 * KILLS)
@pytest.mark.parametrize("name", COMMANDS if KILLS else QUICK)
def test_killed_again_and_again_it_ends_as_without_an_accident(tmp_path: Path, name: str) -> None:
    chance, command, left = random.Random(f"{SEED} {name}"), COMMANDS[name], KILLS or QUICK[name]
    lost: list[int] = []
    with places(tmp_path) as make:
        expected = finished(make("calm"), COMMANDS[name.removesuffix(" -n 2")])
        for number in itertools.count():
            if not left:
                break
            place = make(f"place-{number}")
            found = list(itertools.islice(killed_often(place, command, chance), min(left, 4)))
            left -= len(found)
            lost += found
            if ended(place):
                continue
            assert finished(place, command) == expected
            assert place.counting.counts.total() == TOTAL + sum(found)
            statuses = [record.status for record in run_records(place.store)]
            assert set(statuses[:-1]) <= {"running"}, "one that was killed before its first sample is begun anew"
    print(f"{name}: {len(lost)} kills, lost were {lost}")  # noqa: T201 - for long runs


def killed_often(place: Place, command: Sequence[str], chance: random.Random) -> Iterator[int]:
    """Kill a command at a random moment, as often as there is something left to ask for.

    Yields how many samples a process had asked for and had not made durable: those alone may be asked again.
    """
    durable: set[Asked] = set()
    while len(durable) < TOTAL:
        before = place.counting.counts.copy()
        with place.start(command) as process:
            wait_until(moment(place, chance, left=TOTAL - len(durable)), process)
            time.sleep(chance.choice((0.0, 0.0, 0.005, 0.02, 0.1, 0.5)) * chance.random())
            process.kill()
            process.communicate()
        wait_until(lambda group=process.pid: group_is_gone(group))  # type: ignore[misc]
        place.settle()
        if ended(place):  # it was faster
            return
        asked, kept = place.counting.counts - before, place.durable()
        assert not durable & asked.keys(), "what is durable is not asked again"
        assert max(asked.values(), default=0) <= 1
        assert durable <= kept
        lost, durable = len(asked.keys() - kept), kept
        assert lost <= 8 * IN_FLIGHT, "in flight, or answered within the last few milliseconds"
        yield lost


def ended(place: Place) -> bool:
    """Whether a run came to its end before it was killed: the next one is another."""
    return place.store.exists() and any(record.status != "running" for record in run_records(place.store))


def moment(place: Place, chance: random.Random, *, left: int) -> Any:
    """When to kill: at some request; in long runs also some time after the start, or when all was asked."""
    kind, began = chance.random() if KILLS else 0.5, time.monotonic()
    if kind < 0.2:
        seconds = 2.0 * chance.random()
        return lambda: time.monotonic() > began + seconds
    base = place.counting.counts.total()
    wanted = left if kind > 0.85 else chance.randint(1, left)
    return lambda: place.counting.counts.total() >= base + wanted


def finished(place: Place, command: Sequence[str]) -> dict[str, Any]:
    """Run a command to its end; returns all that it leaves, but for times."""
    code, out, err = place.run(command)
    assert code == 1, (out, err)  # some cases fail
    left: dict[str, Any] = {"recorded": place.recorded(), "evidence": place.evidence()}
    if command[: len(PYTEST)] == PYTEST:
        return {**left, "report": place.report(), "junit": place.junit()}
    return {**left, "json": timeless(json.loads(out))}
