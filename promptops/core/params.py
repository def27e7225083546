"""The parameters of a request that front matter may set, their types and ranges.

Source: OpenAI API reference, "Create chat completion"; llama.cpp server README for `grammar`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from promptops.core.document import Document
from promptops.core.shown import shown
from promptops.errors import Problem, did_you_mean


class Param(Struct, frozen=True):
    """One parameter: its JSON types, its range (both ends allowed), its choices."""

    types: tuple[type, ...]
    what: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


PARAMS: Final[Mapping[str, Param]] = {
    "temperature": Param((int, float), "a number from 0 to 2", 0, 2),
    "top_p": Param((int, float), "a number from 0 to 1", 0, 1),
    "top_k": Param((int,), "a whole number from 1 to 1000", 1, 1000),
    "max_tokens": Param((int,), "a whole number from 1", 1, 10_000_000),
    "seed": Param((int,), "a whole number from 0 to 2147483647", 0, 2**31 - 1),
    "stop": Param((str, list), "a text or a list of one to four texts"),
    "frequency_penalty": Param((int, float), "a number from -2 to 2", -2, 2),
    "presence_penalty": Param((int, float), "a number from -2 to 2", -2, 2),
    "response_format": Param((dict,), "a mapping with a type"),
    "structured_output": Param((str,), "auto, native or instruction", choices=("auto", "native", "instruction")),
    "tool_choice": Param((str,), "auto, none, required or the name of a tool"),
    "parallel_tool_calls": Param((bool,), "true or false"),
    "grammar": Param((str,), "a text: a GBNF grammar"),
    "logprobs": Param((bool,), "true or false"),
    "top_logprobs": Param((int,), "a whole number from 0 to 20", 0, 20),
    "reasoning_effort": Param(
        (str,),
        "none, minimal, low, medium, high, xhigh or max",
        choices=("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    ),
    "prompt_cache": Param((str,), "off, 5m or 1h", choices=("off", "5m", "1h")),
    "extra_body": Param((dict,), "a mapping of what only this provider knows"),
}

# What a sample is made of: `extra_body` may not replace it.
_OURS: Final = ("messages", "model", "n", "stream", "tools")


def check_params(params: Mapping[str, Any], document: Document, *, path: str) -> list[Problem]:
    """Return what is wrong with the `params` of a front matter, each with its line."""
    found: list[Problem] = []
    for name, value in params.items():
        line = document.line("params", name)
        if name not in PARAMS:
            hint = f"known: {', '.join(PARAMS)}; what only this provider knows goes below extra_body"
            found.append(Problem(path, line, f"unknown param {name!r}{did_you_mean(name, PARAMS)}", hint))
        elif not _fits(PARAMS[name], name, value):
            found.append(Problem(path, line, f"{name} must be {PARAMS[name].what}, not {shown(value, 60)}"))
        elif name == "extra_body" and (taken := [key for key in _OURS if key in value]):
            hint = "the pin, the template and tools.json say what is sent"
            found.append(Problem(path, line, f"extra_body may not set {', '.join(taken)}", hint))
    if "top_logprobs" in params and params.get("logprobs") is not True:
        found.append(Problem(path, document.line("params", "top_logprobs"), "top_logprobs needs logprobs: true"))
    for other in ("response_format", "grammar"):
        if "structured_output" in params and other in params:
            message = f"structured_output and {other} both say what the answer looks like"
            found.append(Problem(path, document.line("params", other), message, "take one of them out"))
    return found


def _fits(param: Param, name: str, value: Any) -> bool:
    if type(value) not in param.types:
        return False
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return math.isfinite(value) and (param.low is None or param.low <= value) and value <= (param.high or math.inf)
    if name == "stop" and isinstance(value, list):
        return 1 <= len(value) <= 4 and all(isinstance(item, str) and item for item in value)
    if name == "response_format":
        return isinstance(value.get("type"), str)
    return not param.choices or value in param.choices
