"""Several endpoints that change on one night are one message, on the terminal and to a webhook."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer
from tests.cli.night import YAML, Model, Night

PINS = [f"test/model-{number}" for number in range(1, 6)]
ALL = frozenset(pin.removeprefix("test/") for pin in PINS)


class Fleet(Model):
    """The models of `moved` answer otherwise."""

    moved: frozenset[str] = frozenset()

    def __call__(self, asked: dict[str, Any]) -> Answer:
        self.shift = -2.0 if asked["model"] in self.moved else 0.0
        return super().__call__(asked)


@pytest.fixture
def model() -> Fleet:
    return Fleet()


@pytest.fixture
def fleet(night: Night) -> Night:
    """Five endpoints behind one address, calibrated, and read once."""
    for number, pin in enumerate(PINS[1:], start=2):
        template = f"---\nmodel: {pin}\n---\nquestion {{{{ text }}}}"
        night.files.prompt(f"greet{number}", versions={"v1": template}, yaml=YAML)
        night.files.dataset(f"greet{number}", [{"id": "c1", "inputs": {"text": "one"}}])
        assert run(["run", f"greet{number}@v1", "--no-evidence"]) == 0
        night.files.commit("More")
        assert run(["adopt", f"greet{number}@v1"]) == 0
    night.begin()
    assert night.drift(days=1) == 0
    return night


def test_five_that_change_together_are_one_message(
    fleet: Night, model: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    model.moved = ALL
    capsys.readouterr()
    assert fleet.drift(days=1) == 1
    out = capsys.readouterr().out
    assert "CHANGED in one night (" in out
    assert f"5 of 5 endpoints, all behind {fleet.server.base_url}" in out
    assert out.count("next: ") == 3
    assert "  next: promptops drift accept --reason TEXT   when the new behaviour" in out
    assert f"which part of each of {', '.join(PINS[:3])} and 2 more moved, all others held fixed:" in out
    assert out.count("  route    moved         all 4 other models on this route moved, too") == 1
    assert fleet.drift("status") == 1
    assert "5 of 5 endpoints" in capsys.readouterr().out


def test_the_history_of_one_endpoint_has_its_own_datasets_alone(
    fleet: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.drift("--tier", "3")
    capsys.readouterr()
    assert fleet.drift("history", PINS[1], "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [watch["endpoint"] for watch in found["watch"]] == [PINS[1]]
    assert {night["pin"] for night in found["datasets"]} == {PINS[1]}


def test_of_many_datasets_the_worst_is_first_and_a_stable_one_is_one_line(
    fleet: Night, model: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert fleet.drift("check", "--tier", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    names = ["greet", *(f"greet{number}" for number in range(2, 6))]
    assert [line.partition(": 1")[0] for line in lines if not line.startswith("STABLE: greet@")] == [
        f"STABLE: {name}@v1 on {pin}" for name, pin in zip(names, PINS, strict=True)
    ][1:]


def test_one_that_changes_alone_is_no_fleet(fleet: Night, model: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    model.moved = frozenset({"model-3"})
    assert fleet.drift(days=1) == 1
    out = capsys.readouterr().out
    assert "in one night" not in out
    assert "CHANGED: test/model-3 (answers for greet3@v1)" in out
    assert out.count("STABLE: test/model-") == 4
    assert "  next: promptops drift accept test/model-3 --reason TEXT" in out
    assert "4 of 4 other models on this route did not move" in out


def test_the_threshold_is_for_all_however_few_are_looked_at(fleet: Night, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert fleet.drift("test/model-2", "--tier", "1", "--json", days=1) == 0
    (seen,) = json.loads(capsys.readouterr().out)["watch"]
    assert (seen["endpoint"], seen["nights"], seen["threshold"]) == ("test/model-2", 2, 5 * 3650)


def test_a_webhook_is_called_once_for_all(
    fleet: Night, model: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.files.config('[tool.promptops.drift.webhook]\nkind = "generic"')
    with LoopbackServer(Answer("ok"), paths=("/hook",)) as receiver:
        monkeypatch.setenv("PROMPTOPS_WEBHOOK_URL", receiver.base_url.replace("/v1", "/hook"))
        model.moved = ALL
        assert fleet.drift(days=1) == 1
        assert fleet.drift(days=1) == 1
        assert receiver.count == 1
        assert [one["endpoint"] for one in receiver.requests[0].json["endpoints"]] == PINS
    assert "told generic: 5 endpoints changed" in capsys.readouterr().err


def test_a_lost_log_is_one_message_for_all(fleet: Night, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.state.unlink()
    capsys.readouterr()
    assert fleet.drift(days=1) == 10
    out = capsys.readouterr().out
    assert f"UNMEASURABLE: all 5 endpoints ({', '.join(PINS)})" in out
    assert out.count("the state was lost") == 1
    assert "  next: or begin anew, in a decision of yours: promptops drift accept --reason TEXT" in out
    assert fleet.drift("status", "--json") == 10
    assert len(json.loads(capsys.readouterr().out)["watch"]) == 5
