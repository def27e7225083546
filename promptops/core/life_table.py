"""When the vendors shut their models down: each row as a vendor's own page said it, on the day it was read.

Rows are of the vendor's own service: the same model at a cloud has the dates of that cloud (Azure and Bedrock have
tables of their own here). To add some: a `Page` with the day on which it was read, and
`(model, deprecated, shutdown, replacement)` with ISO dates, None for a date that the page does not give and "" where it
names no replacement. Later pages go before earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

Row = tuple[str, str | None, str | None, str]
"""Model id, day of the announcement, day of the shutdown, the id that the vendor recommends instead."""


class Page(Struct, frozen=True):
    """Rows of one page. `earliest`: its dates are the earliest possible ones."""

    source: str
    read: str
    rows: tuple[Row, ...]
    earliest: bool = False


_OPENAI: Final = "https://developers.openai.com/api/docs/deprecations"
_CLAUDE: Final = "https://platform.claude.com/docs/en/about-claude/model-deprecations"
_GEMINI: Final = "https://ai.google.dev/gemini-api/docs/deprecations"
_BEDROCK: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle.html"
_AZURE: Final = "https://learn.microsoft.com/en-us/azure/ai-foundry/concepts/model-lifecycle-retirement"

PAGES: Final[Mapping[str, tuple[Page, ...]]] = {
    "openai": (
        Page(
            _OPENAI,
            "2026-11-22",
            (
                ("gpt-5", "2026-06-11", "2026-12-11", "gpt-6.1-sol"),
                ("gpt-5-2025-08-07", "2026-06-11", "2026-12-11", "gpt-6.1-sol"),
                ("gpt-5-mini", "2026-06-11", "2026-12-11", "gpt-6.1-terra"),
                ("gpt-5-mini-2025-08-07", "2026-06-11", "2026-12-11", "gpt-6.1-terra"),
            ),
        ),
        Page(
            _OPENAI,
            "2026-10-28",
            (
                ("gpt-4o", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4o-2024-08-06", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4o-2024-11-20", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4o-mini", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4o-mini-2024-07-18", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4.1", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4.1-2025-04-14", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4.1-mini", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-4.1-mini-2025-04-14", "2026-10-14", "2027-01-14", "gpt-6-luna"),
                ("gpt-5.1", None, "2027-04-01", ""),
                ("gpt-5.1-2025-11-13", None, "2027-04-01", ""),
            ),
        ),
        Page(
            _OPENAI,
            "2026-07-23",
            (
                ("gpt-5-nano", "2026-06-11", "2026-12-11", "gpt-5.6-luna"),
                ("gpt-5-nano-2025-08-07", "2026-06-11", "2026-12-11", "gpt-5.6-luna"),
                ("gpt-5-pro", "2026-06-11", "2026-12-11", "gpt-5.6-sol"),
                ("gpt-5-pro-2025-10-06", "2026-06-11", "2026-12-11", "gpt-5.6-sol"),
                ("o3", "2026-06-11", "2026-12-11", "gpt-5.6-sol"),
                ("o3-2025-04-16", "2026-06-11", "2026-12-11", "gpt-5.6-sol"),
                ("o3-pro", "2026-06-11", "2026-12-11", "gpt-5.6-sol"),
                ("o3-pro-2025-06-10", "2026-06-11", "2026-12-11", "gpt-5.6-sol"),
                ("gpt-3.5-turbo", "2026-04-22", "2026-10-23", "gpt-5.6-terra"),
                ("gpt-3.5-turbo-0125", "2026-04-22", "2026-10-23", "gpt-5.6-terra"),
                ("gpt-4", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("gpt-4-0613", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("gpt-4-1106-preview", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("gpt-4-turbo", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("gpt-4-turbo-2024-04-09", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("gpt-4.1-nano", "2026-04-22", "2026-10-23", "gpt-5.6-luna"),
                ("gpt-4.1-nano-2025-04-14", "2026-04-22", "2026-10-23", "gpt-5.6-luna"),
                ("gpt-4o-2024-05-13", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o1", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o1-2024-12-17", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o1-pro", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o1-pro-2025-03-19", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o3-mini", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o3-mini-2025-01-31", "2026-04-22", "2026-10-23", "gpt-5.6-sol"),
                ("o4-mini", "2026-04-22", "2026-10-23", "gpt-5.6-terra"),
                ("o4-mini-2025-04-16", "2026-04-22", "2026-10-23", "gpt-5.6-terra"),
                ("gpt-5.2-chat-latest", "2026-05-08", "2026-08-10", "gpt-5.6-sol"),
                ("gpt-5.3-chat-latest", "2026-05-08", "2026-08-10", "gpt-5.6-sol"),
                ("gpt-5-chat-latest", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("gpt-5-codex", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("gpt-5.1-chat-latest", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("gpt-5.1-codex", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("gpt-5.1-codex-max", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("gpt-5.1-codex-mini", "2026-04-22", "2026-07-23", "gpt-5.6-terra"),
                ("gpt-5.2-codex", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("gpt-4o-search-preview-2025-03-11", "2026-04-22", "2026-07-23", "gpt-5.6-terra"),
                ("gpt-4o-mini-search-preview-2025-03-11", "2026-04-22", "2026-07-23", "gpt-5.6-terra"),
                ("o3-deep-research-2025-06-26", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
                ("o4-mini-deep-research-2025-06-26", "2026-04-22", "2026-07-23", "gpt-5.6-sol"),
            ),
        ),
        Page(
            _OPENAI,
            "2026-03-26",
            (
                ("gpt-3.5-turbo-1106", "2025-09-26", "2026-09-28", "gpt-5.4-mini"),
                ("gpt-3.5-turbo-instruct", "2025-09-26", "2026-09-28", "gpt-5.4-mini"),
                ("babbage-002", "2025-09-26", "2026-09-28", "gpt-5.4-mini"),
                ("davinci-002", "2025-09-26", "2026-09-28", "gpt-5.4-mini"),
                ("gpt-4-0314", "2025-09-26", "2026-03-26", "gpt-5"),
                ("gpt-4-0125-preview", "2025-09-26", "2026-03-26", "gpt-5"),
                ("gpt-4-turbo-preview", "2025-09-26", "2026-03-26", "gpt-5"),
                ("chatgpt-4o-latest", "2025-11-18", "2026-02-17", "gpt-5.1-chat-latest"),
                ("codex-mini-latest", "2025-11-17", "2026-02-12", "gpt-5-codex-mini"),
                ("o1-mini", None, "2025-10-27", "o4-mini"),
                ("o1-mini-2024-09-12", None, "2025-10-27", "o4-mini"),
                ("o1-preview", None, "2025-07-28", "o3"),
                ("gpt-4.5-preview", None, "2025-07-14", "gpt-4.1"),
                ("gpt-4-32k", None, "2025-06-06", "gpt-4o"),
                ("gpt-4-32k-0613", None, "2025-06-06", "gpt-4o"),
                ("gpt-4-vision-preview", None, "2024-12-06", "gpt-4o"),
                ("gpt-3.5-turbo-0613", None, "2024-09-13", "gpt-3.5-turbo"),
            ),
        ),
    ),
    "anthropic": (
        Page(
            "https://platform.claude.com/docs/en/models/sonnet-4-5/overview",
            "2026-11-22",
            (("claude-sonnet-4-5-20250929", "2026-09-30", "2026-11-30", "claude-sonnet-5-5"),),
        ),
        Page(
            _CLAUDE,
            "2026-06-16",
            (
                ("claude-opus-4-1-20250805", "2026-06-05", "2026-08-05", "claude-opus-4-8"),
                ("claude-opus-4-20250514", "2026-04-14", "2026-06-15", "claude-opus-4-8"),
                ("claude-sonnet-4-20250514", "2026-04-14", "2026-06-15", "claude-sonnet-4-6"),
                ("claude-3-haiku-20240307", "2026-02-19", "2026-04-20", "claude-haiku-4-5-20251001"),
                ("claude-3-7-sonnet-20250219", "2025-10-28", "2026-02-19", "claude-sonnet-4-6"),
                ("claude-3-5-haiku-20241022", "2025-12-19", "2026-02-19", "claude-haiku-4-5-20251001"),
                ("claude-3-opus-20240229", "2025-06-30", "2026-01-05", "claude-opus-4-8"),
                ("claude-3-5-sonnet-20241022", None, "2025-10-28", "claude-sonnet-4-6"),
                ("claude-3-5-sonnet-20240620", None, "2025-10-28", "claude-sonnet-4-6"),
                ("claude-3-sonnet-20240229", None, "2025-07-21", "claude-sonnet-4-6"),
                ("claude-2.1", None, "2025-07-21", "claude-opus-4-8"),
                ("claude-2.0", None, "2025-07-21", "claude-opus-4-8"),
                ("claude-instant-1.2", None, "2024-11-06", "claude-haiku-4-5-20251001"),
            ),
        ),
    ),
    "google": (
        Page(
            _GEMINI,
            "2026-11-10",
            (
                ("gemini-2.5-pro", None, "2026-12-01", "gemini-3.8-flash"),
                ("gemini-2.5-flash", None, "2026-12-01", "gemini-3.5-flash-lite"),
                ("gemini-2.5-flash-lite", None, None, ""),
            ),
        ),
        Page(
            _GEMINI,
            "2026-07-22",
            (
                ("gemini-3.1-flash-lite", None, "2027-05-07", "gemini-3.5-flash-lite"),
                ("gemini-2.0-flash", None, "2026-06-01", "gemini-3.6-flash"),
                ("gemini-2.0-flash-001", None, "2026-06-01", "gemini-3.6-flash"),
                ("gemini-2.0-flash-lite", None, "2026-06-01", "gemini-3.1-flash-lite"),
                ("gemini-2.0-flash-lite-001", None, "2026-06-01", "gemini-3.1-flash-lite"),
                ("gemini-3.1-flash-lite-preview", None, "2026-05-25", "gemini-3.1-flash-lite"),
                ("gemini-2.5-flash-lite-preview-09-2025", None, "2026-03-31", "gemini-3.1-flash-lite"),
                ("gemini-3-pro-preview", None, "2026-03-09", "gemini-3.1-pro-preview"),
                ("gemini-2.5-flash-preview-05-20", None, "2025-11-18", "gemini-3.6-flash"),
                ("gemini-2.5-pro-preview-03-25", None, "2025-12-02", "gemini-3.1-pro-preview"),
                ("gemini-2.5-pro-preview-05-06", None, "2025-12-02", "gemini-3.1-pro-preview"),
                ("gemini-2.5-pro-preview-06-05", None, "2025-12-02", "gemini-3.1-pro-preview"),
            ),
            earliest=True,
        ),
        Page(
            "https://ai.google.dev/gemini-api/docs/changelog",
            "2026-05-01",
            (
                ("gemini-2.0-flash-exp", None, "2025-12-09", ""),
                ("gemini-1.5-pro", None, "2025-09-29", ""),
                ("gemini-1.5-pro-002", None, "2025-09-29", ""),
                ("gemini-1.5-flash", None, "2025-09-29", ""),
                ("gemini-1.5-flash-002", None, "2025-09-29", ""),
                ("gemini-1.5-flash-8b", None, "2025-09-29", ""),
                ("gemini-1.0-pro", None, "2025-02-18", ""),
            ),
        ),
    ),
    "mistral": (
        Page(
            "https://docs.mistral.ai/models/overview",
            "2026-11-22",
            (
                ("mistral-large-2411", None, "2026-05-31", "mistral-large-2512"),
                ("codestral-2501", "2025-11-06", "2025-11-30", "codestral-2508"),
                ("pixtral-12b-2409", "2025-12-02", "2025-12-31", "ministral-14b-2512"),
                ("mistral-medium-2312", "2024-11-30", "2025-06-16", "mistral-medium-2604"),
            ),
        ),
    ),
    "cohere": (
        Page(
            "https://docs.cohere.com/docs/deprecations",
            "2026-10-17",
            (
                ("command-r", "2025-09-15", None, "command-r-08-2024"),
                ("command-r-03-2024", "2025-09-15", None, "command-r-08-2024"),
                ("command-r-plus", "2025-09-15", None, "command-r-plus-08-2024"),
                ("command-r-plus-04-2024", "2025-09-15", None, "command-r-plus-08-2024"),
                ("command", "2025-09-15", None, "command-a-03-2025"),
                ("command-light", "2025-09-15", None, "command-a-03-2025"),
                ("c4ai-aya-expanse-8b", None, "2026-04-04", "command-r7b-12-2024"),
            ),
        ),
    ),
    "groq": (
        Page(
            "https://console.groq.com/docs/deprecations",
            "2026-06-19",
            (
                ("llama-3.1-8b-instant", None, "2026-08-16", "openai/gpt-oss-20b"),
                ("llama-3.3-70b-versatile", None, "2026-08-16", "openai/gpt-oss-120b"),
                ("qwen/qwen3-32b", None, "2026-07-17", "openai/gpt-oss-120b"),
                ("meta-llama/llama-4-scout-17b-16e-instruct", None, "2026-07-17", "openai/gpt-oss-120b"),
                ("moonshotai/kimi-k2-instruct-0905", None, "2026-04-15", "openai/gpt-oss-120b"),
                ("meta-llama/llama-4-maverick-17b-128e-instruct", None, "2026-03-09", "openai/gpt-oss-120b"),
                ("moonshotai/kimi-k2-instruct", None, "2025-10-10", "openai/gpt-oss-120b"),
                ("gemma2-9b-it", None, "2025-10-08", "llama-3.1-8b-instant"),
                ("deepseek-r1-distill-llama-70b", None, "2025-10-02", "llama-3.3-70b-versatile"),
                ("llama3-70b-8192", None, "2025-08-30", "llama-3.3-70b-versatile"),
                ("llama3-8b-8192", None, "2025-08-30", "llama-3.1-8b-instant"),
            ),
        ),
    ),
    "xai": (
        Page(
            "https://docs.x.ai/docs/migration/may-15-retirement",
            "2026-05-15",
            (
                ("grok-4-1-fast-reasoning", None, "2026-05-15", "grok-4.3"),
                ("grok-4-1-fast-non-reasoning", None, "2026-05-15", "grok-4.3"),
                ("grok-4-fast-reasoning", None, "2026-05-15", "grok-4.3"),
                ("grok-4-fast-non-reasoning", None, "2026-05-15", "grok-4.3"),
                ("grok-4-0709", None, "2026-05-15", "grok-4.3"),
                ("grok-code-fast-1", None, "2026-05-15", "grok-4.3"),
                ("grok-3", None, "2026-05-15", "grok-4.3"),
            ),
        ),
    ),
    "bedrock": (
        Page(
            _BEDROCK,
            "2026-07-09",
            (
                ("anthropic.claude-opus-4-1-20250805-v1:0", None, "2027-01-08", ""),
                ("ai21.jamba-1-5-large-v1:0", None, "2026-11-26", ""),
                ("ai21.jamba-1-5-mini-v1:0", None, "2026-11-26", ""),
                ("anthropic.claude-sonnet-4-20250514-v1:0", None, "2026-10-14", ""),
                ("amazon.nova-premier-v1:0", None, "2026-09-14", ""),
                ("anthropic.claude-3-haiku-20240307-v1:0", None, "2026-09-10", ""),
                ("cohere.command-r-v1:0", None, "2026-08-19", ""),
                ("cohere.command-r-plus-v1:0", None, "2026-08-19", ""),
                ("anthropic.claude-3-7-sonnet-20250219-v1:0", None, "2026-07-30", ""),
                ("anthropic.claude-3-5-sonnet-20241022-v2:0", None, "2026-07-30", ""),
                ("anthropic.claude-3-5-sonnet-20240620-v1:0", None, "2026-07-30", ""),
                ("anthropic.claude-3-sonnet-20240229-v1:0", None, "2026-07-30", ""),
            ),
        ),
    ),
    "azure": (
        Page(
            _AZURE,
            "2026-07-23",
            (
                ("gpt-5.6-luna", None, "2027-07-09", ""),
                ("gpt-5.6-sol", None, "2027-07-09", ""),
                ("gpt-5.6-terra", None, "2027-07-09", ""),
                ("gpt-5.1", None, "2027-05-15", ""),
                ("gpt-5.5", None, "2027-04-23", ""),
                ("gpt-5-pro", None, "2027-04-07", ""),
                ("gpt-5.4-mini", None, "2027-03-18", ""),
                ("gpt-5.4-nano", None, "2027-03-18", ""),
                ("gpt-5.4-pro", None, "2027-03-06", ""),
                ("gpt-5.4", None, "2027-03-05", ""),
                ("gpt-5", None, "2027-02-06", ""),
                ("gpt-5-mini", None, "2027-02-06", ""),
                ("gpt-5-nano", None, "2027-02-06", ""),
                ("gpt-5.2", None, "2026-12-12", ""),
                ("o3-pro", None, "2026-12-10", ""),
                ("o3", None, "2026-10-16", ""),
                ("o4-mini", None, "2026-10-16", ""),
                ("gpt-4.1", None, "2026-10-14", ""),
                ("gpt-4.1-mini", None, "2026-10-14", ""),
                ("gpt-4.1-nano", None, "2026-10-14", ""),
                ("gpt-4o-mini", None, "2026-10-01", "gpt-4.1-mini"),
                ("o3-mini", None, "2026-10-01", "o4-mini"),
                ("o1", None, "2026-09-16", ""),
                ("gpt-4o", None, "2026-03-31", "gpt-5.1"),
            ),
            earliest=True,
        ),
    ),
}
