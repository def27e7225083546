"""Calls the webhook: once for all alarms of a night, signed, bounded, without redirects, again where it may pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from promptops.core.nightly.messages import Told, payload, signature

if TYPE_CHECKING:
    from promptops.config import WebhookConfig
    from promptops.core.nightly.attribution import Factor
    from promptops.runner.nightly.night import Seen
    from promptops.times import Clock

ATTEMPTS: Final = 3
PAUSE: Final = 5.0  # seconds before the second attempt; twice as long before the third
TIMEOUT: Final = 10.0
MOST_ANSWER: Final = 64 * 1024  # bytes that are read of an answer
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Undelivered(Exception):
    """Nobody was told; `str()` says why, without the address, which is a secret."""


def deliver(
    settings: WebhookConfig,
    seen: Sequence[Seen],
    factors: Mapping[str, Sequence[Factor]],
    environ: Mapping[str, str],
    clock: Clock,
) -> None:
    """Tell the receiver of the alarms of `seen`; raises `Undelivered`."""
    url = environ.get(settings.url_env, "").strip()
    if not url:
        raise Undelivered(f"${settings.url_env} is not set")
    _check(url, settings.url_env)
    body = payload(settings.kind, [told_of(one, factors.get(one.endpoint.name, ())) for one in seen])
    headers = {"content-type": "application/json", "user-agent": "promptops"}
    if settings.key_env:
        key = environ.get(settings.key_env, "").strip()
        if not key:
            raise Undelivered(f"${settings.key_env} is not set, and what is sent is to be signed with it")
        at = int(clock.now().timestamp())
        headers |= {"x-promptops-timestamp": str(at), "x-promptops-signature": signature(key, at, body)}
    _post(url, body, headers, clock)


def told_of(seen: Seen, factors: Sequence[Factor]) -> Told:
    """What a message says of one endpoint."""
    alarm = seen.watch.alarm
    assert alarm is not None
    moved = tuple(f"{factor.name} {factor.said}" for factor in factors if factor.said != "not tested")
    return Told(seen.endpoint.name, seen.endpoint.serves, alarm.at, alarm.lane, alarm.reason, alarm.epoch, moved)


def _check(url: str, variable: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise Undelivered(f"${variable} is no address") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)):
        raise Undelivered(f"${variable} must be an https address")


def _post(url: str, body: bytes, headers: Mapping[str, str], clock: Clock) -> None:
    import httpx

    why = ""
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=True) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                clock.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                with client.stream("POST", url, content=body, headers=dict(headers)) as answer:
                    _read_some(answer)
                    status = answer.status_code
            except httpx.HTTPError as error:
                why = f"{type(error).__name__}"
                continue
            if 200 <= status < 300:
                return
            why = f"it answered with status {status}"
            if status != 429 and status < 500:
                break
    raise Undelivered(why)


def _read_some(answer: object) -> None:
    """Read an answer to its end, if that comes soon: nothing in it matters."""
    import httpx

    assert isinstance(answer, httpx.Response)
    size = 0
    for piece in answer.iter_raw():
        size += len(piece)
        if size > MOST_ANSWER:
            return
