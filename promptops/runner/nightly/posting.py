"""Sends what is told of an alarm: bounded, without redirects, again where it may pass, and never saying to where."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx

    from promptops.times import Clock

ATTEMPTS: Final = 3
PAUSE: Final = 5.0  # seconds before the second attempt; twice as long before the third
MOST_PAUSE: Final = 60.0  # seconds that a receiver may ask to be waited for
TIMEOUT: Final = 10.0
READING: Final = 30.0  # until an answer begins: a receiver that is slow was told all the same
MOST_ANSWER: Final = 1024 * 1024  # bytes that are read of an answer
MOST_READING: Final = 30.0  # seconds; by then a 2xx without its end is a delivery all the same
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SECONDS: Final = re.compile(r"\d{1,6}", re.ASCII)

Found = TypeVar("Found")


class Undelivered(Exception):
    """Nobody was told; `str()` says why, without the address, which is a secret.

    `mistaken`: it is a mistake of the configuration, which no later attempt mends. `wait` is how many seconds the
    receiver wants to be left alone.
    """

    def __init__(self, why: str, *, mistaken: bool = False, wait: float | None = None) -> None:
        self.mistaken, self.wait = mistaken, wait
        super().__init__(why)


def address(environ: Mapping[str, str], variable: str) -> str:
    """Return the address in a variable: https, or http on this machine. Raises `Undelivered`."""
    url = environ.get(variable, "").strip()
    if not url:
        raise Undelivered(f"${variable} is not set", mistaken=True)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise Undelivered(f"${variable} is no address", mistaken=True) from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise Undelivered(f"${variable} must be an https address", mistaken=True)
    return url


def secret(environ: Mapping[str, str], variable: str, why: str) -> str:
    """Return the key in a variable, which is wanted because of `why`; raises `Undelivered`."""
    key = environ.get(variable, "").strip()
    if not key:
        raise Undelivered(f"${variable} is not set, and {why}", mistaken=True)
    if not key.isascii() or not key.isprintable():
        raise Undelivered(f"${variable} holds what no key has", mistaken=True)
    return key


def again(call: Callable[[], Found], clock: Clock) -> Found:
    """Call until it delivers, three times in all where what went wrong may pass; raises the last `Undelivered`."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except Undelivered as error:
            if error.mistaken or attempt == ATTEMPTS:
                raise
            clock.sleep(min(PAUSE * 2 ** (attempt - 1) if error.wait is None else error.wait, MOST_PAUSE))
    raise AssertionError


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    """Make one request, and return what was answered with a 2xx; raises `Undelivered`."""
    import httpx

    try:
        with (
            httpx.Client(timeout=httpx.Timeout(TIMEOUT, read=READING), follow_redirects=False) as client,
            client.stream(method, url, content=body, headers=dict(headers)) as answer,
        ):
            found = _bounded(answer)
            status, said = answer.status_code, answer.headers
    except httpx.HTTPError as error:
        raise Undelivered(type(error).__name__) from None
    except (httpx.InvalidURL, ValueError):
        raise Undelivered("the address is none", mistaken=True) from None
    if 200 <= status < 300:
        return found
    # GitHub says 403 for "too often", too: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
    often = status == 429 or (status == 403 and ("retry-after" in said or said.get("x-ratelimit-remaining") == "0"))
    wait = said.get("retry-after", "")
    passing = often or status == 408 or status >= 500
    seconds = float(wait) if passing and _SECONDS.fullmatch(wait) else None
    raise Undelivered(f"it answered with status {status}", mistaken=not passing, wait=seconds)


def _bounded(answer: httpx.Response) -> bytes:
    found, begun = bytearray(), time.monotonic()
    for piece in answer.iter_bytes():
        found += piece
        if len(found) > MOST_ANSWER or time.monotonic() - begun > MOST_READING:
            break
    return bytes(found)
