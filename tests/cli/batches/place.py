"""A project whose versions ask one batch server, and a command that is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.runner import batching
from promptops.store.runs import RunStore
from promptops.testing import Answer, BatchServer, TemporaryProject

CASES = 6
TEMPLATE = "---\nmodel: {}\nparams: {{max_tokens: 40}}\n---\n{{% user %}}question {{{{ text }}}}{{% enduser %}}"
PINS = {"v1": "acme/m-1", "v2": "claude/c-1", "v3": "resp/m-1"}
PRICES = "[tool.promptops.prices]\n" + "".join(
    f'"{pin}" = {{input = 2.0, output = 8.0, batch = 0.5}}\n' for pin in PINS.values()
)
COST = CASES * (100 * 2 + 10 * 8) / 1_000_000 / 2


def says(asked: dict[str, Any]) -> Answer:
    text = str(asked.get("messages") or asked.get("input"))
    if "refused" in text:
        return Answer(status=400, error="not this one", code="invalid_request_error")
    return Answer("answer", usage=(100, 10), model="another" if "elsewhere" in text else None)


class Place:
    """A project whose three versions ask one batch server in three wire formats."""

    def __init__(self, path: Path, server: BatchServer) -> None:
        self.files, self.server = TemporaryProject(path), server
        for name, settings in {
            "acme": {},
            "claude": {"format": "anthropic-messages"},
            "resp": {"format": "openai-responses"},
        }.items():
            self.files.provider(name, server.base_url, **settings)
        self.files.config(PRICES)
        self.files.prompt(
            "greet",
            versions={version: TEMPLATE.format(pin) for version, pin in PINS.items()},
            yaml="checks:\n  - contains: answer\n",
        )
        self.texts([str(n) for n in range(CASES)])

    def texts(self, texts: list[str]) -> None:
        self.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": text}} for n, text in enumerate(texts)])

    @property
    def statuses(self) -> list[str]:
        with RunStore(self.files.path / ".promptops/store.db") as store, store._database.reading() as db:
            return [status for (status,) in db.execute("SELECT status FROM runs ORDER BY rowid")]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    capsys.readouterr()
    code = run(["run", *arguments, "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out else {}, shown.err


def failures(found: dict[str, Any]) -> dict[str, str]:
    return {row["case"]: row["failure"] for row in found["versions"][0]["cases"] if row["failure"]}


def every_wait(patch: pytest.MonkeyPatch, does: Callable[[float], object]) -> None:
    """Let `does` take the place of every pause while a batch is waited for."""
    patch.setitem(batching.measured_in_batches.__kwdefaults__ or {}, "clock", batching.Clock(sleep=does))


def ctrl_c(_: float) -> None:
    """A user who waits no longer."""
    raise KeyboardInterrupt
