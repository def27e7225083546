"""What is not ours: another's batch, another host, a key in an error."""

from __future__ import annotations

import json

import pytest

from promptops.testing import Answer, BatchServer
from promptops.testing.batch_server import Fault
from tests.cli.batches.place import CASES, Place, told


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
