"""Invalid output over real HTTP: asked again with what is wrong, recorded whole, replayed, counted twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject

CASES = 40
GOOD, ZERO, PROSE = '{"n": 3}', '{"n": 0}', "I cannot say"
BAD: dict[str, list[str | Answer]] = {}
"""What a case is answered before the good answer."""

SCHEMA_PY = """
from pydantic import BaseModel, field_validator

class Count(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def positive(cls, value):
        print("checking", value)
        if value < 1:
            raise ValueError("must be positive")
        return value
"""
SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 1}}}'
TEMPLATE = "---\nmodel: test/model-1\nparams: {max_tokens: 20}\n---\n{{ text }}"


def answer(asked: dict[str, Any]) -> Answer | str:
    case = asked["messages"][0]["content"].split()[-1]
    turn = (len(asked["messages"]) - 1) // 2
    before = BAD.get(case, [])
    return before[turn] if turn < len(before) else GOOD


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    BAD.clear()
    with LoopbackServer(answer) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LoopbackServer) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    files.provider("test", server.base_url, retries=0)
    files.config('[tool.promptops.prices]\n"test/model-1" = [1.0, 2.0]')
    prompt(files)
    files.prompt("count", versions={"v1": TEMPLATE}, files={"schema.py": SCHEMA_PY, "schema.json": SCHEMA})
    files.dataset(
        "count", [{"id": f"c{n}", "inputs": {"text": f"case c{n}"}, "expected": {"n": 3}} for n in range(CASES)]
    )
    monkeypatch.chdir(tmp_path)
    return files


def prompt(files: TemporaryProject, *, reask: int = 2, schema: str = "schema.py:Count", more: str = "") -> None:
    yaml = f"inputs: {{text: string}}\noutput: {{schema: {schema}, reask: {reask}}}\n{more}"
    files.prompt("count", versions={}, yaml=yaml)


def ran(capsys: pytest.CaptureFixture[str], *options: str, code: int = 0) -> dict[str, Any]:
    """The version in the JSON document of `promptops run`."""
    capsys.readouterr()
    assert run(["run", "count@v1", "--json", "--no-evidence", *options]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["versions"][0]
    return found


@pytest.mark.parametrize("schema", ["schema.py:Count", "schema.json"])
def test_invalid_output_is_asked_for_again_and_replayed_without_network(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str], schema: str
) -> None:
    prompt(files, schema=schema)
    BAD.update({"c1": [ZERO], "c2": [PROSE, ZERO], "c3": [PROSE, PROSE, PROSE]})
    live = ran(capsys, code=1)
    assert server.count == CASES + 1 + 2 + 2
    summary = live["summary"]
    assert (summary["validated"], summary["invalid_first"], summary["invalid"], summary["asked_again"]) == (40, 3, 1, 5)
    assert (summary["first_pass_rate"], summary["validation_rate"]) == (37 / 40, 39 / 40)
    told = [request.json["messages"] for request in server.requests if len(request.json["messages"]) == 3]
    assert any("n: " in messages[2]["content"] and messages[1]["content"] == ZERO for messages in told)
    assert any("no JSON object" in messages[2]["content"] for messages in told)
    assert {tuple(message["role"] for message in messages) for messages in told} == {("user", "assistant", "user")}
    replayed = ran(capsys, "--mode", "replay", code=1)
    assert server.count == CASES + 5
    same = ("cost", "input_tokens", "output_tokens", "p50", "p95", "invalid", "invalid_first", "asked_again", "passed")
    assert {name: replayed["summary"][name] for name in same} == {name: summary[name] for name in same}


def test_cost_and_tokens_are_the_exact_sums_of_all_requests(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD["c0"] = [Answer(PROSE, usage=(100, 10)), Answer(ZERO, usage=(200, 20))]
    row = ran(capsys, "--limit", "1")["cases"][0]
    last = server.requests[-1].json["messages"]
    words = sum(len(message["content"].split()) for message in last)
    assert (row["input_tokens"], row["output_tokens"]) == (300 + words, 30 + 2)
    assert row["cost"] == pytest.approx((300 + words + 2 * 32) / 1e6, abs=1e-12)
    assert (row["asked_again"], row["invalid_first"], row["invalid"]) == (2, 1, 0)


def test_the_summary_blames_prompt_or_schema_apart_from_the_network(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD.update({"c1": [ZERO], "c2": [PROSE], "c3": [PROSE] * 3, "c4": [Answer(status=400)]})
    assert run(["run", "count@v1", "--no-evidence"]) == 1
    out = capsys.readouterr().out
    assert "output contract: 3 invalid at first, 1 after asking again 4 times, 0 repaired" in out
    assert "3 of 39 answers (7.7%) break the output contract at first: a problem of prompt or schema" in out
    assert "no answer (network or provider)" not in out
    assert "1 request" in out


def test_the_summary_has_the_money_of_conversations_that_failed(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD["c1"] = [Answer(PROSE, usage=(200_000, 10)), Answer(status=400)]
    assert run(["run", "count@v1", "--no-evidence", "--limit", "3"]) == 10
    assert "$0.2000 more for conversations that ended without an answer" in capsys.readouterr().out
    summary = ran(capsys, "--limit", "3", "--mode", "live", "--no-resume", code=10)["summary"]
    assert summary["lost"] == pytest.approx(0.20002)
    assert summary["cost"] < 0.001  # that of answers: budgets are held against it


def test_few_invalid_answers_are_counted_and_blame_nobody(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD.update({"c1": [ZERO], "c2": [ZERO]})
    assert run(["run", "count@v1", "--no-evidence"]) == 0
    out = capsys.readouterr().out
    assert "2 invalid at first, 0 after asking again 2 times" in out
    assert "a problem of prompt or schema" not in out


def test_a_reply_that_was_cut_is_flagged_and_not_asked_for_again(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD["c1"] = [Answer('{"m": 1, "te', finish_reason="length")]
    summary = ran(capsys, code=1)["summary"]
    assert (server.count, summary["cut"], summary["asked_again"], summary["invalid"]) == (CASES, 1, 0, 1)


def test_first_pass_and_final_rate_have_budgets_of_their_own(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt(files, more="budgets: {validation_failure_rate: 0.0, first_pass_failure_rate: 0.02}\n")
    BAD["c1"] = [ZERO]
    suite = ran(capsys, code=1)["suite"]
    assert [(finding["name"], finding["status"]) for finding in suite] == [
        ("validation_failure_rate", "pass"),
        ("first_pass_failure_rate", "fail"),
    ]


def test_without_reask_nothing_is_asked_again(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files.prompt("count", versions={}, yaml="inputs: {text: string}\noutput: schema.py:Count\n")
    BAD["c1"] = [ZERO]
    summary = ran(capsys, code=1)["summary"]
    assert (server.count, summary["invalid"], summary["invalid_first"]) == (CASES, 1, 1)
    assert not any("earlier" in line for line in lines(files))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"schema.py": SCHEMA_PY.replace("must be positive", "must be 1 or more")}, 10),  # the model is told otherwise
        ({"schema.py": SCHEMA_PY.replace("value < 1", "value < 0")}, 1),  # what was invalid is valid, and not expected
        ({"v1.j2": TEMPLATE.replace("{{ text }}", "The {{ text }}")}, 10),
    ],
)
def test_a_stale_conversation_is_noticed_and_asked_anew(
    files: TemporaryProject,
    server: LoopbackServer,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    code: int,
) -> None:
    BAD["c1"] = [ZERO]
    ran(capsys, "--limit", "3")
    asked = server.count
    files.prompt("count", versions={}, files=change)
    assert ran(capsys, "--mode", "replay", "--limit", "3", code=code)["summary"]["cases"] == 3
    assert server.count == asked
    ran(capsys, "--limit", "3", code=0 if code == 10 else 1)
    assert (server.count > asked) == (code == 10)


def test_a_limit_that_is_set_later_asks_for_what_is_not_recorded(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt(files, reask=0)
    BAD["c1"] = [ZERO]
    ran(capsys, "--limit", "3", code=1)
    prompt(files, reask=1)
    ran(capsys, "--mode", "replay", "--limit", "3", code=10)
    ran(capsys, "--limit", "3")
    assert server.count == 3 + 2
    assert [len(line.get("earlier", [])) for line in lines(files)] == [0, 1, 0]


def test_an_edited_answer_in_a_recorded_conversation_is_found(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD["c1"] = [ZERO]
    ran(capsys, "--limit", "3")
    path = next(files.path.glob("fixtures/count/recordings/v1/*.jsonl"))
    path.write_text(path.read_text().replace('"{\\"n\\": 0}"', '"{\\"n\\": 1}"'))
    assert run(["run", "count@v1", "--mode", "replay", "--limit", "3"]) == 1
    assert "edited" in capsys.readouterr().out


def test_the_estimate_and_a_budget_count_on_the_worst(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD.update({f"c{n}": [ZERO, ZERO] for n in range(CASES)})
    assert run(["run", "count@v1", "--no-evidence", "--budget-requests", "10"]) == 10
    assert "asking 40 requests, up to 80 more where an output is invalid" in capsys.readouterr().err
    assert server.count == 10
    assert run(["run", "count@v1", "--no-evidence", "--budget-requests", "200"]) == 0


def test_a_run_that_was_stopped_goes_on_and_asks_nothing_twice(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD.update({"c1": [ZERO], "c2": [ZERO, PROSE]})
    files.config("concurrency = 1")
    assert run(["run", "count@v1", "--mode", "live", "--budget-requests", "12", "--no-evidence"]) == 10
    first = [request.json["messages"] for request in server.requests]
    found = ran(capsys, "--mode", "live")
    again = [request.json["messages"] for request in server.requests[len(first) :]]
    assert not [messages for messages in again if messages in first]
    assert len(first) + len(again) == CASES + 3
    assert found["summary"]["asked_again"] == 3


def test_a_canary_asks_both_sides_again(files: TemporaryProject, server: LoopbackServer) -> None:
    BAD.update({f"c{n}": [ZERO] for n in range(0, CASES, 2)})
    files.git_init()
    assert run(["run", "count@v1"]) == 0
    files.commit("Recordings")
    assert run(["adopt", "count@v1", "--env", "production"]) == 0
    files.prompt("count", versions={"v2": TEMPLATE + " "})
    before = server.count
    assert run(["canary", "count@v2", "--seed", "1"]) in (0, 11)
    assert server.count - before > 2 * 5
    again = [request for request in server.requests[before:] if len(request.json["messages"]) > 1]
    assert again
    released = json.loads((files.path / "prompts/count/released/v1.json").read_text())["closure"]
    assert released["reask"] == 2
    assert run(["verify"]) == 0


def test_a_conversation_that_was_edited_into_another_is_found_by_verify(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    from promptops.store.recording_lines import line_digest

    prompt(files, schema="schema.json")
    BAD["c1"] = [ZERO]
    files.git_init()
    assert run(["run", "count@v1", "--limit", "3"]) == 0
    files.commit("Recordings")
    assert run(["adopt", "count@v1", "--env", "production"]) == 0
    assert run(["verify"]) == 0
    found = lines(files)
    found[1]["earlier"][0]["text"] = PROSE
    for line in found:
        line["digest"] = line_digest(line)
    path = next(files.path.glob("fixtures/count/recordings/v1/*.jsonl"))
    path.write_text("".join(json.dumps(line) + "\n" for line in found))
    capsys.readouterr()
    assert run(["verify"]) == 1
    assert "other requests" in capsys.readouterr().out


def test_drift_does_not_take_asking_again_for_another_tokenizer(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    BAD.update({f"c{n}": [ZERO] for n in range(0, CASES, 2)})
    files.git_init()
    assert run(["run", "count@v1"]) == 0
    files.commit("Recordings")
    assert run(["adopt", "count@v1", "--env", "production"]) == 0
    BAD.clear()
    capsys.readouterr()
    before = server.count
    run(["drift", "count@v1"])
    found = capsys.readouterr()
    assert server.count > before
    assert "other prompt tokens" not in found.out + found.err


def test_a_batch_is_refused_because_it_answers_once(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "count@v1", "--batch"]) == 2
    assert "asks again for invalid output, and a batch answers once" in capsys.readouterr().err
    assert server.count == 0


def lines(files: TemporaryProject) -> list[dict[str, Any]]:
    path = next(files.path.glob("fixtures/count/recordings/v1/*.jsonl"))
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("second", ["test/model-2", "test/model-3"])
def test_a_comparison_asks_every_model_again(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str], second: str
) -> None:
    BAD.update({"c1": [ZERO], "c2": [PROSE, ZERO]})
    command = ["compare", "count@v1", "--models", second, "--json"]
    run(command)
    live = json.loads(capsys.readouterr().out)["models"]
    assert server.count == 2 * (CASES + 1 + 2)
    assert [(row["quality"], row["validation_rate"]) for row in live] == [(1.0, 1.0)] * 2
    run([*command, "--mode", "replay"])
    assert [row["measured"] for row in json.loads(capsys.readouterr().out)["models"]] == [CASES, CASES]
    assert server.count == 2 * (CASES + 1 + 2)


@pytest.mark.parametrize("command", ["compare", "canary"])
def test_answers_of_a_conversation_that_failed_count_towards_max_cost(
    files: TemporaryProject, server: LoopbackServer, command: str
) -> None:
    files.prompt("count", versions={"v2": TEMPLATE})
    BAD.update({f"c{n}": [Answer(PROSE, usage=(100_000, 10), delay=0.2), Answer(status=400)] for n in range(CASES)})
    other = ["--models", "test/model-2"] if command == "compare" else ["--against", "v1", "--no-evidence"]
    run([command, "count@v2", *other, "--max-cost", "0.3", "--concurrency", "1"])
    assert server.count < 3 * CASES  # all of it were four
