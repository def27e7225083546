from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main, parse, sections


def test_bare_loops_take_turns_and_every_case_is_counted_at_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--cases", "20", "--many", "0", "--rounds", "2", "--latency", "1ms", "--concurrency", "4"]
    assert (
        main([*small, "--only", "asyncio", "--json", str(tmp_path / "b.json"), "--svg", str(tmp_path / "b.svg")]) == 0
    )
    printed = capsys.readouterr()
    assert "side by side: 20 cases, 4 in flight" in printed.out
    assert "side by side: round 2 of 2, asyncio streams" in printed.err
    (section,) = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["sections"]
    assert [row["name"] for row in section["rows"]] == ["asyncio streams", "aiohttp"]
    for row in section["rows"]:
        assert (row["problem"], row["requests"], len(row["runs"])) == ("", 20, 2)
        assert 0 < row["peak"] <= 4
        assert row["rss"] > 5_000_000
    assert (tmp_path / "b.svg").read_text(encoding="utf-8").startswith("<svg ")


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ([], ["start", "side by side", "replay", "live, many cases", "live, 128 in flight", "live, 256 in flight"]),
        (["--concurrency", "8,16"], ["start", "side by side", "replay", "live, many cases", "live, 16 in flight"]),
        (["--quick"], ["start", "side by side", "replay"]),
    ],
)
def test_the_sections_of(arguments: list[str], keys: list[str]) -> None:
    found = [section.key for section in sections(parse(arguments))]
    assert [key for key in found if key != "replay, many cases"] == keys
    assert ("replay, many cases" in found) == ("--quick" not in arguments)


def test_who_is_not_chosen_is_left_out_but_for_what_all_are_measured_against() -> None:
    chosen = [section for section in sections(parse(["--only", "deepeval"])) if section.contestants]
    assert [[one.name for one in section.contestants] for section in chosen] == [["aiohttp", "deepeval"]]
