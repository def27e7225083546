"""`[canary]`: the newest version against what is served, where prompt.yaml has `canary`."""

from __future__ import annotations

import pytest

from promptops.testing import LoopbackServer
from tests.plugin.world import World

CASES = 30
YES = {f"c{number}": "yes" for number in range(1, CASES + 1)}
WIDE = "canary: {delta: 0.2}\n"


def compared(world: World, candidate: dict[str, str], *, yaml: str = WIDE, samples: int = 1) -> None:
    """v1 is served and right everywhere, v2 is recorded with these answers."""
    world.greeting(versions=2, cases=CASES, yaml=yaml)
    world.record("v1", {case: [text] * samples for case, text in YES.items()})
    world.serve("v1")
    world.record("v2", {case: [text] * samples for case, text in candidate.items()})


@pytest.mark.parametrize(
    ("wrong", "standing", "code", "told"),
    [
        (0, "passed", 0, "PASS: shown to be not worse by 20 points"),
        (20, "broke", 1, "REGRESS: "),
        (4, "undecided", 1, "INCONCLUSIVE: neither worse"),
    ],
)
def test_recordings_of_both_sides_are_compared_and_labelled(
    world: World, wrong: int, standing: str, code: int, told: str
) -> None:
    compared(world, {**YES, **{f"c{number}": "no" for number in range(1, wrong + 1)}})

    result = world.run("--promptops")

    out = result.stdout.str()
    assert result.ret == code
    assert f"greeting@v2 [canary]: {standing}" in out
    assert told in out
    assert "against v1, both sides replayed from recordings" in out


def test_alone_an_undecided_canary_ends_in_eleven(world: World) -> None:
    """Known failures keep the cases green; what they come to is not decided."""
    compared(world, {**YES, "c1": "no", "c2": "no", "c3": "no"})
    world.accept("v2")

    result = world.run("--promptops")

    assert result.ret == 11
    assert result.parseoutcomes()["undecided"] == 1


def test_without_recordings_of_the_candidate_it_is_unmeasurable(world: World) -> None:
    compared(world, {})

    result = world.run("--promptops", "-rs")

    assert result.ret == 10
    assert "greeting@v2 [canary]: unmeasurable" in result.stdout.str()


def test_a_part_of_the_cases_does_not_gate(world: World) -> None:
    compared(world, dict.fromkeys(YES, "no"))

    result = world.run("--promptops", "prompts/greeting/v2.j2", "-k", "canary or c17")

    assert "partial: 1 of 30 cases are selected" in result.stdout.str()
    assert "select them all: pytest --promptops prompts/greeting/v2.j2" in result.stdout.str()


@pytest.mark.parametrize(("answer", "code", "standing"), [("yes", 0, "passed"), ("no", 1, "broke")])
def test_alone_it_replays_what_is_recorded_and_decides(world: World, answer: str, code: int, standing: str) -> None:
    """What was selected by its name must not be green because nothing else was."""
    compared(world, dict.fromkeys(YES, answer))

    result = world.run("--promptops", "prompts/greeting/v2.j2", "-k", "canary")

    assert result.ret == code
    assert f"greeting@v2 [canary]: {standing}" in result.stdout.str()
    assert "exact sequential sign test: error spent" in result.stdout.str()


def test_of_the_candidate_alone_the_baseline_is_replayed_and_said_so(world: World) -> None:
    compared(world, YES)

    result = world.run("--promptops", "--promptops-select", "candidate", "--promptops-mode", "replay")

    assert result.ret == 0
    assert "greeting@v2 [canary]: passed" in result.stdout.str()


def test_guardrails_decide_it_too(world: World) -> None:
    compared(world, {**YES, "c1": "yes"}, yaml="canary: {delta: 0.2, guardrails: {length: {margin: 10%}}}\n")

    out = world.run("--promptops").stdout.str()

    assert "greeting@v2 [canary]: passed" in out
    assert "length, down" in out


def test_warn_only_is_green_and_says_so(world: World) -> None:
    compared(world, dict.fromkeys(YES, "no"), yaml="canary: {warn_only: true}\n")
    world.accept("v2")

    result = world.run("--promptops")

    assert result.ret == 0
    assert "WARN ONLY, so it is green: REGRESS" in result.stdout.str()


