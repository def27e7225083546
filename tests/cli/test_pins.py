"""`promptops models`: the pins in use, until when, and on to the next one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject

OLD, NEW = "test/gpt-4.1-mini-2025-04-14", "test/gpt-6-luna"
DAY = ("--today", "2026-11-22")


def version(pin: str, more: str = "") -> str:
    return f"---\n# the pin\nmodel: '{pin}'  # until it ends\n{more}---\n{{{{ text }}}}\n"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    entries: tuple[str | dict[str, Any], ...] = (
        {"id": "gpt-4.1-mini-2025-04-14", "shutdown_date": "2026-12-24"},
        {"id": "lasting", "shutdown_date": None, "context_length": 4321},
        {"id": "mistral-like", "deprecation": "2026-10-01T00:00:00Z", "deprecation_replacement_model": "newer"},
    )
    with LoopbackServer(lambda asked: Answer("yes"), models=entries) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LoopbackServer) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    files.provider("test", server.base_url, retries=0)
    files.prompt("p", versions={"v1": version(OLD)}, yaml="checks: [{contains: 'yes'}]\n")
    files.dataset("p", [{"id": f"c{n}", "inputs": {"text": str(n)}} for n in range(12)])
    files.git_init()
    monkeypatch.chdir(tmp_path)
    return files


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    run([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_a_pin_is_shown_with_its_end_its_successor_and_who_uses_it(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    files.config(f'[tool.promptops.prices]\n"{OLD}" = {{ input = 1, output = 2, batch = 0.5 }}')
    assert run(["models", *DAY]) == 0
    out = capsys.readouterr()
    assert out.out == (
        "test/gpt-4.1-mini-2025-04-14\n"
        "  shuts down on 2027-01-14, in 53 days; deprecated since 2026-10-14\n"
        "  context unknown; $1 in, $2 out per million tokens; in a batch $0.5 in, $1 out ([tool.promptops.prices])\n"
        "  used by p@v1 (newest)\n"
        "  move to test/gpt-6-luna\n"
        "  source: https://developers.openai.com/api/docs/deprecations, read 2026-10-28\n"
    )
    assert "1 pin in use; shut down within 60 days of 2026-11-22: 1 of them" in out.err


@pytest.mark.parametrize(
    ("within", "day", "code"), [("60d", "2026-11-22", 1), ("50d", "2026-11-22", 0), ("1d", "2028-01-01", 1)]
)
def test_check_fails_for_a_pin_that_ends_soon_and_names_it(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str], within: str, day: str, code: int
) -> None:
    assert run(["models", "--check", "--within", within, "--today", day]) == code
    assert (OLD in capsys.readouterr().out) is bool(code)


def test_served_pins_and_fallbacks_are_in_use_too(files: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "p@v1", "--no-evidence"]) == 0
    files.commit("Recordings")
    assert run(["adopt", "p@v1", "--env", "production"]) == 0
    files.write("prompts/p/v2.j2", version("test/lasting"))
    files.config(f'[tool.promptops.fallbacks]\n"{OLD}" = ["openai/o3-2025-04-16"]')
    pins = {row["pin"]: row for row in document(capsys, "models", *DAY)["pins"]}
    assert set(pins) == {OLD, "test/lasting", "openai/o3-2025-04-16"}
    assert pins[OLD]["used_by"] == [
        {"prompt": "p", "version": "v1", "environments": ["production"], "newest": False, "fallback_of": None}
    ]
    assert pins["test/lasting"]["status"] == "unknown"
    assert (pins["test/lasting"]["price"], pins["test/lasting"]["context_window"]) == (None, None)
    assert pins["openai/o3-2025-04-16"]["used_by"][0]["fallback_of"] == OLD
    assert pins["openai/o3-2025-04-16"]["price"]["output"] == 8.0


def test_nothing_is_asked_unless_online(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write("prompts/p/v1.j2", version("test/lasting"))
    assert run(["models", "--check"]) == 0
    assert server.count == 0
    row = document(capsys, "models", "--online", *DAY)["pins"][0]
    assert (row["listed_by_endpoint"], row["status"], row["context_window"]) == (True, "listed", 4321)


def test_what_the_endpoint_says_goes_before_the_table(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "--check", "--within", "40d", *DAY]) == 0
    assert run(["models", "--check", "--within", "40d", "--online", *DAY]) == 1
    assert "shuts down on 2026-12-24, in 32 days" in capsys.readouterr().out
    files.write("prompts/p/v1.j2", version("test/mistral-like"))
    row = document(capsys, "models", "--online", *DAY)["pins"][0]
    assert (row["status"], row["deprecated"], row["successor"]) == ("deprecated", "2026-10-01", "test/newer")


def test_a_model_that_the_endpoint_does_not_list_is_gone(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write("prompts/p/v1.j2", version("test/vanished"))
    assert run(["models", "--check", *DAY]) == 0
    assert run(["models", "--check", "--online", *DAY]) == 1
    assert "the endpoint does not list it" in capsys.readouterr().out


def test_an_endpoint_that_does_not_answer_is_unmeasurable(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write("prompts/p/v1.j2", version("test/lasting"))
    server.close()
    assert run(["models", "--check", "--online", *DAY]) == 10
    assert "test did not say which models it has" in capsys.readouterr().err
    assert run(["models", "--online", *DAY]) == 0


def test_a_floating_pin_cannot_be_checked(files: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    files.write("prompts/p/v1.j2", version("openai/gpt-4o"))
    assert run(["models", *DAY]) == 0
    assert "pin openai/gpt-4o-2024-11-20" in capsys.readouterr().err
    assert run(["models", "--check", *DAY]) == 2


def test_successor_writes_the_next_version_and_runs_its_canary(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = document(capsys, "models", "--successor", *DAY)["moved"]
    assert [(row["prompt"], row["from"], row["version"], row["pin"]) for row in moved] == [("p", "v1", "v2", NEW)]
    assert files.read("prompts/p/v2.j2") == version(NEW)
    assert moved[0]["canary"]["candidate"]["pin"] == NEW
    assert moved[0]["canary"]["baseline"]["version"] == "v1"
    assert moved[0]["exit_code"] == {"pass": 0, "inconclusive": 11}[moved[0]["canary"]["verdict"]]
    assert server.count == 24


def test_a_prompt_is_moved_to_a_pin_of_ones_own_choice(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write("prompts/p/v1.j2", version("test/lasting"))
    assert run(["models", "--successor", *DAY]) == 0
    assert "nothing to move" in capsys.readouterr().err
    assert run(["models", "--successor", "--prompt", "p", *DAY]) == 2
    assert "say one with --to PIN" in capsys.readouterr().err
    assert run(["models", "--successor", "--prompt", "p", "--to", "test/other", "--no-canary", *DAY]) == 0
    assert "model: 'test/other'" in files.read("prompts/p/v2.j2")
    assert server.count == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--within", "soon"],
        ["--today", "yesterday"],
        ["--to", OLD],
        ["--successor", "--to", OLD],
        ["--successor", "--prompt", "nobody"],
        ["--successor", "--prompt", "p", "--to", "nothing"],
    ],
)
def test_options_that_make_no_sense_are_refused(files: TemporaryProject, arguments: list[str]) -> None:
    assert run(["models", *arguments]) == 2
    assert not (files.path / "prompts/p/v2.j2").exists()


def test_a_recommendation_is_followed_to_a_snapshot_that_is_still_served(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write("prompts/p/v1.j2", version("openai/o1-preview"))
    row = document(capsys, "models", *DAY)["pins"][0]
    assert (row["status"], row["successor"]) == ("gone", "openai/o3-2025-04-16")
    row = document(capsys, "models", "--today", "2026-12-31")["pins"][0]
    assert row["successor"] == "openai/gpt-5.6-sol"


def test_the_context_of_a_model_of_your_own_is_the_configured_one(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    files.config(
        "[tool.promptops.providers.acme]\nbase_url = 'https://llm.acme.example/v1'\n"
        "[tool.promptops.providers.acme.models.'m-2025-01-01']\ncontext_window = 6000\n"
    )
    files.write("prompts/p/v1.j2", version("acme/m-2025-01-01"))
    assert document(capsys, "models", *DAY)["pins"][0]["context_window"] == 6000
