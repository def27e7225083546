"""Hostile text made harmless, one function per sink.

Model output, datasets and provider errors may hold terminal codes, CI commands, markup or control characters. Whoever
shows such text passes it through the function of the place where it ends up; nothing here loses a visible character.
"""

from __future__ import annotations

import html as _html
import json
import re

_LIMIT = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_BIDI = re.compile(r"[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# GitHub reads `::` at the start of a line; Azure Pipelines and GitHub's older form read `##` wherever it stands.
_CI_COMMAND = re.compile(r"^[^\S\n]*(?=::)|(?<=#)(?=#\w*\[)", re.MULTILINE)
_CI_HASH = re.compile(r"#(?=#\w*\[)")
_FENCE = re.compile(r"`{3,}")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~@])")


def clipped(text: str, limit: int = _LIMIT) -> str:
    """Return at most `limit` characters of `text`, saying how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _broken(match: re.Match[str]) -> str:
    return f"{match.group()}\\"


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match.group()).strip('"').replace("#", "\\u0023")


def plain(text: str) -> str:
    """Control, direction-changing and unpaired surrogate characters as escapes; line feeds and tabs stay."""
    for pattern in (_SURROGATE, _CONTROL, _BIDI):
        text = pattern.sub(_visible, text)
    return text


def terminal(text: str) -> str:
    """For a terminal or a log: no escape sequence and no CI command (`::error`, `##[…]`, `##vso[…]`) survives.

    A backslash is put before `::` at the start of a line, because runners read the log line by line, and between the
    two `#`, because some look for them anywhere in it.
    """
    return _CI_COMMAND.sub(_broken, plain(clipped(text)))


def one_line(text: str, limit: int = 200) -> str:
    """For one line of a terminal: line feeds and tabs become visible escapes."""
    return terminal(clipped(text, limit).replace("\n", "\\n").replace("\t", "\\t"))


def json_document(text: str) -> str:
    """For a JSON document in a terminal or a log: the same values, what could act there is escaped."""
    for pattern in (_SURROGATE, _CONTROL, _BIDI, _CI_HASH):
        text = pattern.sub(_escaped, text)
    return text


def markdown(text: str) -> str:
    """For running text and table cells in Markdown: no markup, link, mention or HTML survives."""
    return " ".join(_MARKDOWN.sub(r"\\\1", plain(clipped(text))).split())


def markdown_block(text: str) -> str:
    """A fenced block that no run of back-ticks inside can close."""
    longest = max((len(run) for run in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{plain(clipped(text))}\n{fence}"


def html(text: str) -> str:
    """For text and quoted attributes in HTML."""
    return _html.escape(plain(clipped(text)), quote=True)
