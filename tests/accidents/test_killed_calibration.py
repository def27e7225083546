"""kill -9 while a judge is calibrated: what it answered is not asked again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from promptops.testing import Answer, LoopbackServer, TemporaryProject
from tests.accidents.world import NEVER, PROMPTOPS, all_counted, wait_until
from tests.runs_there import kept_there

LABELS, IN_FLIGHT = 60, 4
COMMAND = (*PROMPTOPS, "judge", "calibrate", "polite")


def test_a_killed_calibration_goes_on_where_it_was(tmp_path: Path) -> None:
    asked: Counter[str] = Counter()

    enough: float = LABELS // 2 + 1  # so that it cannot end before it is killed

    def model(body: dict[str, Any]) -> Answer:
        user = body["messages"][-1]["content"]
        asked[user] += 1
        delay = 0.03 if asked.total() <= enough else NEVER
        return Answer(json.dumps({"pass": "please" in user, "reason": "by the word"}), delay=delay)

    with LoopbackServer(model, record=False) as server:
        files = TemporaryProject(tmp_path / "project")
        files.provider("test", server.base_url, concurrency=IN_FLIGHT, retries=0)
        files.prompt("polite", versions={"v1": "{% user %}{{ output }}{% enduser %}"})
        rows = [
            {"id": f"l{n}", "output": f"{'please' if n % 2 else 'no'} {n}", "label": "pass" if n % 2 else "fail"}
            for n in range(LABELS)
        ]
        files.write("fixtures/polite/labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        environ = {**os.environ, "HOME": str(tmp_path / "home")}
        killed = subprocess.Popen(
            COMMAND, cwd=files.path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        store = files.path / ".promptops/store.db"
        wait_until(lambda: asked.total() > LABELS // 2 and asked.total() - kept_there(store) <= 3 * IN_FLIGHT)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        all_counted(server)
        assert not (files.path / "prompts/polite/calibration").exists()
        before, enough = asked.total(), float("inf")
        done = subprocess.run(COMMAND, cwd=files.path, env=environ, capture_output=True, text=True, check=True)
    assert "going on with run" in done.stderr
    assert "agreement 100.0%" in done.stdout
    assert set(asked) == {row["output"] for row in rows}
    assert asked.total() <= LABELS + 3 * IN_FLIGHT < LABELS + before
