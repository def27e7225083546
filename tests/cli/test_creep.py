"""`canary: {anchor: v1}`: versions that get worse little by little, each of which its canary lets in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.cli.main import run
from tests.cli.test_canary_metrics import settle
from tests.cli.world import CASES, World

BROKEN = {f"v{version}": {f"c{7 * n % CASES}" for n in range(1, 2 * version - 1)} for version in range(1, 7)}


def served_by_creep(world: World, canary: str = "delta: 0.15\nanchor: v1", *, last: int = 5, extra: str = "") -> None:
    """Serve versions one after the other, each with two broken cases more, up to the one before `last`."""
    world.behaviour.wrong = BROKEN
    template = "{{% system %}}{}{{% endsystem %}}{{% user %}}question {{{{ text }}}}{{% enduser %}}"
    world.files.prompt("greet", versions={f"v{n}": template.format(f"v{n}") for n in range(3, last + 1)})
    settle(world, canary, extra=extra)
    for version in range(2, last):
        assert run(["canary", f"greet@v{version}", "--seed", "1"]) == 0
        world.files.commit("Evidence")
        acks = [f"--ack={case}" for case in BROKEN[f"v{version}"] - BROKEN[f"v{version - 1}"]]
        assert run(["promote", f"greet@v{version}", "--to", "production", *acks]) == 0


def canary(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["canary", "greet@v5", "--json", "--seed", "1", *options])
    return code, json.loads(capsys.readouterr().out)


def test_a_version_that_its_canary_lets_in_is_worse_than_the_first(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    served_by_creep(world)
    before = world.server.count
    code, found = canary(capsys)
    assert (code, found["verdict"]) == (0, "pass")
    beside = found["beside_anchor"]
    assert (beside["version"], beside["verdict"], beside["anchor_rate"]) == ("v1", "regress", 1.0)
    assert beside["candidate_rate"] < 0.9
    assert set(beside["broke"]) <= BROKEN["v5"]
    asked = world.server.count - before
    assert asked == found["samples"]["done"]  # the anchor is replayed, and costs nothing
    assert run(["verify"]) == 0

    (record,) = world.evidence("v5")["canaries"]
    assert (record["anchor"]["side"]["version"], record["anchor"]["verdict"]) == ("v1", "regress")
    world.files.commit("Evidence")
    acks = [f"--ack={case}" for case in BROKEN["v5"] - BROKEN["v4"]]
    assert run(["promote", "greet@v5", "--to", "production", *acks]) == 0
    assert "note: creep: worse than v1, the anchor" in capsys.readouterr().err


def test_it_is_said_beside_the_verdict(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    served_by_creep(world)
    capsys.readouterr()
    assert run(["canary", "greet@v5", "--seed", "1", "--no-evidence"]) == 0
    out = capsys.readouterr().out
    assert "  anchor      v1 as recorded: 100.0% → " in out
    assert "WORSE beyond chance: " in out
    assert "warning: creep: worse than v1, however little each version since was" in out
    assert "--against v1 asks both now" in out
    assert "verdict: PASS" in out


def test_a_forged_verdict_beside_the_anchor_is_found(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    served_by_creep(world, last=3)
    path = "prompts/greet/evidence/v2.json"
    forged = json.loads(world.files.read(path))
    baseline = forged["canaries"][0]["baseline"]
    forged["canaries"][0]["anchor"] = {"side": baseline, "outcomes": {"c0": "pass"}, "verdict": "pass"}
    world.files.write(path, json.dumps(forged))
    capsys.readouterr()
    assert run(["verify"]) == 1
    assert "says pass beside its anchor v1, and its outcomes give" in capsys.readouterr().out


def test_where_the_anchor_is_served_there_is_nothing_more_to_compare(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "delta: 0.15\nanchor: v1")
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["beside_anchor"] is None
    assert "anchor" not in world.evidence("v2")["canaries"][0]


def test_an_anchor_without_recordings_says_how_it_gets_them(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    served_by_creep(world)
    for path in (world.files.path / "fixtures/greet/recordings/v1").glob("*.jsonl"):
        path.unlink()
    capsys.readouterr()
    assert run(["canary", "greet@v5", "--seed", "1", "--no-evidence"]) == 0
    out = capsys.readouterr().out
    assert "anchor      v1 has no recording of these cases: promptops run greet@v1 makes it" in out
    assert "creep" not in out


def test_where_nothing_was_compared_nothing_is_said_of_the_anchor(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    served_by_creep(world, "delta: 0.15\nanchor: v1\nmust_pass: [c0]")
    world.behaviour.wrong = {**BROKEN, "v5": {"c0"}}
    code, found = canary(capsys, "--no-evidence")
    assert (code, found["verdict"], found["beside_anchor"]) == (1, "regress", None)
    world.behaviour.down = {f"c{n}" for n in range(1, CASES)}
    world.behaviour.wrong = BROKEN
    capsys.readouterr()
    assert run(["canary", "greet@v5", "--seed", "3", "--no-evidence"]) == 10
    assert "creep" not in capsys.readouterr().out


def test_an_anchor_that_is_no_version_is_refused_before_anything_is_asked(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "anchor: v9")
    before = world.server.count
    capsys.readouterr()
    assert run(["canary", "greet@v2"]) == 2
    assert "canary.anchor: " in capsys.readouterr().err
    assert world.server.count == before
    assert run(["lint"]) == 1
    assert "canary.anchor: there is no v9" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("canary_settings", "extra"),
    [
        ("delta: 0.15\nanchor: v1\nguardrails:\n  length: {margin: 50%, direction: increase}", ""),
        ("delta: 0.15\nanchor: v1\nprimary: score", ""),
        ("delta: 0.15\nanchor: v1", "samples: 2\n"),
    ],
)
def test_so_it_is_where_figures_decide(
    world: World, capsys: pytest.CaptureFixture[str], canary_settings: str, extra: str
) -> None:
    served_by_creep(world, canary_settings, extra=extra)
    code, found = canary(capsys)
    assert (code, found["beside_anchor"]["verdict"]) == (0, "regress")
    assert [one["name"] for one in found["beside_anchor"]["metric_findings"]] == [found["metrics"][0]["name"]]
    capsys.readouterr()
    assert run(["verify"]) == 0
    assert run(["canary", "greet@v5", "--seed", "1", "--no-evidence"]) in (0, 11)  # a second attempt has to show more
    assert "WORSE beyond chance" in capsys.readouterr().out
