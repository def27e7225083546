"""Replies that are kept across runs: a SQLite file in the store folder, or a Redis that many machines share.

A cache is never evidence and never needed: whatever goes wrong with it, a run goes on without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from promptops.config import CacheConfig
from promptops.times import parse_duration

FILE: Final = "cache.db"
PASSWORD: Final = "PROMPTOPS_CACHE_PASSWORD"  # noqa: S105 - the variable's name; what it holds is in no file and no message


class CacheStats(Struct, frozen=True):
    """What a cache holds. `size` is bytes (None: the server does not say), times are seconds since the epoch."""

    entries: int
    size: int | None = None
    oldest: float | None = None
    newest: float | None = None


class ReplyCache(Protocol):
    """Entries by key, both bytes. Synchronous, and used from one thread at a time; each method raises `StoreError`."""

    @property
    def where(self) -> str:
        """The file or server, as messages name it."""
        ...

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The entries that there are and that are not too old."""
        ...

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        """Keep entries; those of the same key are replaced, and what is over the size goes, oldest use first."""
        ...

    def stats(self) -> CacheStats:
        """What is in it."""
        ...

    def clear(self) -> int:
        """Remove every entry and return how many there were."""
        ...

    def close(self) -> None:
        """Give the file or connection back. May be called twice."""
        ...


def open_cache(config: CacheConfig, store_dir: Path, environ: Mapping[str, str]) -> ReplyCache:
    """Open the cache that `[tool.promptops.cache]` describes; nothing is read or connected to yet.

    The password of a Redis is in `$PROMPTOPS_CACHE_PASSWORD`. Raises `UsageError` for a URL that is no Redis, and
    `MissingExtra` where the package for it is not installed.
    """
    ttl = parse_duration(config.ttl)
    if config.url is None:
        from promptops.store.cache_sqlite import SqliteCache

        return SqliteCache(store_dir / FILE, ttl=ttl, max_bytes=config.max_mb * 1_000_000)
    from promptops.store.cache_redis import RedisCache

    return RedisCache(config.url, ttl=ttl, password=environ.get(PASSWORD))
