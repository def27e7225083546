"""kill -9 while models are asked again: what was answered in the end is not asked again, and the sums are the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from promptops.testing import Answer, LoopbackServer, TemporaryProject
from tests.accidents.world import NEVER, PROMPTOPS, PYTEST, wait_until
from tests.runs_there import run_records, samples_there

CASES, IN_FLIGHT = 24, 4
SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 1}}}'
COMMANDS = {
    "run": (*PROMPTOPS, "run", "count@v1", "--mode", "record", "--no-evidence"),
    "pytest": (*PYTEST, "--promptops-mode", "record"),
    "pytest -n 2": (*PYTEST, "--promptops-mode", "record", "-n", "2"),
}


class Counting:
    """Every second case is invalid at first, every sixth twice; counts each (case, turn).

    What is asked beyond `enough` requests gets no answer: a run cannot come to its end before it is killed.
    """

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, int]] = Counter()
        self.enough: float = 0

    def __call__(self, body: dict[str, Any]) -> Answer:
        case, turn = body["messages"][0]["content"].split()[-1], (len(body["messages"]) - 1) // 2
        self.asked[case, turn] += 1
        delay = 0.05 if self.asked.total() <= self.enough else NEVER
        return Answer('{"n": 3}' if turn >= wrong(int(case)) else '{"n": 0}', delay=delay, usage=(100, 10))


def wrong(case: int) -> int:
    """How many answers of a case are invalid."""
    return 2 if case % 6 == 0 else 1 if case % 2 == 0 else 0


TURNS = {(str(case), turn) for case in range(CASES) for turn in range(wrong(case) + 1)}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_killed_run_goes_on_between_conversations(tmp_path: Path, name: str) -> None:
    counting = Counting()
    with LoopbackServer(counting) as server:
        files = project(tmp_path, server)
        environ = {**os.environ, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        durable: dict[tuple[str, int], int] = {}
        for seen in (14, 34):
            counting.enough = seen
            with subprocess.Popen(
                COMMANDS[name],
                cwd=files.path,
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ) as process:
                wait_until(lambda seen=seen: counting.asked.total() >= seen)  # type: ignore[misc]
                os.killpg(process.pid, signal.SIGKILL)
            durable |= {asked: counting.asked[asked] for asked in TURNS if asked[0] in answered(files)}
        counting.enough = float("inf")
        done = subprocess.run(COMMANDS[name], cwd=files.path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert counting.asked.keys() == TURNS
    assert durable
    assert {asked: counting.asked[asked] for asked in durable} == durable, "what was answered is not asked again"
    lines = [json.loads(line) for line in recordings(files).read_text(encoding="utf-8").splitlines()]
    assert {line["case"]: len(line.get("earlier", [])) for line in lines} == {
        f"c{case}": wrong(case) for case in range(CASES)
    }
    assert all(line["input_tokens"] == 100 * (len(line.get("earlier", [])) + 1) for line in lines)


def project(path: Path, server: LoopbackServer) -> TemporaryProject:
    files = TemporaryProject(path / "project")
    files.provider("test", server.base_url, concurrency=IN_FLIGHT, retries=0)
    yaml = "inputs: {text: string}\noutput: {schema: schema.json, reask: 2}\n"
    files.prompt("count", versions={"v1": "say {{ text }}"}, yaml=yaml, files={"schema.json": SCHEMA})
    files.dataset("count", [{"id": f"c{n}", "inputs": {"text": str(n)}} for n in range(CASES)])
    return files


def answered(files: TemporaryProject) -> set[str]:
    """The cases that are in the store with a reply."""
    store = files.path / ".promptops/store.db"
    found = (s for record in run_records(store) for s in samples_there(store, record.id)) if store.exists() else ()
    return {sample.key.case.removeprefix("c") for sample in found if sample.reply is not None}


def recordings(files: TemporaryProject) -> Path:
    return next((files.path / "fixtures/count/recordings/v1").glob("*.jsonl"))
