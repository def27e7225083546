"""The run store is shared, deleted or damaged between runs: clear words, and nothing worse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptops.cli.main import run
from tests.accidents.world import PROMPTOPS, TOTAL, Place, places, wait_until
from tests.runs_there import run_records, timeless

RUN = ("run", "greet@v1", "--json", "--mode", "new")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with places(tmp_path, 0.005) as make:
        made = make("place")
        monkeypatch.chdir(made.files.path)
        yield made


def cut_short(place: Place) -> int:
    """Kill a run in the middle; returns how many requests it sent."""
    place.counting.enough = TOTAL // 2
    with place.start((*PROMPTOPS, *RUN)) as process:
        wait_until(lambda: place.counting.counts.total() >= TOTAL // 2, process)
        process.kill()
        process.communicate()
    place.settle()
    place.counting.enough = None
    return place.counting.counts.total()


def test_two_processes_that_want_the_same_run_both_end_right(place: Place) -> None:
    place.counting.delay = 0.02
    asked = cut_short(place)
    there = len(place.durable())
    both = [place.start((*PROMPTOPS, *RUN)) for _ in range(2)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [1, 1], said
    assert sum("going on with run" in err for _, err in said) == 1, "one of them went on with it"
    assert [record.status for record in run_records(place.store)] == ["regress", "regress"]
    outcomes = [[(row["case"], row["outcome"]) for row in json.loads(out)["versions"][0]["cases"]] for out, _ in said]
    assert outcomes[0] == outcomes[1]
    assert len(place.recorded()) == TOTAL
    assert 1 <= len(place.evidence()["runs"]) <= 2, "the same may be said once, if it is said in the same second"
    assert place.counting.counts.total() <= asked + (TOTAL - there) + TOTAL


def test_a_store_that_was_deleted_costs_the_samples_that_were_in_no_recording(place: Place) -> None:
    asked = cut_short(place)
    for path in place.store.parent.glob("store.db*"):
        path.unlink()
    recorded = len(place.recorded())
    assert run([*RUN]) == 1
    assert place.counting.counts.total() == asked + TOTAL - recorded


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"\xff" * 20_000),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["garbage", "cut off", "a folder"],
)
def test_a_store_that_was_damaged_is_a_clear_error(
    place: Place, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*RUN]) == 1
    first = json.loads(capsys.readouterr().out)
    damage(place.store)
    assert run([*RUN]) == 2
    assert str(place.store) in (err := capsys.readouterr().err)
    assert "Traceback" not in err
    if place.store.is_dir():
        place.store.rmdir()
    else:
        place.store.unlink()
    assert run([*RUN]) == 1
    second = json.loads(capsys.readouterr().out)
    for found in (first, second):
        for row in found["versions"][0]["cases"]:
            row["sources"] = []
        found["versions"][0]["summary"]["sources"] = {}
    assert timeless(second) == timeless(first)
