"""Who answered: a gateway's cache or fallback is no sample of the pin, unless the prompt allows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject

HEADERS: dict[str, str] = {}
MODEL: list[str] = []


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    HEADERS.clear()
    MODEL.clear()
    answer = lambda asked: Answer("yes", headers=dict(HEADERS), model=MODEL[0] if MODEL else None)  # noqa: E731
    with LoopbackServer(answer) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LoopbackServer) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    files.provider("test", server.base_url, retries=0)
    files.prompt("p", versions={"v1": "{{ text }}"}, yaml=yaml(""))
    files.dataset("p", [{"id": "c1", "inputs": {"text": "a"}}, {"id": "c2", "inputs": {"text": "a"}}])
    monkeypatch.chdir(tmp_path)
    return files


def yaml(identity: str) -> str:
    return f"checks: [{{contains: 'yes'}}]\n{identity}\n"


LIVE = ["run", "p@v1", "--mode", "live", "--no-evidence"]


@pytest.mark.parametrize(
    ("identity", "headers", "code", "says"),
    [
        ("", {"x-portkey-cache-status": "HIT"}, 10, "x-portkey-cache-status: HIT"),
        ("identity: {allow: [cache]}", {"x-portkey-cache-status": "HIT"}, 0, "2 passed"),
        ("identity: {allow: [fallback]}", {"x-portkey-cache-status": "HIT"}, 10, "x-portkey-cache-status: HIT"),
        ("identity: {runtime: [cache]}", {"x-portkey-cache-status": "HIT"}, 10, "x-portkey-cache-status: HIT"),
        ("", {"x-litellm-attempted-fallbacks": "1"}, 10, "x-litellm-attempted-fallbacks: 1"),
        ("identity: {allow: [fallback]}", {"x-litellm-attempted-fallbacks": "1"}, 0, "2 passed"),
        ("", {"x-litellm-model-group": "other"}, 10, "x-litellm-model-group: other"),
        ("", {"x-litellm-model-group": "model-1"}, 0, "2 passed"),
        ("identity: {regions: [eastus2]}", {"x-ms-region": "East US 2"}, 10, "another region answered"),
        ("identity: {regions: [eastus2]}", {"x-ms-region": "EastUS2"}, 0, "2 passed"),
        ("identity: {regions: [eastus2]}", {}, 10, "the reply does not say its region"),
        ("identity: {hosts: [openai]}", {"x-portkey-provider": "azure-openai"}, 10, "another host answered"),
        ("identity: {hosts: [openai]}", {"x-portkey-provider": "openai"}, 0, "2 passed"),
        ("identity: {fingerprints: [fp_1]}", {}, 10, "the reply does not say its fingerprint"),
    ],
)
def test_a_header_makes_a_sample_unmeasurable_unless_the_prompt_allows_it(
    files: TemporaryProject,
    capsys: pytest.CaptureFixture[str],
    identity: str,
    headers: dict[str, str],
    code: int,
    says: str,
) -> None:
    files.prompt("p", versions={}, yaml=yaml(identity))
    HEADERS.update(headers)
    assert run(LIVE) == code
    assert says in capsys.readouterr().out


def test_another_model_counts_only_where_the_prompt_allows_it(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    MODEL.append("somebody-else")
    assert run(LIVE) == 10
    assert "'somebody-else' answered" in capsys.readouterr().out
    files.prompt("p", versions={}, yaml=yaml("identity: {allow: [model]}"))
    assert run(LIVE) == 0


def test_what_one_prompt_allows_is_not_copied_to_another(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    files.prompt("q", versions={"v1": "{{ text }}"}, yaml=yaml("identity: {allow: [cache]}"))
    files.dataset("q", [{"id": "c1", "inputs": {"text": "a"}}])
    HEADERS["helicone-cache"] = "HIT"
    assert run(["run", "p@v1", "q@v1", "--mode", "live", "--no-evidence"]) == 10
    out = capsys.readouterr().out
    assert "p@v1  test/model-1\n  2 cases: 0 passed, 2 unmeasurable" in out
    assert "q@v1  test/model-1\n  1 case: 1 passed" in out


@pytest.mark.parametrize("identity", ["identity: {allow: [luck]}", "identity: {region: [x]}", "identity: cache"])
def test_rules_that_are_none_are_told(
    files: TemporaryProject, capsys: pytest.CaptureFixture[str], identity: str
) -> None:
    files.prompt("p", versions={}, yaml=yaml(identity))
    assert run(["lint"]) == 1
    assert "prompts/p/prompt.yaml:2: identity" in capsys.readouterr().out
