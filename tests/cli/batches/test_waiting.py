"""A batch is waited for, left, gone on with, given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from promptops.runner import batching
from promptops.store.runs import RunStore
from tests.cli.batches.place import CASES, Place, ctrl_c, every_wait, failures, told


def test_ctrl_c_leaves_the_batch_and_says_how_to_go_on(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server._polls = None
    monkeypatch.setattr("sys.argv", ["promptops", "run", "greet@v1", "--batch", "--json"])
    with monkeypatch.context() as patch:
        every_wait(patch, ctrl_c)
        code, _, err = told(capsys, "greet@v1", "--batch")
    assert code == 130
    assert "1 batch goes on without us, and will be paid for" in err
    assert "promptops run greet@v1 --json --resume" in err
    assert "promptops run greet@v1 --json --cancel" in err
    place.server.finish("batch_1")
    code, _, err = told(capsys, "greet@v1", "--resume")
    assert (code, len(place.server.paid)) == (0, CASES)
    assert "which waits for batch_1" in err
    assert "asking" not in err
    assert place.statuses == ["pass"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_cancel_fetches_what_was_answered_and_makes_no_other_batch(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    place.server._polls, place.server._worked_on = None, 2
    with monkeypatch.context() as patch:
        every_wait(patch, ctrl_c)
        assert told(capsys, f"greet@{version}", "--batch")[0] == 130
    code, found, err = told(capsys, f"greet@{version}", "--cancel")
    assert (code, set(failures(found).values()), len(failures(found))) == (10, {"cancelled"}, CASES - 2)
    assert "is cancelled" in err
    assert len(place.server.batches) == 1
    code, _, err = told(capsys, f"greet@{version}", "--cancel")
    assert (code, "nothing to cancel" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch", "--mode", "replay"], "a replay asks nothing"),
        (["--batch", "--model", "local/x"], "local/x: batches are made at OpenAI's and Anthropic's endpoints only"),
        (["--cancel", "--no-resume"], "--cancel is about a run that is there"),
        (["--cancel"], "there is no run of this plan to go on with"),
    ],
)
def test_what_makes_no_sense_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    code, _, err = told(capsys, "greet@v1", *options)
    assert (code, words in err) == (2, True), err
    assert not place.server.calls


def test_a_batch_is_waited_for_through_an_outage_and_a_new_process_days_later(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server.fault = lambda seen, _: "refuse" if seen.startswith("GET /batches/") else None
    monkeypatch.setattr("promptops.providers.batches.calls.TRIES", 1)
    code, _, err = told(capsys, "greet@v1", "--batch")
    assert (code, "it goes on without us; --resume goes on waiting for it" in err) == (10, True)
    place.server.fault = lambda _seen, _times: None
    with RunStore(place.files.path / ".promptops/store.db") as store, store._database.writing() as db:
        db.execute("UPDATE runs SET seen = '2020-01-01T00:00:00Z', started = '2020-01-01T00:00:00Z'")
    code, _, _ = told(capsys, "greet@v1")
    assert (code, len(place.server.paid)) == (0, CASES), "also without --resume and --batch: it is paid for"


def test_a_run_that_waits_for_a_batch_is_not_asked_live_beside_it(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server._polls = None
    with monkeypatch.context() as patch:
        every_wait(patch, ctrl_c)
        assert told(capsys, "greet@v1", "--batch")[0] == 130
    code, _, err = told(capsys, "greet@v1", "--no-batch")
    assert (code, "waits for batch_1: cancel that with --cancel" in err) == (2, True)


def test_a_batch_that_never_ends_is_waited_for_a_day(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server._polls = None
    now = [datetime(2026, 11, 22, tzinfo=UTC)]

    def later(_: float) -> None:
        now[0] += timedelta(hours=1)

    clock = batching.Clock(sleep=later, now=lambda: now[0])
    with monkeypatch.context() as patch:
        patch.setitem(batching.measured_in_batches.__kwdefaults__ or {}, "clock", clock)
        code, _, err = told(capsys, "greet@v1", "--batch")
    assert (code, "has not ended within 26 hours (in_progress): --cancel gives it up" in err) == (10, True)
    place.server.finish("batch_1")
    assert told(capsys, "greet@v1", "--resume")[0] == 0
    assert len(place.server.paid) == CASES
