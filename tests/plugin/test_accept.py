"""--promptops-accept: the outcomes of this run become the baseline, in a file that is reviewed."""

from __future__ import annotations

import json
from typing import Any

from promptops.testing import LoopbackServer
from tests.plugin.world import World


def accepted(world: World, version: str = "v1") -> dict[str, str]:
    evidence: dict[str, Any] = json.loads(world.project.read(f"prompts/greeting/evidence/{version}.json"))
    return {case: entry["outcome"] for case, entry in evidence["accepted"]["cases"].items()}


def test_what_was_red_is_known_afterwards(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})

    first = world.run("--promptops", "--promptops-accept")

    first.assert_outcomes(passed=2, failed=1)
    first.stdout.fnmatch_lines(["*accepted greeting@v1: 3 new, 0 changed; review and commit evidence/v1.json*"])
    assert accepted(world) == {"c1": "pass", "c2": "fail", "c3": "pass"}
    world.run("--promptops").assert_outcomes(passed=2, xfailed=1)


def test_a_partial_run_accepts_its_own_cases_only(world: World) -> None:
    world.greeting()
    path = world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})
    world.accept("v1")
    path.unlink()
    world.record("v1", {"c1": "no", "c2": "yes", "c3": "no"})

    world.run("--promptops", "--promptops-accept", "-k", "c3")

    assert accepted(world) == {"c1": "pass", "c2": "fail", "c3": "fail"}


def test_errors_and_unmeasured_cases_are_never_accepted(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes"})

    result = world.run("--promptops", "--promptops-accept")

    assert accepted(world) == {"c1": "pass"}
    result.stdout.fnmatch_lines(["*not accepted, nothing was measured: c2 (unmeasurable), c3 (unmeasurable)*"])


def test_it_accepts_what_new_has_just_asked_with_its_recordings(world: World) -> None:
    world.greeting()
    with LoopbackServer("no") as server:
        world.project.provider("test", server.base_url)

        world.process("--promptops-mode", "new", "--promptops-accept")

    evidence = json.loads(world.project.read("prompts/greeting/evidence/v1.json"))
    assert all(len(entry["samples"]) == 1 for entry in evidence["accepted"]["cases"].values())
    world.run("--promptops").assert_outcomes(xfailed=3)


def test_workers_accept_nothing_twice(world: World) -> None:
    world.greeting()
    world.record("v1", {"c1": "yes", "c2": "no", "c3": "yes"})

    world.process("--promptops", "--promptops-accept", "-n", "2")

    assert accepted(world) == {"c1": "pass", "c2": "fail", "c3": "pass"}


def test_accepting_the_same_again_changes_no_byte(world: World) -> None:
    world.greeting()
    world.record("v1", "yes")
    world.run("--promptops", "--promptops-accept")
    before = world.project.read("prompts/greeting/evidence/v1.json")

    result = world.run("--promptops", "--promptops-accept")

    assert world.project.read("prompts/greeting/evidence/v1.json") == before
    result.stdout.fnmatch_lines(["*accepted greeting@v1: the same outcomes as before*"])


def test_without_the_option_no_evidence_is_written(world: World) -> None:
    world.greeting()
    world.record("v1", "yes")
    world.run("--promptops")

    assert not (world.project.path / "prompts/greeting/evidence").exists()
