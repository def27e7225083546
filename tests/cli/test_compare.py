"""`promptops compare`, on a real HTTP server whose models differ in quality, price and trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from promptops.cli.main import run
from promptops.cli.progress import RunProgress
from promptops.core.plan import case_order
from promptops.models import Pin
from promptops.runner.compare import comparison_of
from promptops.runner.events import Event
from promptops.runner.session import Session
from promptops.testing import Answer, LoopbackServer, TemporaryProject
from tests.accidents.world import NEVER, wait_until

CASES = 120
TEMPLATE = (
    "---\nmodel: acme/large-1\nparams: {temperature: 0.0, max_tokens: 20}\n---\n"
    "{% user %}number {{ text }}{% enduser %}"
)
PRICES = (
    '[tool.promptops.prices]\n"acme/large-1" = [2.0, 8.0]\n"acme/small-1" = [0.2, 0.8]\n"acme/tiny-1" = [0.02, 0.08]\n'
)


class Models:
    """What each model does: `wrong` names cases by model, `broken` statuses, `delay` seconds before it answers.

    What is asked beyond `enough` requests gets no answer: a loop has no way to get ahead of whoever is to stop it.
    """

    def __init__(self) -> None:
        self.wrong: dict[str, set[int]] = {"tiny-1": set(range(0, CASES, 2))}
        self.broken: dict[str, int] = {}
        self.delay: dict[str, float] = {}
        self.text: dict[str, str] = {}
        self.usage: tuple[int, int] = (100, 10)
        self.asked, self.enough = 0, float("inf")

    def __call__(self, asked: dict[str, Any]) -> Answer:
        model, number = asked["model"], int(asked["messages"][-1]["content"].split()[-1])
        self.asked += 1
        delay = self.delay.get(model, 0.0) if self.asked <= self.enough else NEVER
        if model in self.broken:
            return Answer(status=self.broken[model], error=f"{model} has trouble", delay=delay)
        text = json.dumps({"n": number if number not in self.wrong.get(model, set()) else str(number)})
        return Answer(self.text.get(model, text), usage=self.usage, delay=delay)


class World:
    def __init__(self, path: Path, server: LoopbackServer, models: Models) -> None:
        self.server, self.models, self.files = server, models, TemporaryProject(path)
        self.files.provider("acme", server.base_url, concurrency=8, retries=0)
        self.files.config(PRICES)
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        self.files.prompt(
            "count",
            versions={"v1": TEMPLATE},
            yaml="inputs:\n  text: string\noutput: schema.json\nchecks: [schema, matches]\n",
            files={"schema.json": json.dumps(schema)},
        )
        rows = [{"id": f"c{n}", "inputs": {"text": str(n)}, "expected": {"n": n}} for n in range(CASES)]
        self.files.dataset(
            "count", [{**row, "tags": ["few"]} if number < 3 else row for number, row in enumerate(rows)]
        )
        self.files.git_init()

    def asked(self, model: str) -> int:
        return sum(received.json["model"] == model for received in self.server.requests)


@pytest.fixture
def world(in_folder: Path) -> Iterator[World]:
    models = Models()
    with LoopbackServer(models) as server:
        yield World(in_folder, server, models)


def compared(capsys: pytest.CaptureFixture[str], models: str, *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["compare", "count", "--models", models, "--json", *options])
    found = json.loads(capsys.readouterr().out)
    return code, {**found, "row": {row["pin"]: row for row in found["models"]}}


def test_the_cheapest_that_is_shown_to_be_not_worse_is_enough(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "count", "--models", "acme/small-1, acme/tiny-1"]) == 0
    out, err = capsys.readouterr()
    assert "asking 360 requests" in err
    assert "count@v1 on 3 models, 120 cases (mode new)" in out
    assert " > acme/large-1   100.0%  96.9 to 100.0   0.2800" in out
    assert max(map(len, out.splitlines())) <= 80
    out = " ".join(out.split())
    assert "not worse acme/small-1: +0.0 points" in out
    assert "worse acme/tiny-1: -50.0 points" in out
    assert "enough: acme/small-1, the cheapest that is shown to be not worse by 5 points: $0.0280 per 1,000" in out
    assert "instead of $0.2800 (-90 %)" in out
    assert "next: promptops models --successor --prompt count --to acme/small-1" in out
    assert "verdict: PASS next:" in out


def test_long_names_lose_their_middle_stay_distinct_and_are_explained(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = [f"acme/{'a-name-without-end-' * 4}{kind}-but-alike-to-the-last-letter" for kind in ("one", "two")]
    run(["compare", "count", "--models", ",".join(pins), "--limit", "4"])
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if "100.0%" in line and " to " in line and "points" not in line]
    assert [len(line) <= 80 for line in table] == [True] * 3
    names = [line[3:].split()[0] for line in table]
    assert len(set(names)) == 3
    assert [name[-2:] for name in names if "…" in name] == ["~2", "~3"] or all("~" in name for name in names[1:])
    joined = " ".join(" ".join(lines).split())
    for pin in pins:
        assert f"= {pin}" in joined


def test_the_document_has_everything_the_verdict_rests_on(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = compared(capsys, "acme/small-1,acme/tiny-1", "--mode", "live")
    assert (code, found["verdict"], found["enough"], found["current"]) == (0, "pass", "acme/small-1", "acme/large-1")
    tiny = found["row"]["acme/tiny-1"]
    assert (tiny["quality"], tiny["measured"], tiny["validation_rate"]) == (0.5, CASES, 0.5)
    assert tiny["cost_per_1000"] == pytest.approx(1000 * (100 * 0.02 + 10 * 0.08) / 1e6)
    assert tiny["latency"]["source"] == "live"
    assert 0 < tiny["latency"]["p50"] <= tiny["latency"]["p95"]
    assert tiny["against_current"]["shown"] == "worse"
    assert found["pareto"] == ["acme/tiny-1", "acme/small-1"]
    assert len(found["scores"]) == CASES
    assert sum(row["scores"]["acme/tiny-1"] for row in found["scores"]) == CASES / 2
    assert found["spent"] == pytest.approx(CASES * sum(row["cost_per_1000"] for row in found["models"]) / 1000)
    assert not world.files.git("status", "--short")


def test_new_asks_only_for_what_is_not_recorded_and_recorded_latencies_say_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "count", "--models", "acme/small-1"]) == 0
    before = world.server.count
    assert run(["compare", "count", "--models", "acme/small-1,acme/tiny-1"]) == 0
    assert world.server.count == before + CASES
    capsys.readouterr()
    assert run(["compare", "count", "--models", "acme/small-1,acme/tiny-1", "--mode", "replay"]) == 0
    assert "* of recorded replies: this model was not asked now" in capsys.readouterr().out
    assert world.server.count == before + CASES
    _, found = compared(capsys, "acme/small-1", "--mode", "replay")
    assert {row["latency"]["source"] for row in found["models"]} == {"recorded"}


def test_the_models_of_a_case_are_asked_next_to_each_other_and_take_turns(world: World) -> None:
    session = Session(world.files.project, "live", {})
    pins = [Pin("acme", "small-1"), Pin("acme", "tiny-1")]
    planned = list(comparison_of(session, "count", "v1", pins, seed=5).plan({}))
    rounds = [planned[place : place + 3] for place in range(0, 3 * CASES, 3)]
    assert all(len({one.key.case for one in group}) == 1 for group in rounds)
    assert all(len({one.key.pin for one in group}) == 3 for group in rounds)
    assert [group[0].key.pin for group in rounds[:4]] == ["acme/large-1", "acme/small-1", "acme/tiny-1", "acme/large-1"]
    assert [group[0].key.case for group in rounds] == case_order([f"c{n}" for n in range(CASES)], 5)


@pytest.mark.parametrize(("status", "kind"), [(404, "not_found"), (403, "auth"), (400, "request"), (503, "server")])
def test_a_model_in_trouble_is_a_row_that_says_so_and_the_others_go_on(
    world: World, capsys: pytest.CaptureFixture[str], status: int, kind: str
) -> None:
    world.models.broken = {"tiny-1": status}
    code, found = compared(capsys, "acme/tiny-1,acme/small-1")
    assert (code, found["verdict"], found["unmeasured"]) == (10, "unmeasurable", ["acme/tiny-1"])
    assert found["enough"] == "acme/small-1"
    row = found["row"]["acme/tiny-1"]
    assert (row["quality"], row["failures"]) == (None, {kind: CASES})
    assert "tiny-1 has trouble" in row["problem"]
    assert world.asked("tiny-1") < 60
    assert world.asked("small-1") == CASES


def test_without_the_current_model_nobody_else_is_asked_for_long(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.models.broken, world.models.delay = {"large-1": 404}, {"small-1": 0.5}
    assert run(["compare", "count", "--models", "acme/small-1"]) == 10
    assert "there is nothing to compare with" in capsys.readouterr().out
    assert world.asked("small-1") < CASES
    world.models.broken, world.models.delay = {}, {}
    before = world.server.count
    assert run(["compare", "count", "--models", "acme/small-1"]) == 0
    assert world.server.count <= before + 2 * CASES


def test_a_model_that_refuses_a_param_is_a_row_and_is_not_asked(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody-asks-with-this")
    code, found = compared(capsys, "openai/gpt-5-2025-08-07,acme/small-1")
    assert (code, found["enough"]) == (10, "acme/small-1")
    row = found["row"]["openai/gpt-5-2025-08-07"]
    assert "temperature" in row["problem"]
    assert row["against_current"] is None


def test_a_provider_without_its_key_is_a_row(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MISTRAL_API_KEY", raising=False)
    code, found = compared(capsys, "mistral/mistral-small-2603,acme/small-1")
    assert (code, found["unmeasured"]) == (10, ["mistral/mistral-small-2603"])
    assert "MISTRAL_API_KEY" in found["row"]["mistral/mistral-small-2603"]["problem"]


def test_a_model_that_was_shut_down_is_said_before_and_after(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.models.broken = {"gpt-4-32k-0613": 404}
    assert run(["compare", "count", "--models", "acme/gpt-4-32k-0613"]) == 10
    out, err = capsys.readouterr()
    assert "notice: acme/gpt-4-32k-0613 was shut down on" in err
    assert "acme/gpt-4-32k-0613 was shut down on" in out


def test_an_unknown_price_is_never_taken_for_free(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = compared(capsys, "acme/secret-1")
    row = found["row"]["acme/secret-1"]
    assert (code, row["cost_per_1000"], row["pareto"], found["enough"]) == (11, None, False, "acme/large-1")
    assert run(["compare", "count", "--models", "acme/secret-1"]) == 11
    assert "acme/secret-1: its price is not known" in capsys.readouterr().out


def test_garbage_is_a_bad_model_and_harmless(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.models.text = {"tiny-1": "\x1b[31m\n::error::no"}
    assert run(["compare", "count", "--models", "acme/tiny-1"]) == 0
    out = capsys.readouterr().out
    assert "worse         acme/tiny-1: -100.0 points" in out
    assert "\x1b" not in out


def test_too_few_cases_leave_it_undecided_and_say_how_many_more(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", "count", "--models", "acme/small-1", "--limit", "20"]) == 11
    out = capsys.readouterr().out
    assert "partial: 20 of 120" in out
    assert "undecided     acme/small-1" in out
    assert "more cases would settle it" in out
    assert "still open: acme/small-1 (cheaper, and undecided)" in out
    assert "next:" not in out


def test_one_case_is_measured_and_decides_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = compared(capsys, "acme/small-1,acme/tiny-1", "--limit", "1")
    assert (code, found["verdict"]) == (11, "inconclusive")


def test_several_samples_of_a_case_are_one_unit(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = compared(capsys, "acme/small-1", "--samples", "3", "--mode", "live")
    assert (code, found["cases"]["samples"], found["test"]["at_full_n"]) == (0, 3, "bounded mean")
    assert found["row"]["acme/small-1"]["measured"] == CASES
    assert found["row"]["acme/small-1"]["interval"][0] == pytest.approx(0.969, abs=0.001)


def test_it_stops_where_the_money_ends_and_goes_on_later(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.models.enough = 2 * 20 + 2  # the money is for 19 and a half
    code, found = compared(capsys, "acme/small-1", "--mode", "live", "--max-cost", "0.006", "--concurrency", "1")
    asked, world.models.enough = world.server.count, float("inf")
    assert code == 11
    assert 0 < found["cases"]["asked"] < CASES
    assert asked < CASES
    code, found = compared(capsys, "acme/small-1", "--mode", "live")
    assert (code, found["cases"]["asked"]) == (0, CASES)
    assert world.server.count - 2 * CASES in (0, 1), "what was in flight may have had no answer"


def test_a_budget_is_held_and_what_is_left_is_unmeasurable(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = compared(capsys, "acme/small-1", "--budget-requests", "100")
    assert (code, found["verdict"]) == (10, "unmeasurable")
    assert world.server.count == 100
    assert compared(capsys, "acme/small-1")[0] == 0
    assert world.server.count == 2 * CASES


@pytest.mark.parametrize("mode", ["live", "new"])
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    progress = RunProgress.__call__

    def impatient(self: RunProgress, event: Event) -> None:
        progress(self, event)
        if self.done >= 50:
            wait_until(lambda: world.server.count == 52)
            raise KeyboardInterrupt

    command = ["compare", "count", "--models", "acme/small-1", "--mode", mode, "--concurrency", "2"]
    world.models.enough = 50
    with monkeypatch.context() as patch:
        patch.setattr(RunProgress, "__call__", impatient)
        assert run(command) == 130
    world.models.enough = float("inf")
    assert "the same command goes on from there" in capsys.readouterr().err
    assert 50 <= world.server.count < 2 * CASES
    assert run(command) == 0
    assert world.server.count <= 2 * CASES + 2


def test_the_same_command_says_the_same(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.models.wrong["small-1"] = {3, 4, 50}
    first = compared(capsys, "acme/small-1,acme/tiny-1")[1]
    again = compared(capsys, "acme/small-1,acme/tiny-1", "--mode", "replay")[1]
    assert [row["against_current"] for row in first["models"]] == [row["against_current"] for row in again["models"]]
    assert first["scores"] == again["scores"]


def test_the_drawing_is_svg_with_every_model_and_runs_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "count", "--models", "acme/small-1,acme/tiny-1,acme/a<script>&-1", "--svg", "out/c.svg"]
    assert run(command) == 11
    text = world.files.read("out/c.svg")
    root = ElementTree.fromstring(text)
    words = " ".join(root.itertext())
    assert all(name in words for name in ("acme/large-1", "acme/small-1", "acme/tiny-1", "acme/a<script>&-1"))
    assert not [node for node in root.iter() if node.tag.rpartition("}")[2] == "script"]
    assert "prefers-color-scheme: dark" in text
    assert "drawn: out/c.svg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["count", "--models", ""], "empty name"),
        (["count", "--models", "acme/small-1,,acme/tiny-1"], "empty name"),
        (["count", "--models", "small"], "'small' is not a pin"),
        (["count", "--models", "small,tiny"], "'tiny' is not a pin"),
        (["count", "--models", "openai/gpt-4.1-mini"], "gpt-4.1-mini-2025-04-14"),
        (["count", "--models", "acne/small-1"], "did you mean 'acme'"),
        (["count", "--models", "acme/large-1"], "names only acme/large-1"),
        (["count@v9", "--models", "acme/small-1"], "v9"),
        (["nothing", "--models", "acme/small-1"], "nothing"),
        (["count", "--models", "acme/small-1", "--mode", "old"], "--mode"),
        (["count", "--models", "acme/small-1", "--svg", "c.png"], ".svg"),
        (["count", "--models", "acme/small-1", "--tag", "none"], "no case"),
        (["count", "--models", "acme/small-1", "--budget", "-1"], "--budget"),
        (["count", "--models", "acme/small-1", "--resume"], "no run of this plan"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    world: World, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["compare", *options]) == 2
    assert said in capsys.readouterr().err
    assert world.server.count == 0


def test_a_local_model_that_is_not_here_is_a_row_with_the_command_that_fetches_it(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMPTOPS_CACHE_DIR", str(tmp_path / "empty"))
    code, found = compared(capsys, "local/smollm2-135m-instruct@b179c9523d0e,acme/small-1")
    row = found["row"]["local/smollm2-135m-instruct@b179c9523d0e"]
    assert (code, row["quality"]) == (10, None)
    assert row["hint"] == "promptops models pull smollm2-135m-instruct"
    assert found["enough"] == "acme/small-1"


def test_the_served_version_is_compared_and_the_newest_where_none_is(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.files.prompt("count", versions={"v2": TEMPLATE.replace("number", "the number")})
    assert compared(capsys, "acme/small-1")[1]["version"] == "v2"
    assert run(["run", "count@v1"]) == 0
    world.files.commit("Recordings")
    assert run(["adopt", "count@v1"]) == 0
    code, found = compared(capsys, "acme/small-1")
    assert (code, found["version"]) == (0, "v1")
    assert run(["compare", "count", "--models", "acme/small-1"]) == 0
    assert "next: a new version of count like v1 with `model: acme/small-1`, and its canary" in capsys.readouterr().out
