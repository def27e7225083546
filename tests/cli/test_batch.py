"""`promptops run --batch`: the same results as a live run, at half the price, and nothing paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.providers.batches import batch_api_for
from promptops.runner import batching
from promptops.store.runs import RunStore
from promptops.testing import Answer, BatchServer, LoopbackServer, TemporaryProject
from promptops.testing.batch_server import Fault

CASES = 6
TEMPLATE = "---\nmodel: {}\nparams: {{max_tokens: 40}}\n---\n{{% user %}}question {{{{ text }}}}{{% enduser %}}"
PINS = {"v1": "acme/m-1", "v2": "claude/c-1", "v3": "resp/m-1"}
PRICES = "[tool.promptops.prices]\n" + "".join(
    f'"{pin}" = {{input = 2.0, output = 8.0, batch = 0.5}}\n' for pin in PINS.values()
)
COST = CASES * (100 * 2 + 10 * 8) / 1_000_000 / 2


def says(asked: dict[str, Any]) -> Answer:
    text = str(asked.get("messages") or asked.get("input"))
    if "refused" in text:
        return Answer(status=400, error="not this one", code="invalid_request_error")
    return Answer("answer", usage=(100, 10), model="another" if "elsewhere" in text else None)


class Place:
    """A project whose three versions ask one batch server in three wire formats."""

    def __init__(self, path: Path, server: BatchServer) -> None:
        self.files, self.server = TemporaryProject(path), server
        for name, settings in {
            "acme": {},
            "claude": {"format": "anthropic-messages"},
            "resp": {"format": "openai-responses"},
        }.items():
            self.files.provider(name, server.base_url, **settings)
        self.files.config(PRICES)
        self.files.prompt(
            "greet",
            versions={version: TEMPLATE.format(pin) for version, pin in PINS.items()},
            yaml="checks:\n  - contains: answer\n",
        )
        self.texts([str(n) for n in range(CASES)])

    def texts(self, texts: list[str]) -> None:
        self.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": text}} for n, text in enumerate(texts)])

    @property
    def statuses(self) -> list[str]:
        with RunStore(self.files.path / ".promptops/store.db") as store, store._database.reading() as db:
            return [status for (status,) in db.execute("SELECT status FROM runs ORDER BY rowid")]


@pytest.fixture
def place(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("promptops.runner.batch_desk.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("promptops.runner.batch_desk.SETTLES_IN", 0.05)
    monkeypatch.setattr("promptops.runner.batch_desk.PATIENCE", 3)
    with BatchServer(says) as server:
        yield Place(in_folder, server)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = run(["run", *arguments, "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out else {}, shown.err


def failures(found: dict[str, Any]) -> dict[str, str]:
    return {row["case"]: row["failure"] for row in found["versions"][0]["cases"] if row["failure"]}


@pytest.mark.parametrize("version", PINS)
def test_a_batch_gives_what_a_live_run_gives_at_half_the_price(
    place: Place, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    code, found, err = told(capsys, f"greet@{version}", "--batch")
    (summary,) = [one["summary"] for one in found["versions"]]
    assert (code, summary["passed"]) == (0, CASES)
    assert summary["cost"] == pytest.approx(COST)
    assert (summary["p50"], summary["p95"], summary["slowest"]) == (None, None, []), "nobody measured how long it took"
    assert "6 requests are handed over" in err
    assert "6 of 6 answered" in err
    path = next(place.files.path.glob(f"fixtures/greet/recordings/{version}/*.jsonl"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["case"], line["batch"], line["latency"]) for line in lines] == [
        (f"c{n}", True, 0.0) for n in range(CASES)
    ]
    code, found, _ = told(capsys, f"greet@{version}", "--mode", "replay")
    assert (code, len(place.server.batches)) == (0, 1), "its recordings are replayed like any other"
    assert found["versions"][0]["summary"]["p95"] is None


def test_equal_requests_are_asked_once(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.texts(["same", "same", "other"])
    code, found, _ = told(capsys, "greet@v1", "--batch")
    assert (code, len(place.server.paid)) == (0, 2)
    assert [row["sources"] for row in found["versions"][0]["cases"]] == [["batch"], ["cached"], ["batch"]]


def test_samples_of_one_case_are_requests_of_their_own(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = told(capsys, "greet@v1", "--batch", "--samples", "3")
    assert (code, len(place.server.paid)) == (0, 3 * CASES)
    assert len({asked["seed"] for asked in place.server.paid}) == 3 * CASES


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_is_refused_or_answered_by_another_model_is_not_measured(
    place: Place, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    place.texts(["fine", "refused", "elsewhere"])
    code, found, _ = told(capsys, f"greet@{version}", "--batch")
    assert (code, failures(found)) == (10, {"c1": "request", "c2": "identity"})


@pytest.mark.parametrize("version", PINS)
def test_what_expired_is_asked_again_by_the_next_run_and_nothing_else(
    place: Place, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    place.server._ending, place.server._worked_on = "expired", 2
    code, found, _ = told(capsys, f"greet@{version}", "--batch", "--mode", "live")
    assert (code, set(failures(found).values()), len(failures(found))) == (10, {"timeout"}, CASES - 2)
    place.server._ending = "completed"
    code, found, err = told(capsys, f"greet@{version}", "--mode", "live")
    assert (code, failures(found)) == (0, {})
    assert "going on with run" in err
    assert [len(batch.asked) for batch in place.server.batches.values()] == [CASES, CASES - 2]


def test_a_batch_that_is_not_taken_says_why(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.server._ending = "failed"
    code, found, _ = told(capsys, "greet@v1", "--batch")
    assert (code, set(failures(found).values())) == (10, {"not_found"})
    assert "The model does not exist. (line 1)" in next(iter(found["versions"][0]["cases"]))["message"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_more_than_a_batch_takes_are_several(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    def small(*given: Any, **settings: Any) -> Any:
        api = batch_api_for(*given, **settings)
        api.most_requests = 4
        return api

    monkeypatch.setattr("promptops.runner.batch_desk.batch_api_for", small)
    code, _, _ = told(capsys, f"greet@{version}", "--batch")
    assert (code, [len(batch.asked) for batch in place.server.batches.values()]) == (0, [4, 2])


def test_ctrl_c_leaves_the_batch_and_says_how_to_go_on(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server._polls = None

    def impatient(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.argv", ["promptops", "run", "greet@v1", "--batch", "--json"])
    with monkeypatch.context() as patch:
        _interrupt(patch, impatient)
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


def _interrupt(patch: pytest.MonkeyPatch, sleep: Callable[[float], None]) -> None:
    """Every wait of a batch is Ctrl-C."""
    patch.setitem(batching.measured_in_batches.__kwdefaults__ or {}, "clock", batching.Clock(sleep=sleep))


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_cancel_fetches_what_was_answered_and_makes_no_other_batch(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    place.server._polls, place.server._worked_on = None, 2

    def impatient(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        _interrupt(patch, impatient)
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


@pytest.mark.parametrize(("option", "value", "asked"), [("--budget", "0.0006", 3), ("--budget-requests", "2", 2)])
def test_a_cap_holds_before_a_batch_is_made(
    place: Place, capsys: pytest.CaptureFixture[str], option: str, value: str, asked: int
) -> None:
    code, found, _ = told(capsys, "greet@v1", "--batch", option, value)
    assert (code, len(place.server.paid), set(failures(found).values())) == (10, asked, {"budget"})
    code, _, _ = told(capsys, "greet@v1", option, "1" if option == "--budget" else "99")
    assert (code, len(place.server.paid)) == (0, CASES), "the same command goes on with what was left"


def test_a_cap_in_dollars_refuses_what_has_no_price(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.files.path / "pyproject.toml"
    path.write_text(path.read_text().replace('"acme/m-1"', '"acme/m-2"'))
    code, found, _ = told(capsys, "greet@v1", "--batch", "--budget", "5")
    assert (code, set(failures(found).values()), place.server.batches) == (10, {"budget"}, {})


def test_the_estimate_knows_the_price_of_a_batch(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    worst = []
    for options in ([], ["--batch"]):
        assert run(["estimate", "greet@v1", "--json", *options]) == 0
        worst.append(json.loads(capsys.readouterr().out)[0]["worst_case"])
    assert worst[1] == pytest.approx(worst[0] / 2)
    assert run(["estimate", "greet@v1", "--batch"]) == 0
    assert "in batches, within 24 hours" in capsys.readouterr().out


def test_a_latency_that_nobody_measured_is_judged_by_nobody(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.files.write("prompts/greet/prompt.yaml", "checks:\n  - max_latency: 2s\n")
    code, found, _ = told(capsys, "greet@v1", "--batch")
    assert code == 10
    assert {row["outcome"] for row in found["versions"][0]["cases"]} == {"unmeasurable"}


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
    place: Place, capsys: pytest.CaptureFixture[str], moment: str
) -> None:
    call, fault = MOMENTS[moment]
    version = "v2" if "Anthropic" in moment else "v1"
    started: list[subprocess.Popen[bytes]] = []

    def kill(seen: str, times: int) -> Fault | None:
        if (seen, times) != (call, 1):
            return None
        os.kill(started[0].pid, signal.SIGKILL)
        return fault

    place.server.fault = kill
    command = [sys.executable, "-m", "promptops.cli.main", "run", f"greet@{version}", "--batch"]
    with place.server.lock:  # so that the process is known before it is killed
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert started[0].wait(60) == -signal.SIGKILL
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

    def impatient(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        _interrupt(patch, impatient)
        assert told(capsys, "greet@v1", "--batch")[0] == 130
    code, _, err = told(capsys, "greet@v1", "--no-batch")
    assert (code, "waits for batch_1: cancel that with --cancel" in err) == (2, True)


def test_two_processes_do_not_pay_for_the_same_batch(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.server._polls = None
    seen: list[tuple[int, str]] = []

    def meanwhile(_seconds: float) -> None:
        with monkeypatch.context() as inner:
            _interrupt(inner, lambda _: None)
            code, _, err = told(capsys, "greet@v1", "--batch")
        seen.append((code, err))
        place.server.finish("batch_1")

    with monkeypatch.context() as patch:
        _interrupt(patch, meanwhile)
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


def test_somebody_elses_batch_is_not_taken_for_ours(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    call = "POST /messages/batches"

    def another(seen: str, times: int) -> Fault | None:
        if (seen, times) == (call, 1):
            rows = [{"custom_id": f"theirs-{n}", "params": {"messages": []}} for n in range(CASES)]
            place.server.serve("POST", "/messages/batches", "", {}, json.dumps({"requests": rows}).encode())
            return "drop after"
        return None

    place.server.fault = another
    code, found, err = told(capsys, "greet@v2", "--batch")
    assert (code, found["versions"][0]["summary"]["passed"]) == (0, CASES)
    assert "batch msgbatch_1 is not of this run" in err
    assert len(place.server.batches) == 2


def test_results_are_fetched_from_the_vendors_host_only(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with BatchServer() as stranger:
        place.server._results_host = stranger.base_url.removesuffix("/v1")
        code, _, _ = told(capsys, "greet@v2", "--batch")
        assert (code, stranger.calls) == (0, [])


def test_keys_of_errors_are_redacted(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACME_API_KEY", "sk-very-secret-0123456789")
    place.server._answer = lambda _: Answer(status=400, error="bad key sk-very-secret-0123456789")
    code, found, err = told(capsys, "greet@v1", "--batch")
    assert code == 10
    assert "sk-very-secret" not in json.dumps(found) + err
    assert b"sk-very-secret" not in (place.files.path / ".promptops/store.db").read_bytes()


def test_what_a_batch_left_can_be_asked_live(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.server._ending, place.server._worked_on = "expired", 2
    assert told(capsys, "greet@v1", "--batch", "--mode", "live")[0] == 10
    with LoopbackServer(Answer("answer", usage=(100, 10))) as live:
        path = place.files.path / "pyproject.toml"
        path.write_text(path.read_text().replace(place.server.base_url, live.base_url))
        code, found, _ = told(capsys, "greet@v1", "--mode", "live", "--no-batch")
        assert (code, live.count, len(place.server.batches)) == (0, CASES - 2, 1)
    summary = found["versions"][0]["summary"]
    assert summary["sources"] == {"batch": 2, "live": CASES - 2}
    assert summary["cost"] == pytest.approx(COST * (2 + 2 * (CASES - 2)) / CASES), "each at the price it was asked for"
    assert summary["p95"] is not None
