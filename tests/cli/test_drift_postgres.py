"""`promptops drift` with its log in a PostgreSQL, as a job on a machine that keeps nothing has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.night import Night
from tests.store.postgres import SECRET, Server, programs, running

pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    found = programs()
    if found is None:
        pytest.skip("there is no PostgreSQL on this machine")
    with running(found) as server:
        yield server


def test_the_log_is_in_a_postgresql_and_its_loss_is_said(
    night: Night, postgres: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    password = SECRET.replace(" ", "%20").replace(":", "%3A").replace("/", "%2F")
    monkeypatch.setenv("PROMPTOPS_DRIFT_STATE", postgres.url(password=password))
    assert night.drift("--require-state") == 10
    assert "its state was lost" in capsys.readouterr().out
    night.begin()
    assert night.drift("--require-state", days=1) == 0
    assert not night.state.exists()
    assert night.drift("history") == 0
    monkeypatch.setenv("PROMPTOPS_DRIFT_STATE", postgres.url("template1", password=password))
    assert night.drift("--require-state", days=1) == 10
    postgres.control("-m", "fast", "stop")
    monkeypatch.setattr("promptops.store.drift_postgres.PAUSE", 0.0)
    assert night.drift("--require-state", days=1) == 10
    told = capsys.readouterr()
    assert "cannot be reached" in told.err
    assert "horse" not in told.out + told.err


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("postgresql://u:hunter2@db.example/x", "holds a password"),
        ("redis://db.example/0", "cannot be kept by 'redis'"),
        ("https://db.example/x", "cannot be kept by 'https'"),
    ],
)
def test_what_can_not_keep_the_log_is_a_mistake_of_the_configuration(
    night: Night, capsys: pytest.CaptureFixture[str], state: str, said: str
) -> None:
    assert night.drift("status", "--state", state) == 2
    found = capsys.readouterr().err
    assert said in found
    assert "hunter2" not in found
