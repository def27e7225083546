"""What is wrong with a file is told in words: what is allowed there, the nearest name, and nothing beside the point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from promptops.config import Config, parse_config
from promptops.core.strict_yaml import parse_yaml, validate
from promptops.errors import ConfigError, Problem, ProblemsError
from promptops.formats import FrontMatter, PromptFile
from promptops.mistakes import LOOKS


def problems(text: str) -> list[Problem]:
    with pytest.raises(ProblemsError) as caught:
        validate(PromptFile, parse_yaml(text, path="prompt.yaml"), path="prompt.yaml")
    return list(caught.value.problems)


METRICS = "cost, distance, first_pass, judge, latency, length, pass_rate, score, tokens, validation"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("output: {schema: s.json, reask: 99}", "output.reask: must be at most 5, not 99", ""),
        ("output: 5", "output: must be text or a mapping of keys, not 5", "known keys: fallback, reask, schema"),
        ("canary: {detla: 0.1}", "canary.detla: unknown key, did you mean 'delta'?", None),
        ("canary: on", "canary: must be a mapping of keys, not 'on'", None),
        (
            "canary: {guardrails: [cost]}",
            "canary.guardrails: must be a mapping of keys, not a list",
            f"known keys: {METRICS}",
        ),
        (
            "canary: {guardrails: {costs: {margin: 10%}}}",
            "canary.guardrails.costs: unknown key, did you mean 'cost'?",
            f"known keys: {METRICS}",
        ),
        (
            "canary: {guardrails: {cost: 10%}}",
            "canary.guardrails.cost: must be a mapping of keys, not '10%'",
            "known keys: critical, direction, margin",
        ),
        (
            "canary: {guardrails: {cost: {margn: 10%}}}",
            "canary.guardrails.cost.margn: unknown key, did you mean 'margin'?",
            "known keys: critical, direction, margin",
        ),
        (
            "canary: {guardrails: {cost: {margin: 10 %}}}",
            "canary.guardrails.cost.margin: must be a number or a share such as 10%, not '10 %'",
            "",
        ),
        (
            "canary: {guardrails: {cost: {direction: up}}}",
            "canary.guardrails.cost.direction: 'up' is not known",
            "one of: decrease, either, increase",
        ),
        (
            "canary: {primary: passrate}",
            "canary.primary: 'passrate' is not known, did you mean 'pass_rate'?",
            "one of: distance, judge, pass_rate, score, validation",
        ),
        ("canary: {alpha: '0.05'}", "canary.alpha: must be a number, not '0.05'", "write it without quotes"),
        ("canary: {must_pass: c17}", "canary.must_pass: must be a list, not 'c17'", "write [c17]"),
        ("drift: {sample: 3}", "drift.sample: unknown key, did you mean 'samples'?", "known keys: cases, samples"),
        ("drift: {samples: 0}", "drift.samples: must be at least 1, not 0", ""),
        ("drift: nightly", "drift: must be a mapping of keys, not 'nightly'", "known keys: cases, samples"),
        ("drift: {delta: 0.1}", "drift.delta: unknown key", "known keys: cases, samples"),
        ("drift: {pass_rate: 0.9}", "drift.pass_rate: unknown key here: it belongs to the top of the file", None),
        ("guardrails: {cost: {}}", "guardrails: unknown key here: it belongs below canary", None),
        ("reask: 2", "reask: unknown key here: it belongs below output", None),
        ("pass_rate: 95", "pass_rate: must be at most 1, not 95", "write 0.95 for 95 %"),
        ("pass_rate: 95%", "pass_rate: must be a number, not '95%'", "write 0.95"),
        ("samples:", "samples: must be a whole number, not empty", ""),
        ("budgets: {p95_latency: -1}", "budgets.p95_latency: must be more than 0, not -1", ""),
        (
            "budgets: {p95_latency: 2 seconds}",
            "budgets.p95_latency: '2 seconds' is not a duration: write 60s, 800ms, 2m or 1h",
            "",
        ),
        ("identity: {allow: [cach]}", "identity.allow.0: 'cach' is not known, did you mean 'cache'?", None),
    ],
)
def test_one_mistake_is_one_problem(text: str, message: str, hint: str | None) -> None:
    (problem,) = problems(text)
    assert problem.message == message
    assert hint is None or problem.hint == hint


def test_a_mistake_below_a_long_form_says_nothing_of_the_short_one() -> None:
    assert [problem.message for problem in problems("output: {reask: 99}")] == [
        "output.reask: must be at most 5, not 99",
        "output: the key 'schema' is missing",
    ]


def test_each_has_its_line() -> None:
    text = "canary:\n  alpha: 0.1\n  guardrails:\n    cost:\n      margn: 1%\n    lateny: {}\ndrift:\n  sampels: 1\n"
    assert [problem.line for problem in problems(text)] == [5, 6, 8]


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('[tool.promptops.drift]\nsise = "tiny"', "tool.promptops.drift.sise: unknown key, did you mean 'size'?", 2),
        ('[tool.promptops.drift]\nsize = "tinny"', "tool.promptops.drift.size: 'tinny' is not known, did you mean", 2),
        (
            '[tool.promptops.drift.webhook]\nkind = "slak"',
            "tool.promptops.drift.webhook.kind: 'slak' is not known, did you mean 'slack'?",
            2,
        ),
        (
            '[tool.promptops.providers.acme]\nbase_url = "http://127.0.0.1:1/v1"\nformat = "openai"',
            "tool.promptops.providers.acme.format: 'openai' is not known",
            3,
        ),
        (
            '[tool.promptops.providers.acme]\nbase_url = "http://127.0.0.1:1/v1"\napi_key_env = "ACME_KEY"',
            "tool.promptops.providers.acme.api_key_env: must be the name of an environment variable that ends in",
            3,
        ),
        (
            '[tool.promptops]\nbase_url = "http://127.0.0.1:1/v1"',
            "tool.promptops.base_url: unknown key",
            2,
        ),
    ],
)
def test_pyproject_toml_is_told_in_the_same_words(text: str, message: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.line == line


def patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for value in schema.values():
            yield from patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from patterns(value)


@pytest.mark.parametrize("model", [PromptFile, FrontMatter, Config])
def test_every_pattern_of_a_users_file_has_words(model: Any) -> None:
    found = set(patterns(json.loads(json.dumps(model.model_json_schema()))))
    assert found <= set(LOOKS)
