"""A project with a served version and a candidate, and a server whose answers a test decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject
from tests.accidents.world import NEVER

CASES = 60


@dataclass
class Behaviour:
    """What the model does: `wrong` names cases per version, `down` makes it fail, `other_words` changes their texts.

    `coin` says of (version, case, how often it was asked) whether an answer is right, `tokens` counts those of a
    version, `padding` is added to its texts. What is asked beyond `enough` requests gets no answer: a loop has no way
    to get ahead of whoever is to stop it.
    """

    wrong: dict[str, set[str]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    other_words: set[str] = field(default_factory=set)
    served: str | None = None
    delay: float = 0.0
    enough: int | None = None
    coin: Callable[[str, str, int], bool] = lambda *_: True
    tokens: dict[str, Callable[[str], int]] = field(default_factory=dict)
    padding: dict[str, str] = field(default_factory=dict)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, asked: dict[str, Any]) -> Answer:
        system, user = (message["content"] for message in asked["messages"])
        case = f"c{user.split()[-1]}"
        if case in self.down:
            return Answer(status=400)
        self.asked[system, case] += 1
        delay = self.delay if self.enough is None or self.asked.total() <= self.enough else NEVER
        right = case not in self.wrong.get(system, set()) and self.coin(system, case, self.asked[system, case])
        text = f"answer {user.split()[-1]}" if right else "\x1b[31mno\n::error::no"
        text += self.padding.get(system, "")
        if case in self.other_words:
            text += "  indeed"
        usage = (10, self.tokens[system](case)) if system in self.tokens else None
        return Answer(text, delay=delay, usage=usage)


class World:
    """The project in `path`; `promptops` runs a command in it and returns exit code, output and messages."""

    def __init__(self, path: Path, server: LoopbackServer, behaviour: Behaviour) -> None:
        self.files = TemporaryProject(path)
        self.server, self.behaviour = server, behaviour
        self.files.provider("test", server.base_url, concurrency=8, retries=0)
        template = "{{% system %}}{}{{% endsystem %}}{{% user %}}question {{{{ text }}}}{{% enduser %}}"
        self.files.prompt(
            "greet",
            versions={"v1": template.format("v1"), "v2": template.format("v2")},
            yaml="inputs:\n  text: string\nchecks:\n  - contains: answer\n",
        )
        self.files.dataset(
            "greet",
            [{"id": f"c{n}", "inputs": {"text": str(n)}, "tags": ["quick"] if n < 5 else []} for n in range(CASES)],
        )
        self.files.git_init()

    def serve(self, version: str = "v1", *options: str) -> None:
        """Record and adopt a version in production."""
        assert run(["run", f"greet@{version}", "--no-evidence", *options]) in (0, 1)
        self.files.commit("Recordings")
        assert run(["adopt", f"greet@{version}", "--env", "production"]) == 0

    @property
    def store(self) -> Path:
        """The run store's file."""
        return self.files.path / ".promptops/store.db"

    def evidence(self, version: str) -> dict[str, Any]:
        path = self.files.path / f"prompts/greet/evidence/{version}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def recorded(self, version: str) -> list[dict[str, Any]]:
        folder = self.files.path / f"fixtures/greet/recordings/{version}"
        return [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
