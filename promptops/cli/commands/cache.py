"""`promptops cache`: see and clear the replies that are kept across runs."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from promptops.cli.commands._shared import JsonOption, current_project, emit_json, say

if TYPE_CHECKING:
    from promptops.config import CacheConfig
    from promptops.store.cache import ReplyCache

EXAMPLES = (
    "promptops cache stats",
    "promptops cache clear",
)

app = typer.Typer(
    help="See and clear the replies that are kept across runs ([tool.promptops.cache], run --cache).",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n" + "\n".join(f"  $ {line}" for line in EXAMPLES),
)


@app.command(
    "stats",
    short_help="Say where the cache is and what it holds.",
    epilog="\b\nExamples:\n  $ promptops cache stats",
)
def stats(*, as_json: JsonOption = False) -> None:
    """Say where the cache is, how many replies it holds, how old they are and how long they are used."""
    config, cache, used = _opened()
    try:
        found = cache.stats()
    finally:
        cache.close()
    if as_json:
        document: dict[str, Any] = {
            "where": cache.where,
            "used": used,
            "entries": found.entries,
            "bytes": found.size,
            "oldest": _moment(found.oldest),
            "newest": _moment(found.newest),
            "ttl": config.ttl,
            "max_mb": config.max_mb if config.url is None else None,
        }
        emit_json(document)
        return
    say(f"{cache.where}: {found.entries:,} repl{'y' if found.entries == 1 else 'ies'}{_size(found.size, config)}")
    if found.oldest is not None and found.newest is not None:
        say(f"  kept from {_moment(found.oldest)} to {_moment(found.newest)}, each used for {config.ttl}")
    else:
        say(f"  each is used for {config.ttl}")
    if not used:
        say("  not used without --cache: pyproject.toml has no [tool.promptops.cache]")


@app.command(
    "clear",
    short_help="Delete the replies in it.",
    epilog="\\b\\nExamples:\\n  $ promptops cache clear",
)
def clear(*, as_json: JsonOption = False) -> None:
    """Remove every reply from the cache; of a Redis nothing else is touched."""
    _, cache, _ = _opened()
    try:
        removed = cache.clear()
    finally:
        cache.close()
    if as_json:
        emit_json({"where": cache.where, "removed": removed})
    else:
        say(f"{cache.where}: removed {removed:,} repl{'y' if removed == 1 else 'ies'}")


def _opened() -> tuple[CacheConfig, ReplyCache, bool]:
    """The cache of the project, as configured or as `--cache` makes it, and whether it is configured."""
    from promptops.config import CacheConfig
    from promptops.store.cache import open_cache

    project = current_project()
    config = project.config.cache
    return config or CacheConfig(), open_cache(config or CacheConfig(), project.store_dir, os.environ), bool(config)


def _moment(seconds: float | None) -> str | None:
    from promptops.times import timestamp

    return None if seconds is None else timestamp(datetime.fromtimestamp(seconds, UTC))


def _size(size: int | None, config: CacheConfig) -> str:
    return "" if size is None else f", {size / 1e6:.1f} of at most {config.max_mb:,} MB"
