"""What follows an alarm: texts, datasets, experiments, one message; and the daemon."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
from pathlib import Path

import pytest

from promptops.cli.commands._drift_daemon import Due, keep_watch, said
from promptops.errors import StoreError, UsageError
from promptops.store.drift_log import UnreachableLog
from promptops.testing import Answer, LoopbackServer
from tests.cli.night import Model, Night
from tests.runner.nightly.tracker import tracking


def begin(night: Night, *tables: str) -> None:
    for table in tables:
        night.files.config(table)
    night.begin()
    assert night.drift(days=1) == 0


def test_an_alarm_asks_texts_and_datasets_and_says_which_part_moved(
    night: Night, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(night)
    assert "25 kept as the baseline of tier 2" in capsys.readouterr().out
    model.shift, model.text = -2.0, "another answer altogether"
    assert night.drift(days=1) == 1
    out = capsys.readouterr().out
    assert "texts of test/model-1: they come from another distribution" in out
    assert "outcomes by the canary's tests: UNKNOWN" in out  # one case decides nothing
    assert "which part of test/model-1 moved, all others held fixed:" in out
    table = [line.split()[:3] for line in out.splitlines() if line.startswith(("  version ", "  pin ", "  route "))]
    assert table == [["version", "did", "not"], ["route", "not", "tested"], ["pin", "moved", "the"]]
    assert night.drift("--json", days=1) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["texts"], found["attribution"]) == ([], {})  # once for an alarm


def test_a_case_that_was_edited_is_the_dataset_and_not_the_version(
    night: Night, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(night)
    night.files.dataset("greet", [{"id": "c1", "inputs": {"text": "two"}}])
    model.shift = -2.0
    capsys.readouterr()
    assert night.drift(days=1) == 1
    out = capsys.readouterr().out
    assert "  dataset  moved         1 of 1 cases were edited since they were accepted" in out
    assert "  version  not tested    nothing of it is recorded" in out


def test_a_dataset_that_the_money_never_pays_for_is_not_said_to_wait(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    night.files.write(
        "pyproject.toml",
        night.files.read("pyproject.toml").replace("reference = 4", "reference = 4\ndataset_budget = 1e-9"),
    )
    begin(night)
    said = "dataset_budget pays for no night of greet@v1: not asked before it is raised, but by --tier 3"
    assert said in capsys.readouterr().err


def test_one_signed_call_tells_a_webhook_once(night: Night, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(night, '[tool.promptops.drift.webhook]\nkind = "generic"\nkey_env = "HOOK_API_KEY"')
    monkeypatch.setenv("HOOK_API_KEY", "secret")
    model.shift = -2.0
    with LoopbackServer(lambda _: Answer(status=500 if hook.count == 1 else 200), paths=("/hook",)) as hook:
        monkeypatch.setenv("PROMPTOPS_WEBHOOK_URL", hook.base_url.replace("/v1", "/hook"))
        assert night.drift(days=1) == 1
        assert hook.count == 2  # once more after a 500
        assert night.drift(days=1) == 1
        assert hook.count == 2
        last = hook.requests[-1]
    at = last.headers["x-promptops-timestamp"]
    expected = hmac.new(b"secret", f"v1:{at}:".encode() + last.body, hashlib.sha256).hexdigest()
    assert last.headers["x-promptops-signature"] == f"v1={expected}"
    (endpoint,) = last.json["endpoints"]
    assert (endpoint["endpoint"], endpoint["lane"]) == ("test/model-1", "fast")
    assert "pin moved" in endpoint["attribution"]


@pytest.mark.parametrize(
    ("url", "said"),
    [("", "is not set"), ("http://hook.example/x", "must be an https address"), ("redirect", "status 302")],
)
def test_a_webhook_that_cannot_be_called_is_said_and_tried_again(
    night: Night,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    said: str,
) -> None:
    begin(night, '[tool.promptops.drift.webhook]\nkind = "slack"')
    model.shift = -2.0
    answer = Answer(status=302, headers={"location": "http://127.0.0.1:9/elsewhere"})
    with LoopbackServer(answer, paths=("/hook",)) as hook:
        monkeypatch.setenv("PROMPTOPS_WEBHOOK_URL", hook.base_url.replace("/v1", "/hook") if url == "redirect" else url)
        capsys.readouterr()
        assert [night.drift(days=1), night.drift(days=1)] == [1, 1]
    errors = capsys.readouterr().err
    assert errors.count("the next run tries again") == 2
    assert said in errors
    assert "hook.example" not in errors


def test_a_job_opens_one_issue_and_is_red_where_nobody_can_be_told(
    night: Night, model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(night)
    model.shift = -2.0
    assert night.drift("--require-state", days=1) == 2
    assert "nobody is told of an alarm" in capsys.readouterr().err
    with tracking() as tracker:
        for name, value in tracker.github().items():
            monkeypatch.setenv(name, value)
        tracker.answers = [403]
        assert night.drift("--require-state", days=1) == 2
        assert (
            "github was not told, and the next run tries again: it answered with status 403" in capsys.readouterr().err
        )
        tracker.answers = [503, 503, 503]
        assert night.drift("--require-state", days=1) == 1  # an outage
        assert tracker.issues == []
        assert [night.drift("--require-state", days=1) for _ in range(3)] == [1, 1, 1]
        assert (len(tracker.issues), tracker.comments) == (1, [])
        told = capsys.readouterr()
        assert told.err.count("opened issue 1: 1 endpoint changed") == 1
        assert "github-token" not in told.out + told.err + night.state.read_text()


def test_a_job_whose_webhook_has_no_address_is_red_before_the_night(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(night, '[tool.promptops.drift.webhook]\nkind = "slack"')
    count = night.server.count
    assert night.drift("--require-state", days=1) == 2
    assert "the webhook cannot be called: $PROMPTOPS_WEBHOOK_URL is not set" in capsys.readouterr().err
    assert night.server.count == count
    assert night.drift(days=0) == 0  # by hand, where nobody needs to be told


@pytest.mark.parametrize(("status", "ends"), [(401, 2), (404, 2), (503, 10)])
def test_a_job_is_red_for_a_key_that_is_refused_or_a_model_that_is_gone(
    night: Night, model: Model, monkeypatch: pytest.MonkeyPatch, status: int, ends: int
) -> None:
    begin(night)
    monkeypatch.setattr(Model, "__call__", lambda self, asked: Answer(status=status))
    assert night.drift("--require-state", days=1) == ends
    assert night.drift(days=1) == 10  # to whoever looks it says so


def test_a_key_that_is_refused_after_an_alarm_is_red_and_said(
    night: Night, model: Model, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(night)
    model.shift = -2.0
    with tracking() as tracker:
        for name, value in tracker.github().items():
            monkeypatch.setenv(name, value)
        assert night.drift("--require-state", days=1) == 1
        monkeypatch.setattr(Model, "__call__", lambda self, asked: Answer(status=401))
        capsys.readouterr()
        assert night.drift("--require-state", days=1) == 2
    out = capsys.readouterr().out
    assert "CHANGED: test/model-1" in out
    assert "  not read: 1 of 1 probes could not be asked" in out


def test_an_epoch_begins_where_the_mark_cannot_be_written(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    (night.files.path / "prompts/drift.json").mkdir()
    assert night.drift("accept", "--reason", "in a container") == 2  # what is there is no mark
    (night.files.path / "prompts/drift.json").rmdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promptops.runner.nightly.places.write_text", _read_only)
        assert night.drift("accept", "--reason", "in a container") == 0
    assert "prompts/drift.json was not written, and only --require-state knows" in capsys.readouterr().err
    assert night.drift("status") == 11


def _read_only(path: Path, text: str) -> None:
    raise StoreError(f"{path} cannot be written: Read-only file system")


def test_the_daemon_visits_at_once_and_ends_with_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("apscheduler")

    def visit() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_watch(visit, lambda: 0, hour=3, minute=17)
    assert "watching: a night at 03:17, calibration every hour; Ctrl-C ends it" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        keep_watch(visit, None, hour=3, minute=17)
    assert "watching: a night at 03:17; Ctrl-C ends it" in capsys.readouterr().err


def test_an_error_of_one_visit_does_not_end_the_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise StoreError("the disk is full")

    said(broken)
    said(lambda: 1 // 0)
    said(lambda: 10, first=True)
    errors = capsys.readouterr().err
    assert "this visit failed: the disk is full" in errors
    assert "this visit failed: ZeroDivisionError" in errors
    assert "visited; exit code 10" in errors


def test_a_mistake_of_the_configuration_ends_the_daemon_at_its_start_and_an_outage_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def mistaken() -> int:
        raise UsageError("no such environment")

    def out() -> int:
        raise UnreachableLog("the server is out")

    with pytest.raises(UsageError, match="no such environment"):
        said(mistaken, first=True)
    said(out, first=True)
    assert "this visit failed: the server is out" in capsys.readouterr().err


def test_sigterm_ends_the_daemon_cleanly_and_gives_the_signal_back(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("apscheduler")
    before = signal.getsignal(signal.SIGTERM)

    def visit() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    keep_watch(visit, lambda: 0, hour=3, minute=17)
    assert capsys.readouterr().err.endswith("stopped\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_visit_that_waits_already_does_not_wait_twice() -> None:
    def night() -> int:
        return 0

    def hourly() -> int:
        return 0

    due = Due()
    for visit in (hourly, night, hourly, night):
        due.put(visit)
    assert [due.get(), due.get()] == [hourly, night]
    due.put(hourly)
    assert due.get() == hourly


def test_a_daemon_that_can_tell_nobody_says_so_before_it_asks(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.files.config('[tool.promptops.drift.webhook]\nkind = "slack"')
    count = night.server.count
    assert night.drift("--watch") == 2
    assert "the webhook cannot be called: $PROMPTOPS_WEBHOOK_URL is not set" in capsys.readouterr().err
    assert night.server.count == count
