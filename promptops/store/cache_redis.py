"""A cache of replies in a Redis, for all machines of a team. Needs the extra `redis`, imported where it is used."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from promptops.errors import MissingExtra, StoreError, UsageError
from promptops.store.cache import PASSWORD, CacheStats
from promptops.store.cache_entries import MAX_ENTRY

if TYPE_CHECKING:
    from redis import Redis

PREFIX: Final = b"promptops:1:"  # of every key: the format, and what `clear` may remove
TIMEOUT: Final = 2.0  # seconds for a connection, and for each answer
_AT_ONCE = 1000  # keys that are listed or removed in one command


class RedisCache:
    """Entries under `promptops:1:…` of the Redis at `url`, which forgets them after `ttl` seconds by itself.

    How much it holds is the server's own business (`maxmemory`). `timeout` bounds a connection and each answer, in
    seconds; nothing is tried twice. Raises `UsageError` for a URL that is no Redis or holds a password, `MissingExtra`
    where the package is not installed.
    """

    def __init__(self, url: str, *, ttl: float, password: str | None = None, timeout: float = TIMEOUT) -> None:
        settings, self.where = _parsed(url)
        try:
            import redis
        except ImportError:
            raise MissingExtra("redis", "a cache in Redis") from None
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._ttl = max(1, int(ttl * 1000))
        self._redis: Redis = redis.Redis(
            **settings,
            password=password or None,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The entries that there are; of a value too long to be an entry no more than shows that it is too long."""
        listed = list(keys)
        with self._translated():
            pipe = self._redis.pipeline(transaction=False)
            for key in listed:
                pipe.getrange(PREFIX + key, 0, MAX_ENTRY)
            values = pipe.execute()
        return {key: value for key, value in zip(listed, values, strict=True) if isinstance(value, bytes) and value}

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        """Keep entries for the time that they are good for."""
        with self._translated():
            pipe = self._redis.pipeline(transaction=False)
            for key, value in entries.items():
                pipe.set(PREFIX + key, value, px=self._ttl)
            pipe.execute()

    def stats(self) -> CacheStats:
        """How many entries there are; the server is asked for their names only."""
        return CacheStats(sum(1 for _ in self._keys()))

    def clear(self) -> int:
        """Remove our entries, and nothing else that the server holds; returns how many there were."""
        count, batch = 0, []
        for key in self._keys():
            batch.append(key)
            if len(batch) >= _AT_ONCE:
                count, batch = count + self._remove(batch), []
        return count + (self._remove(batch) if batch else 0)

    def close(self) -> None:
        """Close the connections."""
        with contextlib.suppress(Exception):
            self._redis.close()

    def _keys(self) -> Iterator[bytes]:
        """Every key of ours, each once."""
        seen: set[bytes] = set()
        with self._translated():
            for key in self._redis.scan_iter(match=PREFIX + b"*", count=_AT_ONCE):
                if key.startswith(PREFIX) and key not in seen:
                    seen.add(key)
                    yield key

    def _remove(self, keys: list[bytes]) -> int:
        with self._translated():
            return int(self._redis.delete(*keys))

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever the server does leaves here as a `StoreError`: what it sends is not trusted to make sense."""
        try:
            yield
        except (GeneratorExit, StoreError):
            raise
        except Exception as error:
            raise StoreError(f"{self.where} cannot be used as a cache: {str(error)[:200]}") from error


def _parsed(url: str) -> tuple[dict[str, Any], str]:
    """The settings of a connection, and how messages name the server."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 6379
        database = int(parts.path.strip("/") or 0)
    except ValueError:
        raise UsageError(_MALFORMED) from None
    if parts.scheme not in ("redis", "rediss") or not host or parts.query or parts.fragment or database < 0:
        raise UsageError(_MALFORMED)
    if parts.password is not None:
        raise UsageError(f"[tool.promptops.cache] url holds a password: put it into ${PASSWORD} and take it out")
    secure = {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True} if parts.scheme == "rediss" else {}
    user = {"username": unquote(parts.username)} if parts.username else {}
    return {"host": host, "port": port, "db": database, **user, **secure}, f"{parts.scheme}://{host}:{port}/{database}"


_MALFORMED = "[tool.promptops.cache] url names no Redis: write redis://host:6379/0, or rediss:// for an encrypted one"
