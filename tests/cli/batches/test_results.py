"""What a batch gives: the same results as a live run, and what has none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.providers.batches import batch_api_for
from promptops.testing import Answer, LoopbackServer
from tests.cli.batches.place import CASES, COST, PINS, Place, failures, told


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


def test_a_latency_that_nobody_measured_is_judged_by_nobody(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.files.write("prompts/greet/prompt.yaml", "checks:\n  - max_latency: 2s\n")
    code, found, _ = told(capsys, "greet@v1", "--batch")
    assert code == 10
    assert {row["outcome"] for row in found["versions"][0]["cases"]} == {"unmeasurable"}


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
