"""Equal requests on a real server, counted there: within a run, across runs, and what copies are good for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.cli.main import run
from tests.cli.world import World

ROWS = 12
TIMED = "inputs:\n  text: string\nchecks:\n  - contains: answer\n  - max_latency: 60s\n"


@pytest.fixture
def twins(world: World) -> World:
    """A dataset in which every text stands three times."""
    world.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": str(n % (ROWS // 3))}} for n in range(ROWS)])
    return world


def asked(world: World, *arguments: str) -> int:
    """Run, and count the requests at the server."""
    before = world.server.count
    assert run(["run", "greet@v1", "--mode", "live", "--no-evidence", *arguments]) == 0
    return world.server.count - before


def sources(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    found: dict[str, int] = json.loads(capsys.readouterr().out)["versions"][0]["summary"]["sources"]
    return found


def test_equal_requests_are_asked_once_and_the_summary_says_how_many_were_copied(
    twins: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(twins) == 4
    out, err = capsys.readouterr()
    assert "cached 8 of 12 (67 %)" in err
    assert "8 cached, 4 live" in out
    assert not (twins.files.path / ".promptops" / "cache.db").exists()


def test_no_cache_asks_for_every_sample(twins: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(twins, "--no-cache") == ROWS
    assert "cached" not in "".join(capsys.readouterr())


def test_samples_of_one_case_are_never_copies_of_each_other(twins: World) -> None:
    assert asked(twins, "--samples", "2") == 8


def test_with_cache_a_second_run_asks_nothing(twins: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(twins, "--cache") == 4
    capsys.readouterr()
    assert asked(twins, "--cache", "--json") == 0
    assert sources(capsys) == {"cached": ROWS}
    assert asked(twins) == 4, "without the option nothing of earlier runs is used"


def test_the_project_can_want_the_cache_and_a_run_refuse_it(twins: World) -> None:
    twins.files.config("[tool.promptops.cache]\n")
    assert [asked(twins), asked(twins), asked(twins, "--no-cache")] == [4, 0, ROWS]


def test_record_asks_afresh_and_fills_the_cache(twins: World) -> None:
    asked(twins, "--cache")
    before = twins.server.count
    assert run(["run", "greet@v1", "--mode", "record", "--cache", "--no-evidence"]) == 0
    assert twins.server.count - before == 4


def test_another_endpoint_is_asked_itself(twins: World) -> None:
    asked(twins, "--cache")
    twins.files.write("pyproject.toml", twins.files.read("pyproject.toml").replace("127.0.0.1", "localhost"))
    assert asked(twins, "--cache") == 4


def test_where_latency_is_judged_every_sample_is_asked(twins: World) -> None:
    twins.files.write("prompts/greet/prompt.yaml", TIMED)
    assert asked(twins, "--cache") == asked(twins, "--cache") == ROWS


def test_copies_are_recorded_as_copies_and_replayed_as_copies(twins: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "greet@v1"]) == 0
    lines = twins.recorded("v1")
    assert len(lines) == ROWS
    assert sum(line.get("cached", False) for line in lines) == 8
    (record,) = twins.evidence("v1")["runs"]
    assert len(record["outcomes"]) == ROWS, "copies of this run's own replies are no reason to distrust it"
    capsys.readouterr()
    assert run(["run", "greet@v1", "--mode", "replay", "--json"]) == 0
    assert sources(capsys) == {"cached": 8, "recorded": 4}
    assert run(["verify"]) == 0
    twins.files.write("prompts/greet/prompt.yaml", TIMED)
    assert run(["run", "greet@v1", "--mode", "replay"]) == 10
    assert "c11  max_latency: the latency was not measured" in capsys.readouterr().out


def test_what_came_out_of_the_cache_is_no_evidence(twins: World, capsys: pytest.CaptureFixture[str]) -> None:
    asked(twins, "--cache")
    capsys.readouterr()
    assert run(["run", "greet@v1", "--cache", "--mode", "live"]) == 0
    assert "so this is no evidence: run it with --no-cache" in capsys.readouterr().out
    assert not twins.evidence("v1")
    assert run(["run", "greet@v1", "--mode", "live"]) == 0
    assert len(twins.evidence("v1")["runs"]) == 1


def test_a_canary_and_drift_ask_for_every_sample_and_count_no_recorded_copy(
    twins: World, capsys: pytest.CaptureFixture[str]
) -> None:
    twins.files.config("[tool.promptops.cache]\n")
    asked(twins)
    twins.serve("v1", "--mode", "record")
    before = twins.server.count
    run(["canary", "greet@v2"])
    assert twins.server.count - before == 2 * ROWS
    before = twins.server.count
    capsys.readouterr()
    assert run(["drift", "greet", "--json"]) == 10
    assert twins.server.count - before == ROWS
    (night,) = json.loads(capsys.readouterr().out)["endpoints"]
    assert (night["measured"], night["missing"]) == (4, 8)


def test_copies_in_recordings_are_no_pairs_of_a_canary(twins: World, capsys: pytest.CaptureFixture[str]) -> None:
    twins.serve()
    run(["run", "greet@v2"])
    capsys.readouterr()
    run(["canary", "greet@v2", "--mode", "replay", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert _measured(document) == 4


def _measured(document: dict[str, Any]) -> int:
    found: int = document["decision"]["measured"] if "decision" in document else document["measured"]
    return found


def test_a_server_that_is_not_there_stops_no_run(twins: World, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("redis")
    twins.files.config('[tool.promptops.cache]\nurl = "redis://127.0.0.1:1/0"\n')
    assert asked(twins) == 4
    (told,) = [record.getMessage() for record in caplog.records if "cache" in record.getMessage()]
    assert told.startswith("redis://127.0.0.1:1/0 cannot be used as a cache")
    assert told.endswith("this run goes on without the cache")


def test_a_url_that_is_no_redis_is_told_before_anything_is_asked(
    twins: World, capsys: pytest.CaptureFixture[str]
) -> None:
    twins.files.config('[tool.promptops.cache]\nurl = "memcached://127.0.0.1"\n')
    assert run(["run", "greet@v1"]) == 2
    assert "names no Redis" in capsys.readouterr().err
    assert twins.server.count == 0


def test_stats_and_clear(twins: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache", "stats"]) == 0
    assert "0 replies, 0.0 of at most 512 MB" in capsys.readouterr().out
    asked(twins, "--cache")
    capsys.readouterr()
    assert run(["cache", "stats", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["entries"], document["ttl"], document["used"]) == (4, "168h", False)
    assert document["where"].endswith("cache.db")
    assert run(["cache", "clear", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == 4
    assert run(["cache", "clear"]) == 0
    assert "removed 0 replies" in capsys.readouterr().out
    assert asked(twins, "--cache") == 4