@pytest.mark.parametrize("yaml", ["", "pass_rate: 0.5\n"])
def test_without_canary_in_prompt_yaml_there_is_none(world: World, yaml: str) -> None:
    compared(world, YES, yaml=yaml)

    assert "[canary]" not in world.run("--promptops").stdout.str()


def test_what_is_served_has_none(world: World) -> None:
    world.greeting(cases=CASES, yaml=WIDE)
    world.record("v1", YES)
    world.serve("v1")

    assert "[canary]" not in world.run("--promptops").stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_live_it_asks_nothing_of_its_own(world: World, workers: tuple[str, ...]) -> None:
    compared(world, YES)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live", *workers)

        assert server.count == 2 * CASES
    assert result.ret == 0
    assert "greeting@v2 [canary]: passed" in result.stdout.str()
    assert "both sides of a case as this session asked them, next to each other" in result.stdout.str()


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("-x",), ("--maxfail=3", "-n", "2")])
def test_live_both_sides_of_a_case_are_asked_next_to_each_other(world: World, options: tuple[str, ...]) -> None:
    """Not where a first failure may end the run: then nothing is asked before its turn."""
    compared(world, YES)
    with LoopbackServer("yes") as server:
        world.project.provider("test", server.base_url, concurrency=1)

        result = world.process("--promptops-mode", "live", *options)

        asked = [received.json["messages"][-1]["content"].split(": ") for received in server.requests]
    assert (result.ret, len(asked)) == (0, 2 * CASES)
    pairs = list(zip(asked[::2], asked[1::2], strict=True))
    if options and options[0] != "-n":
        assert [version for version, _ in asked] == ["Version 1"] * CASES + ["Version 2"] * CASES
        assert "one after the other and not interleaved" in result.stdout.str()
    else:
        assert all(one[1] == other[1] for one, other in pairs)
        assert [one[0] for one, _ in pairs] == ["Version 1", "Version 2"] * (CASES // 2)
        assert [other[0] for _, other in pairs] == ["Version 2", "Version 1"] * (CASES // 2)


def test_live_a_worse_candidate_is_red_once_more_than_its_cases(world: World) -> None:
    compared(world, YES)
    with LoopbackServer(lambda asked: "no" if "Version 2" in str(asked) else "yes") as server:
        world.project.provider("test", server.base_url)

        result = world.process("--promptops-mode", "live")

    assert result.parseoutcomes() == {"passed": CASES, "failed": CASES + 1}
    assert "FAILED prompts/greeting/v2.j2::test/model-1::[canary]" in result.stdout.str()


@pytest.mark.parametrize("workers", [("-n0",), ("-n2",)], ids=["no-workers", "two-workers"])
def test_one_line_of_a_red_canary_says_why_whoever_ran_it(world: World, workers: tuple[str, ...]) -> None:
    compared(world, dict.fromkeys(YES, "no"))

    result = world.run("--promptops", *workers, "--junitxml=found.xml", "-q")

    failed = next(line for line in result.outlines if line.startswith("FAILED") and "[canary]" in line)
    assert " - canary: REGRESS" in failed
    assert 'message="canary: REGRESS: ' in (world.pytester.path / "found.xml").read_text()
    assert "CANARY: greeting@v2" in result.stdout.str()


def test_a_candidate_that_its_canary_lets_in_may_be_worse_than_the_anchor(world: World) -> None:
    """v2 breaks five of thirty and is served; v3 breaks one more."""
    wrong = {f"c{number}": "no" for number in range(1, 6)}
    world.greeting(versions=3, cases=CASES, yaml="canary: {delta: 0.2, anchor: v1}\n")
    world.record("v1", YES)
    world.record("v2", {**YES, **wrong})
    world.serve("v2")
    world.record("v3", {**YES, **wrong, "c6": "no"})
    world.accept("v3")

    out = world.run("--promptops").stdout.str()

    assert "greeting@v3 [canary]: passed" in out or "greeting@v3 [canary]: undecided" in out
    assert "anchor: v1 as recorded: 100.0% → 80.0%, -20.0 points" in out
    assert "WORSE beyond chance: 6 broke, 0 fixed of 30" in out
    assert "warning: creep: worse than v1" in out
