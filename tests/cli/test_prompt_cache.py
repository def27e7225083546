"""The vendor's cache, from the version's front matter to the line of the summary and the budget."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject

LONG = "word " * 3000
CASES = 4
PREFIX, REST = 3000, 20  # tokens as the server counts them
WRITE, HOUR, READ, INPUT, OUTPUT = 12.5, 20.0, 1.0, 10.0, 50.0
PRICES = f"""[tool.promptops.prices]
"acme/owl-2026-01-01" = {{input = {INPUT}, output = {OUTPUT}, cached = {READ}, cache_write = {WRITE}}}
"""


class Vendor:
    """Keeps the beginning that is marked, and counts as Anthropic does."""

    def __init__(self) -> None:
        self.kept = False
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, asked: dict[str, Any]) -> Answer:
        self.bodies.append(asked)
        blocks = asked["system"] if isinstance(asked["system"], list) else []
        mark = blocks[-1].get("cache_control") if blocks else None
        read, written = (PREFIX, 0) if mark and self.kept else (0, PREFIX) if mark else (0, 0)
        self.kept = self.kept or bool(mark)
        hour = written if mark and mark.get("ttl") == "1h" else 0
        usage = {
            "input_tokens": REST + (0 if mark else PREFIX),
            "output_tokens": 2,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
        }
        content = [{"type": "text", "text": "answer"}]
        reply = {"model": asked["model"], "content": content, "stop_reason": "end_turn", "usage": usage}
        return Answer(body=json.dumps(reply).encode())


class Place:
    def __init__(self, path: Path, server: LoopbackServer, vendor: Vendor) -> None:
        self.files, self.vendor = TemporaryProject(path), vendor
        self.files.provider("acme", server.base_url, format="anthropic-messages", concurrency=1)
        self.files.config(PRICES)
        self.version()
        self.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": f"say {n}"}} for n in range(CASES)])

    def version(self, params: str = "") -> None:
        head = f"model: acme/owl-2026-01-01\nparams: {{max_tokens: 10{params}}}"
        body = f"{{% system %}}{LONG}{{% endsystem %}}{{% user %}}{{{{ text }}}}{{% enduser %}}"
        self.files.prompt("greet", versions={"v1": f"---\n{head}\n---\n{body}"}, yaml="checks:\n  - contains: answer\n")


@pytest.fixture
def place(in_folder: Path) -> Iterator[Place]:
    vendor = Vendor()
    with LoopbackServer(vendor, paths=("/messages",)) as server:
        yield Place(in_folder, server, vendor)


def summary(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["run", "greet@v1", "--mode", "live", "--json", "--no-resume", *options])
    return code, json.loads(capsys.readouterr().out)["versions"][0]["summary"]


def spent(write: float, read: int) -> float:
    """One write of the prefix at a price, so many reads, and the rest of all cases."""
    return (PREFIX * write + read * PREFIX * READ + CASES * (REST * INPUT + 2 * OUTPUT)) / 1e6


@pytest.mark.parametrize(("params", "write"), [("", WRITE), (", prompt_cache: 1h", HOUR)])
def test_what_is_written_and_read_is_in_the_bill_and_the_summary(
    place: Place, capsys: pytest.CaptureFixture[str], params: str, write: float
) -> None:
    place.version(params)
    code, found = summary(capsys)
    assert code == 0
    assert found["cost"] == pytest.approx(spent(write, CASES - 1))
    assert found["cached_tokens"] == (CASES - 1) * PREFIX
    without = CASES * ((PREFIX + REST) * INPUT + 2 * OUTPUT) / 1e6
    assert found["saved"] == pytest.approx(without - found["cost"])


def test_it_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "greet@v1"]) == 0
    assert "provider's cache: 75% of the input tokens, $0.0735 saved" in capsys.readouterr().out
    place.vendor.bodies.clear()
    assert run(["run", "greet@v1", "--mode", "replay"]) == 0
    assert "provider's cache: 75% of the input tokens, $0.0735 saved" in capsys.readouterr().out
    assert not place.vendor.bodies


@pytest.mark.parametrize("how", ["param", "settings"])
def test_it_can_be_switched_off_and_recordings_stay(place: Place, capsys: pytest.CaptureFixture[str], how: str) -> None:
    assert run(["run", "greet@v1"]) == 0
    place.vendor.bodies.clear()
    if how == "param":
        place.version(", prompt_cache: off")
    else:
        path = place.files.path / "pyproject.toml"
        path.write_text(path.read_text().replace("concurrency = 1", 'concurrency = 1\nprompt_cache = "off"'))
    assert run(["run", "greet@v1"]) == 0
    assert not place.vendor.bodies, "what is recorded is not asked again"
    _, found = summary(capsys)
    assert (found["cached_tokens"], found["saved"]) == (0, 0.0)
    assert all(isinstance(body["system"], str) for body in place.vendor.bodies)


def test_the_estimate_and_the_budget_know_what_writing_costs(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    worst = {}
    for keep in ("off", "5m", "1h"):
        place.version(f", prompt_cache: {keep}")
        capsys.readouterr()
        assert run(["estimate", "greet@v1", "--mode", "live", "--json"]) == 0
        worst[keep] = json.loads(capsys.readouterr().out)[0]["worst_case"]
    assert worst["off"] < worst["5m"] < worst["1h"]
    assert worst["1h"] >= CASES * PREFIX * HOUR / 1e6
    place.version(", prompt_cache: 5m")
    one = worst["5m"] / CASES
    assert summary(capsys, "--budget", f"{one * 0.99:.6f}")[0] == 10
    assert not place.vendor.bodies, "the first request may already write more than the cap allows"
    assert summary(capsys, "--budget", f"{worst['5m'] * 1.01:.6f}")[0] == 0


def test_a_vendor_without_such_marks_does_not_take_the_param(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.files.path / "pyproject.toml"
    path.write_text(path.read_text().replace("anthropic-messages", "openai-chat"))
    place.version(", prompt_cache: 1h")
    assert run(["run", "greet@v1"]) == 2
    assert "prompt_cache" in capsys.readouterr().err
    path.write_text(path.read_text().replace("concurrency = 1", 'concurrency = 1\nprompt_cache = "5m"'))
    place.version()
    assert run(["run", "greet@v1"]) == 2
    assert "prompt_cache is for the formats" in capsys.readouterr().err
