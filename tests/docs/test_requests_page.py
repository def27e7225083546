"""docs/requests.md says what the code does: its tables are read and compared."""

from __future__ import annotations

import re
from pathlib import Path

from promptops.core.params import PARAMS
from promptops.core.wire.dialects import SPECS
from promptops.models import Usage

PAGE = (Path(__file__).parents[2] / "docs" / "requests.md").read_text(encoding="utf-8")
WORDS = {"stop", "length", "tool_calls", "content_filter"}


def test_every_param_is_in_the_table_with_what_it_takes() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", PAGE, re.MULTILINE))
    assert {name: rows.get(name) for name in PARAMS} == {name: param.what for name, param in PARAMS.items()}


def test_every_stop_reason_of_the_table_is_what_is_read() -> None:
    columns = ("openai-chat", "openai-responses"), ("anthropic-messages",), ("gemini",)
    for word, *cells in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE):
        if word == "finish_reason":  # the head of the table
            continue
        assert word in WORDS
        for formats, cell in zip(columns, cells, strict=True):
            known = {theirs: ours for name in formats for theirs, ours in SPECS[name].stops.items()}
            said = set(re.findall(r"`(\w+)`", cell)) - ({"STOP"} if word == "tool_calls" else set())
            assert {known.get(theirs, theirs) for theirs in said} <= {word}


def test_every_count_is_in_the_table() -> None:
    rows = set(re.findall(r"^\| `(\w+_tokens)` \|", PAGE, re.MULTILINE))
    assert {name for name in Usage.__struct_fields__ if name.endswith("_tokens")} == rows - PARAMS.keys()
