"""A project whose served model is watched at night: what it answers, and a clock."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject

YAML = "inputs:\n  text: string\nchecks:\n  - contains: fine\n"
TOKENS = {"yes": -0.6, "no": -1.1, "well": -2.4}


class Night:
    """A project with one served version, a model that answers as told, and a clock."""

    def __init__(self, path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files, self.server, self.monkeypatch = TemporaryProject(path), server, monkeypatch
        self.now = datetime(2026, 11, 1, 3, 17, tzinfo=UTC)
        self.files.provider("test", server.base_url, concurrency=8, retries=0, breaker=0)
        self.files.config(
            '[tool.promptops.drift]\nsize = "tiny"\ncalibration = 30\nreference = 4\n'
            '[tool.promptops.prices]\n"test/model-1" = [2.0, 8.0]'
        )
        self.files.prompt(
            "greet",
            versions={"v1": "question {{ text }}"},
            yaml=YAML,
        )
        self.files.dataset("greet", [{"id": "c1", "inputs": {"text": "one"}}])
        self.files.git_init()
        assert run(["run", "greet@v1", "--no-evidence"]) == 0
        self.files.commit("Recordings")
        assert run(["adopt", "greet@v1"]) == 0

    def drift(self, *arguments: str, days: float = 0) -> int:
        self.now += timedelta(days=days)
        self.monkeypatch.setenv("PROMPTOPS_NOW", self.now.isoformat())
        return run(["drift", *arguments])

    def begin(self) -> None:
        assert self.drift("accept", "--reason", "the first") == 0
        assert self.drift("calibrate", "--stay") == 0
        self.now += timedelta(days=2)

    @property
    def state(self) -> Path:
        return self.files.path / ".promptops/drift/state.jsonl"


class Model:
    """Log probabilities with noise, the first token's moved by `shift`; `down` it answers nothing, else `text`."""

    shift = 0.0
    down = False
    text = "fine"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, asked: dict[str, Any]) -> Answer:
        if self.down:
            return Answer(status=503)
        if not asked.get("logprobs"):
            return Answer(self.text)
        probe = json.dumps([asked["model"], asked["messages"], asked.get("temperature")])
        self.asked[probe] += 1
        rng = random.Random(f"{probe} {self.asked[probe]}")  # of this probe, in whichever order they arrive
        top = [{"token": t, "logprob": v + rng.gauss(0, 0.05)} for t, v in TOKENS.items()]
        top[0]["logprob"] = TOKENS["yes"] + self.shift + rng.gauss(0, 0.05)
        choice = {"message": {"role": "assistant", "content": "yes"}, "finish_reason": "length"}
        return Answer(fields={"choices": [{**choice, "logprobs": {"content": [{**top[0], "top_logprobs": top}]}}]})
