"""Params have types and ranges; unknown ones are refused with the nearest known name."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.params import PARAMS, check_params
from promptops.core.strict_yaml import parse_yaml

GOOD: list[dict[str, Any]] = [
    {},
    {"temperature": 0},
    {"temperature": 2.0, "top_p": 1},
    {"max_tokens": 1},
    {"seed": 0},
    {"stop": "END"},
    {"stop": ["a", "b", "c", "d"]},
    {"frequency_penalty": -2, "presence_penalty": 2},
    {"response_format": {"type": "json_object"}},
    {"grammar": "root ::= x"},
    {"logprobs": True, "top_logprobs": 20},
    {"reasoning_effort": "low"},
    {"reasoning_effort": "max"},
    {"top_k": 40},
    {"tool_choice": "book", "parallel_tool_calls": False},
    {"structured_output": "native"},
    {"extra_body": {"anything": [1]}},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"temprature": 1}, "unknown param 'temprature', did you mean 'temperature'?"),
    ({"temperature": 2.1}, "temperature must be a number from 0 to 2, not 2.1"),
    ({"temperature": -0.1}, "temperature must be"),
    ({"temperature": "0"}, "temperature must be"),
    ({"temperature": True}, "temperature must be a number from 0 to 2, not true"),
    ({"temperature": None}, "temperature must be"),
    ({"top_p": 1.1}, "top_p must be"),
    ({"max_tokens": 0}, "max_tokens must be"),
    ({"max_tokens": 1.5}, "max_tokens must be"),
    ({"seed": -1}, "seed must be"),
    ({"stop": []}, "stop must be"),
    ({"stop": ["a"] * 5}, "stop must be"),
    ({"stop": [""]}, "stop must be"),
    ({"response_format": {}}, "response_format must be"),
    ({"response_format": "json"}, "response_format must be"),
    ({"logprobs": 1}, "logprobs must be"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs must be"),
    ({"top_logprobs": 2}, "top_logprobs needs logprobs: true"),
    ({"reasoning_effort": "extreme"}, "reasoning_effort must be"),
    ({"top_k": 0}, "top_k must be a whole number from 1 to 1000, not 0"),
    ({"tool_choice": 1}, "tool_choice must be auto, none, required or the name of a tool"),
    ({"parallel_tool_calls": "yes"}, "parallel_tool_calls must be true or false"),
    ({"structured_output": "json"}, "structured_output must be auto, native or instruction"),
    ({"structured_output": "auto", "grammar": "root ::= x"}, "structured_output and grammar both say"),
    ({"structured_output": "auto", "response_format": {"type": "text"}}, "structured_output and response_format both"),
    ({"extra_body": []}, "extra_body must be"),
    ({"extra_body": {"model": "other", "stream": True, "x": 1}}, "extra_body may not set model, stream"),
]
DOCUMENT = parse_yaml(
    "model: a/b\nparams:\n" + "".join(f"  {name}: 1\n" for name in PARAMS), path="v1.j2", first_line=2
)


@pytest.mark.parametrize("params", GOOD)
def test_good_params_have_no_problem(params: dict[str, Any]) -> None:
    assert check_params(params, DOCUMENT, path="v1.j2") == []


@pytest.mark.parametrize(("params", "words"), BAD)
def test_a_wrong_param_is_told_with_what_it_should_be(params: dict[str, Any], words: str) -> None:
    (problem,) = check_params(params, DOCUMENT, path="v1.j2")
    assert words in problem.message
    assert problem.line >= 3
