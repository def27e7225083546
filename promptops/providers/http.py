"""A provider that is reached over HTTP: one endpoint, one wire format, one key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from promptops.errors import ProviderError
from promptops.models import Pin, Reply, Request
from promptops.providers.base import Exchange, Limits
from promptops.providers.bodies import MAX_EXCUSE, Whole
from promptops.providers.connection import Connection, preload
from promptops.providers.deadlines import Waits
from promptops.providers.events import Events
from promptops.providers.failures import of_status
from promptops.providers.formats import WireFormat, format_for
from promptops.providers.identity import check_identity
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.replies import parse_object

_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class HttpProvider:
    """Asks `base_url` in the wire format `format_name`.

    `key` None sends no key; `takes_seed` False sends no seed; `stream` asks for streams, which measures the first
    token; `waits` bounds what the deadline of an attempt consists of. `names` maps a pin's model id to what this
    endpoint calls the model; `idempotency_header` carries the exchange's idempotency key.

    Raises `ValueError` for a base URL that may not be asked (see `keys.parse_endpoint`), `KeyError` for an unknown
    format.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        format_name: str = "openai-chat",
        key: KeySource | None = None,
        limits: Limits | None = None,
        takes_seed: bool = True,
        stream: bool = False,
        waits: Waits | None = None,
        names: Mapping[str, str] | None = None,
        idempotency_header: str | None = None,
    ) -> None:
        endpoint = parse_endpoint(base_url)
        preload()
        self.name = name
        self._wire: WireFormat = format_for(format_name, endpoint.host)
        self._connection = Connection(name, endpoint, waits=waits)
        self._key, self._limits, self._takes_seed, self._stream = key, limits or Limits(), takes_seed, stream
        self._names, self._idempotency_header = names or {}, idempotency_header

    def limits(self) -> Limits:
        """The limits given to the constructor."""
        return self._limits

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        """Send `request` once; see `Provider.ask`."""
        exchange = exchange or Exchange()
        called = self._names.get(request.pin.model)
        body = self._encoded(request if called is None else _by_name(request, called), seed)
        received = await self._connection.post(
            self._wire.path,
            body,
            self._headers(exchange),
            deadline=deadline,
            exchange=exchange,
            receive=self._receive,
        )
        reply = self._read(received.body, exchange, request.pin.model)
        check_identity(request.pin, reply.served_model, exchange.headers, called=called)
        first_token = received.first_token if isinstance(received.body, Events) else None
        return replace(reply, latency=round(received.latency, 6), first_token=first_token)  # µs, as files have it

    async def aclose(self) -> None:
        """Close every connection. May be called twice."""
        await self._connection.aclose()

    def _encoded(self, request: Request, seed: int | None) -> bytes:
        try:
            return _ENCODE(self._wire.body(request, seed if self._takes_seed else None, stream=self._stream)).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise ProviderError("request", f"{self.name}: the request cannot be written as JSON: {error}") from None

    def _headers(self, exchange: Exchange) -> dict[str, str]:
        headers = self._wire.headers(self._key.read(self.name) if self._key else None)
        headers["accept"] = "text/event-stream, application/json" if self._stream else "application/json"
        if self._idempotency_header and exchange.idempotency:
            headers[self._idempotency_header] = exchange.idempotency
        return headers

    def _receive(self, status: int, headers: Mapping[str, str]) -> Whole | Events:
        """What takes the body: what it is, its head says, and not what was asked for."""
        if not 200 <= status < 300:
            return Whole(MAX_EXCUSE, cut=True)
        is_stream = headers.get("content-type", "").lower().startswith("text/event-stream")
        return Events(self._wire.chunks()) if is_stream else Whole()

    def _read(self, body: Whole | Events, exchange: Exchange, model: str) -> Reply:
        status = exchange.status or 0
        if not 200 <= status < 300:
            said = body.body if isinstance(body, Whole) else b""
            key = self._key.variable if self._key else None
            raise of_status(status, exchange.headers, said, provider=self.name, model=model, key=key)
        try:
            return self._wire.reply(body.document() if isinstance(body, Events) else parse_object(body.body))
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self.name}: {error}", status=status) from None
        except RecursionError:
            raise ProviderError("bad_reply", f"{self.name}: the reply is nested too deeply", status=status) from None


def _by_name(request: Request, called: str) -> Request:
    return replace(request, pin=Pin(request.pin.provider, called))
