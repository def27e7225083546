"""`promptops compare` where cases have clusters, or where a canary would decide by more than the pass rate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.cli.main import run
from promptops.testing import LoopbackServer
from tests.cli.test_compare import CASES, Models, World


@pytest.fixture
def world(in_folder: Path) -> Iterator[World]:
    models = Models()
    with LoopbackServer(models) as server:
        yield World(in_folder, server, models)


def clustered(world: World, clusters: int) -> None:
    rows = [
        {"id": f"c{n}", "inputs": {"text": str(n)}, "expected": {"n": n}, "cluster": f"d{n % clusters}"}
        for n in range(CASES)
    ]
    world.files.dataset("count", rows)


def compare(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    capsys.readouterr()
    code = run(["compare", "count", "--models", "acme/tiny-1", *options])
    return code, "".join(capsys.readouterr())


def test_the_cases_of_a_cluster_count_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Two of 24 clusters fail whole: ten cases of 120 would be shown worse, two clusters are not."""
    clustered(world, 24)
    world.models.wrong["tiny-1"] = {n for n in range(CASES) if n % 24 in (3, 4)}
    code, out = compare(capsys)
    assert "the cases of a cluster count once: 24 units" in out
    assert "undecided     acme/tiny-1" in out
    assert code == 11


def test_fewer_than_twenty_clusters_are_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    clustered(world, 12)
    world.models.wrong["tiny-1"] = set()
    _, out = compare(capsys)
    assert "12 units, fewer than 20: none can be shown to be not worse" in out
    assert "undecided     acme/tiny-1" in out


def test_the_json_says_how_many_clusters_and_which_tests(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    clustered(world, 24)
    run(["compare", "count", "--models", "acme/tiny-1", "--json"])
    test = json.loads(capsys.readouterr().out)["test"]
    assert (test["clusters"], test["at_full_n"], test["worse"]) == (24, "bounded mean", "sign flips")


def test_another_primary_metric_is_told_to_be_the_canarys(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = (Path("prompts") / "count" / "prompt.yaml").read_text("utf-8")
    world.files.prompt("count", versions={}, yaml=yaml + "canary: {primary: score}\n")
    _, out = compare(capsys)
    assert "models are compared by their pass rate alone" in out
