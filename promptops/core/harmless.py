"""Hostile text made harmless for whoever reads it on a terminal or in a log; other sinks are in `reporting.safe`."""

from __future__ import annotations

import re

LIMIT = 20_000
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
BIDI = re.compile(r"[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]")
SURROGATE = re.compile(r"[\ud800-\udfff]")
# GitHub reads `::` at the start of a line; Azure Pipelines and GitHub's older form read `##` wherever it stands.
_CI_COMMAND = re.compile(r"^[^\S\n]*(?=::)|(?<=#)(?=#\w*\[)", re.MULTILINE)


def clipped(text: str, limit: int = LIMIT) -> str:
    """Return at most `limit` characters of `text`, saying how many were left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def plain(text: str) -> str:
    """Control, direction-changing and unpaired surrogate characters as escapes; line feeds and tabs stay."""
    for pattern in (SURROGATE, CONTROL, BIDI):
        text = pattern.sub(_visible, text)
    return text


def terminal(text: str) -> str:
    """For a terminal or a log: no escape sequence and no CI command (`::error`, `##[…]`, `##vso[…]`) survives.

    A backslash is put before `::` at the start of a line, because runners read the log line by line, and between the
    two `#`, because some look for them anywhere in it.
    """
    return _CI_COMMAND.sub(lambda match: f"{match.group()}\\", plain(clipped(text)))


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
