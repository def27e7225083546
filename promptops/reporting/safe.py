"""Hostile text made harmless, one function per sink.

Model output, datasets and provider errors may hold terminal codes, CI commands, markup or control characters. Whoever
shows such text passes it through the function of the place where it ends up; nothing here loses a visible character.
"""

from __future__ import annotations

import html as _html
import json
import re

from promptops.core.harmless import BIDI, CONTROL, SURROGATE, clipped, plain, terminal

__all__ = ["clipped", "html", "json_document", "markdown", "markdown_block", "one_line", "plain", "terminal"]

_CI_HASH = re.compile(r"#(?=#\w*\[)")
_FENCE = re.compile(r"`{3,}")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~@])")


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match.group()).strip('"').replace("#", "\\u0023")


def one_line(text: str, limit: int = 200) -> str:
    """For one line of a terminal: line feeds and tabs become visible escapes."""
    return terminal(clipped(text, limit).replace("\n", "\\n").replace("\t", "\\t"))


def json_document(text: str) -> str:
    """For a JSON document in a terminal or a log: the same values, what could act there is escaped."""
    for pattern in (SURROGATE, CONTROL, BIDI, _CI_HASH):
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
