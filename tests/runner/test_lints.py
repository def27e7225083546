"""Warnings about cost and latency, by recordings where there are any, else by what a request can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.models import Pin, Reply, Sample, SampleKey, Usage
from promptops.runner.lints import lint_advice
from promptops.store import recordings
from promptops.testing.project import TemporaryProject

PIN = Pin("test", "model-1")
LONG = "about 8 tokens in the prompt (estimate)"
PRICE = '[tool.promptops.prices]\n"test/model-1" = [1.0, 100.0]'


def a_project(path: Path, *, params: str = "{}", yaml: str | None = None, prices: str = PRICE) -> TemporaryProject:
    files = TemporaryProject(path)
    files.prompt("p", versions={"v1": f"---\nmodel: {PIN}\nparams: {params}\n---\n{{{{ text }}}}"}, yaml=yaml)
    files.dataset("p", [{"id": "c1", "inputs": {"text": "hello"}}])
    files.config(prices)
    return files


def record(
    files: TemporaryProject, *, cost: float | None = 0.001, latency: float = 1.0, version: str = "v1", count: int = 3
) -> None:
    samples = [
        Sample(
            SampleKey("p", version, str(PIN), f"c{number}"),
            "sha256:" + "0" * 64,
            Reply("x", usage=Usage(1_000, 100), latency=latency),
            cost=cost,
        )
        for number in range(count)
    ]
    recordings.write(recordings.recordings_path(files.project.fixtures_dir, "p", version, PIN), samples)


def advice(files: TemporaryProject) -> list[tuple[str, str]]:
    return [(problem.level, problem.message.split(",")[0]) for problem in lint_advice(files.project, ["p"])]


@pytest.mark.parametrize(
    ("yaml", "cost", "expected"),
    [
        (None, 0.04, []),
        (None, 0.06, [("warning", "a request costs $0.0600 (mean of 3 recorded)")]),
        ("budgets: {cost_per_request: 0.1}\n", 0.06, []),
        ("budgets: {cost_per_request: 0.01}\n", 0.02, [("error", "a request costs $0.0200 (mean of 3 recorded)")]),
        ("budgets: {cost_per_request: 0.01}\n", None, [("error", "a request costs $0.0110 (mean of 3 recorded)")]),
    ],
)
def test_recorded_cost_is_held_against_the_budget(
    tmp_path: Path, yaml: str | None, cost: float | None, expected: list[tuple[str, str]]
) -> None:
    files = a_project(tmp_path, yaml=yaml)
    record(files, cost=cost)
    assert advice(files) == expected


@pytest.mark.parametrize(
    ("yaml", "latency", "expected"),
    [
        (None, 9.9, []),
        (None, 10.1, [("warning", "the 95th percentile of latency is 10.1 s (3 recorded)")]),
        ("budgets: {p95_latency: 20}\n", 10.1, []),
        ("budgets: {p95_latency: 800ms}\n", 1.0, [("error", "the 95th percentile of latency is 1.0 s (3 recorded)")]),
    ],
)
def test_recorded_latency_is_held_against_the_budget(
    tmp_path: Path, yaml: str | None, latency: float, expected: list[tuple[str, str]]
) -> None:
    files = a_project(tmp_path, yaml=yaml)
    record(files, latency=latency)
    assert advice(files) == expected


@pytest.mark.parametrize(
    ("params", "prices", "expected"),
    [
        ("{max_tokens: 400}", PRICE, []),
        (
            "{max_tokens: 600}",
            PRICE + '\n[tool.promptops.providers.test]\nbase_url = "http://127.0.0.1:9/v1"\n'
            '[tool.promptops.providers.test.models."model-1"]\ncontext_window = 600',
            [
                ("warning", "a request can cost $0.0600 (max_tokens 600)"),
                ("error", f"{LONG} and max_tokens 600 are more than the 600 that test/model-1 takes"),
            ],
        ),
        ("{max_tokens: 600}", PRICE, [("warning", "a request can cost $0.0600 (max_tokens 600)")]),
        ("{}", PRICE, []),  # nobody said how long an answer may be
        ("{max_tokens: 600}", 'redact = ["x"]', []),  # no price, no verdict
    ],
)
def test_without_recordings_the_longest_answer_is_held_against_the_budget(
    tmp_path: Path, params: str, prices: str, expected: list[tuple[str, str]]
) -> None:
    assert advice(a_project(tmp_path, params=params, prices=prices)) == expected


def test_only_the_newest_version_is_looked_at(tmp_path: Path) -> None:
    files = a_project(tmp_path)
    record(files, cost=1.0)
    files.prompt("p", versions={"v2": "{{ text }}"})
    assert advice(files) == []
    record(files, cost=1.0, version="v2")
    assert len(advice(files)) == 1


def test_a_prompt_that_cannot_be_read_is_left_to_lint(tmp_path: Path) -> None:
    files = a_project(tmp_path)
    files.prompt("p", versions={"v2": "{{ text|nothing }}"})
    assert advice(files) == []


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ text }}\n" + "Be kind to guests. " * 100, True),
        ("Be kind to guests. " * 100 + "\n{{ text }}", False),
        ("{{ text }}\nBe kind to guests.", False),
    ],
)
def test_a_variable_before_a_long_constant_part_is_told_with_its_line(
    tmp_path: Path, template: str, expected: bool
) -> None:
    files = a_project(tmp_path)
    files.prompt("p", versions={"v1": f"---\nmodel: {PIN}\n---\nHello.\n{template}"})
    found = lint_advice(files.project, ["p"])
    assert [(problem.line, problem.level) for problem in found] == ([(5, "warning")] if expected else [])
    assert not expected or found[0].message.startswith("'text' stands before about 501 tokens of constant text")
