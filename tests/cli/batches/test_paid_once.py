"""Nothing is paid twice and nothing is lost, whatever breaks, and whenever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from promptops.runner import batching
from promptops.testing.batch_server import Fault
from tests.cli.batches.place import CASES, Place, every_wait, failures, told

MOMENTS: dict[str, tuple[str, Fault]] = {
    "before the upload": ("POST /files", "drop"),
    "between upload and noting it": ("POST /files", "drop after"),
    "before the batch is made": ("POST /batches", "drop"),
    "between making the batch and noting it": ("POST /batches", "drop after"),
    "while it waits": ("GET /batches/batch_1", "drop after"),
    "while it fetches": ("GET /files/batch_1-output/content", "cut"),
    "before an Anthropic batch is made": ("POST /messages/batches", "drop"),
    "between making an Anthropic batch and noting it": ("POST /messages/batches", "drop after"),
    "while it waits for Anthropic": ("GET /messages/batches/msgbatch_1", "drop after"),
    "while it fetches from Anthropic": ("GET /messages/batches/msgbatch_1/results", "cut"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_nothing_is_paid_twice_and_nothing_is_lost(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    call, fault = MOMENTS[moment]
    version = "v2" if "Anthropic" in moment else "v1"
    started: list[subprocess.Popen[bytes]] = []
    works, worked = place.server.serve, threading.Event()

    def serve(*given: Any) -> tuple[int, bytes]:
        try:
            return works(*given)
        finally:
            if killed.is_set():
                worked.set()

    killed = threading.Event()

    def kill(seen: str, times: int) -> Fault | None:
        if (seen, times) != (call, 1):
            return None
        killed.set()
        os.kill(started[0].pid, signal.SIGKILL)
        return fault

    place.server.fault = kill
    monkeypatch.setattr(place.server, "serve", serve)
    command = [sys.executable, "-m", "promptops.cli.main", "run", f"greet@{version}", "--batch"]
    with place.server.lock:  # so that the process is known before it is killed
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert started[0].wait(60) == -signal.SIGKILL
    assert fault == "drop" or worked.wait(60), "the server does what it was sent before anybody looks"
    code, found, err = told(capsys, f"greet@{version}", "--batch")
    assert (code, found["versions"][0]["summary"]["passed"]) == (0, CASES)
    assert len(place.server.batches) == 1, place.server.calls
    assert len(place.server.paid) == CASES
    path = next(place.files.path.glob(f"fixtures/greet/recordings/{version}/*.jsonl"))
    assert len(path.read_text().splitlines()) == CASES
    assert ("was made before the run was cut short" in err) == ("noting" in moment and "upload" not in moment)


@pytest.mark.parametrize(("version", "call"), [("v1", "POST /batches"), ("v2", "POST /messages/batches")])
@pytest.mark.parametrize("fault", ["drop", "drop after"])
def test_a_clock_that_was_set_back_hides_no_batch_and_is_not_waited_for(
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    call: str,
    fault: Fault,
) -> None:
    def clock(hours: int) -> batching.Clock:
        waits = iter(range(50))
        return batching.Clock(sleep=lambda _: next(waits), now=lambda: datetime.now(UTC) + timedelta(hours=hours))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    place.server.fault = lambda seen, count: fault if (seen, count) == (call, 1) else None
    settings = batching.measured_in_batches.__kwdefaults__ or {}
    with monkeypatch.context() as patch:
        patch.setitem(settings, "clock", clock(3))
        patch.setattr("promptops.runner.batch_desk.Desk._looked_for", killed)
        assert told(capsys, f"greet@{version}", "--batch")[0] == 130
    with monkeypatch.context() as patch:
        patch.setitem(settings, "clock", clock(0))
        code, found, _ = told(capsys, f"greet@{version}", "--batch")
    assert (code, found["versions"][0]["summary"]["passed"]) == (0, CASES)
    assert len(place.server.paid) == CASES


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("fault", ["drop", "drop after", "refuse"])
@pytest.mark.parametrize("times", [1, 9])
def test_a_create_of_which_nothing_is_heard_makes_one_batch(
    place: Place, capsys: pytest.CaptureFixture[str], version: str, fault: Fault, times: int
) -> None:
    call = "POST /batches" if version == "v1" else "POST /messages/batches"
    place.server.fault = lambda seen, count: fault if seen == call and count <= times else None
    code, found, _ = told(capsys, f"greet@{version}", "--batch")
    if fault == "drop after" or times == 1:
        assert (code, len(place.server.batches)) == (0, 1)
        return
    assert (code, len(place.server.batches)) == (10, 0)
    assert set(failures(found).values()) <= {"connection", "server", "bad_reply"}
    place.server.fault = lambda _seen, _count: None
    code, _, _ = told(capsys, f"greet@{version}", "--batch")
    assert (code, len(place.server.paid)) == (0, CASES)


def test_two_processes_do_not_pay_for_the_same_batch(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server._polls = None
    seen: list[tuple[int, str]] = []

    def meanwhile(_seconds: float) -> None:
        with monkeypatch.context() as inner:
            every_wait(inner, lambda _: None)
            code, _, err = told(capsys, "greet@v1", "--batch")
        seen.append((code, err))
        place.server.finish("batch_1")

    with monkeypatch.context() as patch:
        every_wait(patch, meanwhile)
        code, found, _ = told(capsys, "greet@v1", "--batch")
    assert (code, found["versions"][0]["summary"]["passed"]) == (0, CASES)
    assert [code for code, _ in seen] == [2]
    assert "asks the same in batches: wait for it" in seen[0][1]
    assert (len(place.server.batches), len(place.server.paid)) == (1, CASES)
    place.server._polls = 1
    code, _, _ = told(capsys, "greet@v1", "--batch", "--mode", "live", "--no-resume")
    assert len(place.server.batches) == 2, "nobody else is there any more"


@pytest.mark.parametrize(("version", "path"), [("v1", "/files/"), ("v2", "/results")])
def test_results_that_are_cut_between_two_lines_are_fetched_again_and_nothing_is_paid_twice(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, version: str, path: str
) -> None:
    whole, cut = place.server.serve, [2]

    def serve(method: str, called: str, *more: Any) -> tuple[int, bytes]:
        status, body = whole(method, called, *more)
        if method == "GET" and path in called and cut[0]:
            cut[0] -= 1
            body = b"".join(body.splitlines(keepends=True)[:2])
        return status, body

    monkeypatch.setattr(place.server, "serve", serve)
    code, found, _ = told(capsys, f"greet@{version}", "--batch")
    assert (code, failures(found), len(place.server.paid)) == (0, {}, CASES)


def test_results_that_stay_cut_are_fetched_by_a_later_run(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = place.server.serve

    def serve(method: str, called: str, *more: Any) -> tuple[int, bytes]:
        status, body = whole(method, called, *more)
        return status, b"".join(body.splitlines(keepends=True)[:2]) if "/files/" in called else body

    with monkeypatch.context() as patch:
        patch.setattr(place.server, "serve", serve)
        code, _, err = told(capsys, "greet@v1", "--batch")
    assert (code, "2 of 6 results came: the file is not complete" in err) == (10, True)
    assert "--resume goes on waiting for it" in err
    code, found, _ = told(capsys, "greet@v1", "--resume")
    assert (code, failures(found), len(place.server.paid)) == (0, {}, CASES)
