from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.reporting import safe

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "\x9b31m",
    "fine\r\x1b[2Kgone",
    "::error file=a.py::boom",
    "ok\n  ::add-mask::secret",
    "ok\n##[error]boom",
    "in the middle ##vso[task.setvariable variable=x]y",
    "\u202eevil\u2066",
    "<script>alert(1)</script>",
    "]]>",
    "[click](javascript:alert(1))",
    "@everyone #1",
    "```\nout of the fence",
    "=HYPERLINK(1)",
    "\ud800 alone",
    "\x00\ufffe",
    "tag\U000e0041",
]
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


@given(TEXT)
def test_a_terminal_never_sees_a_control_character_or_a_ci_command(text: str) -> None:
    shown = safe.terminal(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert not re.search(r"^\s*::", shown, re.MULTILINE)
    assert not re.search(r"##\w*\[", shown)
    shown.encode("utf-8")


@given(TEXT)
def test_a_json_document_keeps_its_values_and_nothing_a_terminal_obeys(text: str) -> None:
    shown = safe.json_document(json.dumps({text: [text]}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {text: [text]}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|##\w*\[", shown)
    shown.encode("utf-8")


@given(TEXT)
def test_one_line_stays_one_line(text: str) -> None:
    assert len(safe.one_line(text).splitlines()) <= 1


@given(TEXT)
def test_markdown_keeps_no_markup(text: str) -> None:
    assert not re.search(r"(?<!\\)[<>`\[\]|@#]", safe.markdown(text).replace("\\\\", ""))


@given(TEXT)
def test_a_fenced_block_cannot_be_closed_from_inside(text: str) -> None:
    first, *inside, last = safe.markdown_block(text).split("\n")
    assert first.startswith(last)
    assert not any(line.strip().startswith(last) for line in inside)


@given(TEXT)
def test_html_has_no_tag_or_quote_left(text: str) -> None:
    assert not {"<", ">", '"', "'"} & set(safe.html(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text stays: ü 漢 🎉", "plain text stays: ü 漢 🎉"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("::error::x", "\\::error::x"),
        ("a::b stays", "a::b stays"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_what_a_terminal_shows(text: str, shown: str) -> None:
    assert safe.terminal(text) == shown


def test_long_text_is_clipped_and_says_so() -> None:
    assert safe.terminal("x" * 30_000).endswith("… (10,000 more characters)")
