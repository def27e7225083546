"""`promptops drift` with its watch, on a real HTTP server, on a simulated clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptops.cli.main import run
from promptops.testing import TemporaryProject
from tests.cli.night import Model, Night


def test_thirty_quiet_nights_and_a_swap(night: Night, model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    night.begin()
    assert [night.drift(days=1) for _ in range(30)] == [0] * 30
    model.shift = -2.0
    capsys.readouterr()
    assert night.drift(days=1) == 1
    out = capsys.readouterr().out
    assert "CHANGED: test/model-1 (answers for greet@v1)" in out
    assert "said by the fast lane (a heuristic" in out
    assert "next: promptops drift accept test/model-1 --reason TEXT" in out
    assert night.drift("history") == 0
    chart = capsys.readouterr().out
    assert "└" + "·" * 30 + "x" in chart
    assert night.drift("status", "--json") == 1
    (endpoint,) = json.loads(capsys.readouterr().out)["watch"]
    assert (endpoint["state"], endpoint["tier"], endpoint["nights"]) == ("changed", "1a", 31)
    assert 0 < endpoint["cost"] < 0.15
    assert night.drift("accept", "test/model-1", "--reason", "announced") == 0
    assert night.drift("status") == 11
    assert "RECALIBRATING" in capsys.readouterr().out


def test_a_swap_that_was_taken_back_stays_changed_and_says_so(
    night: Night, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    night.begin()
    model.shift = -2.0
    assert night.drift(days=1) == 1
    assert "no longer that far off" not in capsys.readouterr().out
    model.shift = 0.0
    assert [night.drift(days=1) for _ in range(2)] == [1, 1]
    capsys.readouterr()
    assert night.drift("status") == 1
    out = capsys.readouterr().out
    assert "NOTICE: since 2026-11-05T03:17:00Z the readings are no longer that far off" in out
    assert "the detector has not decided" in out


def test_what_the_fast_lane_saw_first_the_detector_may_have_decided_since(
    night: Night, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    night.begin()
    model.shift = -2.0
    assert [night.drift(days=1) for _ in range(12)] == [1] * 12
    capsys.readouterr()
    assert night.drift("status") == 1
    out = capsys.readouterr().out
    assert "said by the fast lane, and by now by the detector, too:" in out
    assert "has not decided" not in out


def test_an_alarm_before_a_week_could_be_seen_says_so(
    night: Night, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    night.begin()
    model.shift = -0.12
    codes = [night.drift(days=1) for _ in range(15)]
    out = capsys.readouterr().out
    assert codes[-1] == 1
    assert "said by the detector" in out
    assert "the calibration saw no whole week, and this came within three: a weekly rhythm would look like it" in out


def test_before_it_has_begun_nothing_is_silently_begun(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert night.drift() == 10
    out = capsys.readouterr().out
    assert "UNMEASURABLE: test/model-1" in out
    assert "promptops drift accept test/model-1" in out
    assert not night.state.exists()


def test_an_outage_ends_in_ten(night: Night, model: Model, capsys: pytest.CaptureFixture[str]) -> None:
    night.begin()
    model.down = True
    assert night.drift(days=1) == 10
    assert "nothing is said about the model" in capsys.readouterr().out
    model.down = False
    assert night.drift(days=1) == 0


def test_a_watch_that_has_not_begun_was_not_lost(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.files.write("pyproject.toml", night.files.read("pyproject.toml").replace("[tool.promptops.drift]", "[x]"))
    assert night.drift("status") == 10
    told = capsys.readouterr().out
    assert "the watch over it has not begun" in told
    assert "promptops drift accept test/model-1 --reason TEXT   begins it" in told
    assert "lost" not in told


def test_lost_edited_and_truncated_state_is_said(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.begin()
    assert night.drift(days=1) == 0
    whole = night.state.read_text()
    count = night.server.count
    for text, said in (
        (whole[:-200], "its last line was cut off"),
        (whole.replace('"reason":"the first"', '"reason":"another"'), "line 1 was edited"),
        ("\n".join(whole.splitlines()[:-1]) + "\n", "the end was cut off"),
    ):
        night.state.write_text(text)
        capsys.readouterr()
        assert night.drift(days=1) == 10
        assert said in capsys.readouterr().out
    night.state.unlink()
    night.state.with_name("state.head").unlink()
    assert night.drift(days=1) == 10
    assert "its state was lost" in capsys.readouterr().out
    assert not night.state.exists()
    assert night.server.count == count
    night.files.write("pyproject.toml", night.files.read("pyproject.toml").replace("[tool.promptops.drift]", "[x]"))
    assert night.drift() == 10  # prompts/drift.json remembers
    assert night.drift("accept", "--reason", "lost the cache") == 0
    assert json.loads(night.files.read("prompts/drift.json"))["endpoints"]["test/model-1"]["epoch"] == 2


def test_the_log_may_be_kept_elsewhere(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTOPS_DRIFT_STATE", "store")
    night.begin()
    assert night.drift(days=1) == 0
    assert not night.state.exists()
    monkeypatch.setenv("PROMPTOPS_DRIFT_STATE", "kept")
    night.begin()
    assert (night.files.path / "kept/state.jsonl").exists()


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01"])
def test_a_clock_that_is_none_is_refused(night: Night, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    monkeypatch.setenv("PROMPTOPS_NOW", moment)
    assert run(["drift", "status"]) == 2


def test_a_table_with_an_unknown_key_names_the_known_ones(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.files.write("pyproject.toml", night.files.read("pyproject.toml").replace("calibration =", "calibrations ="))
    assert night.drift() == 2
    assert "did you mean 'calibration'" in capsys.readouterr().err


def test_an_epoch_begins_with_a_reason_only(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert night.drift("accept") == 2
    assert "promptops drift accept --reason 'the first epoch'" in capsys.readouterr().err
    assert not night.state.exists()


def test_a_pin_that_nothing_is_served_by_is_named(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    assert night.drift("accept", "test/model-2", "--reason", "x") == 2
    said = "'production' serves nothing by 'test/model-2' (what it serves is asked of test/model-1)"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["check", "calibrate", "accept", "status", "history"])
def test_each_command_shows_its_own_help_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drift", name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: promptops drift {name} " in out
    assert "$ promptops drift" in out


def test_help_on_a_word_that_is_no_command_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drift", "chart", "--help"]) == 0
    assert "Show the nights so far, and ask nothing." in capsys.readouterr().out


def test_a_log_from_before_what_was_accepted_is_a_lost_one(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.begin()
    kept = {file.name: file.read_bytes() for file in night.state.parent.iterdir()}
    assert night.drift("accept", "--reason", "announced") == 0
    for name, content in kept.items():
        night.state.with_name(name).write_bytes(content)
    count = night.server.count
    assert (night.drift(days=1), night.server.count) == (10, count)
    assert "has its epoch 1, and its epoch 2 was accepted" in capsys.readouterr().out


def test_a_watch_that_nobody_keeps_up_is_not_stable(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.begin()
    assert night.drift(days=1) == 0
    assert night.drift("status", days=3) == 0
    assert night.drift("status", days=1) == 10
    out = capsys.readouterr().out
    assert "it was not read for 4 days: does the nightly job run?" in out
    assert "next: look at the job of promptops schedule, or read it now: promptops drift" in out
    assert night.drift() == 0


def test_an_outage_says_since_when_and_what_to_do(
    night: Night, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    night.begin()
    assert [night.drift(days=1) for _ in range(2)] == [0, 0]
    model.down = True
    assert [night.drift(days=1) for _ in range(2)] == [10, 10]
    assert "(2 tries since 2026-" in capsys.readouterr().out
    assert night.drift("history") == 0
    chart = capsys.readouterr().out
    assert "└··??" in chart
    assert "? not measured" in chart
    assert chart.count("  not measured 2026-") == 2
    model.down = False
    assert night.drift(days=1) == 0
    assert "tries since" not in capsys.readouterr().out


def test_a_lost_log_has_no_history(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.begin()
    night.state.unlink()
    night.state.with_name("state.head").unlink()
    assert night.drift("history") == 10
    assert "the state of the watch was lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "03:17"], "--at is when the nights of the daemon are, and there is none without --watch"),
        (["--watch", "--resume"], "--watch makes many"),
        (["--watch", "--no-resume"], "--watch makes many"),
        (["--tier", "1", "--samples", "3"], "--samples: about the dataset, and --tier 1 asks probes only"),
        (["--tier", "1", "--tag", "quick", "--limit", "2"], "--tag, --limit: about the dataset"),
        (["--tier", "3", "--state", "here"], "--state: about the log of the probes, and --tier 3 asks"),
        (["--tier", "3", "--require-state"], "--require-state: about the log"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    in_folder: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder)
    assert run(["drift", *arguments]) == 2
    assert said in capsys.readouterr().err
