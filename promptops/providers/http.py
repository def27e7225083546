"""A provider that is reached over HTTP: one endpoint, one wire format, one key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from promptops.errors import ProviderError
from promptops.models import Reply, Request
from promptops.providers.base import Exchange, Limits
from promptops.providers.bodies import MAX_EXCUSE, Whole
from promptops.providers.connection import Connection, preload
from promptops.providers.deadlines import Waits
from promptops.providers.failures import of_status
from promptops.providers.formats import format_for
from promptops.providers.identity import check_identity, host_of, region_of
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.replies import parse_object
from promptops.providers.streams import Stream, stream_for
from promptops.providers.wire import encode_body


class HttpProvider:
    """Asks `base_url` in the wire format `format_name`.

    `key` None sends no key; `takes_seed` False sends no seed; `stream` asks for streams, which measures the first
    token; `waits` bounds what the deadline of an attempt consists of. `names` maps a pin's model id to what this
    endpoint calls the model; `idempotency_header` carries the exchange's idempotency key. `drop_unsupported` leaves out
    the params that the endpoint does not take for a model; `format_settings` are those that only this format has,
    `headers` go with every request.

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
        drop_unsupported: bool = False,
        format_settings: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        endpoint = parse_endpoint(base_url)
        preload()
        self.name, self._url = name, endpoint.url
        settings = format_settings or {}
        self._wire = format_for(format_name, endpoint.host, drop_unsupported=drop_unsupported, **settings)
        self._connection = Connection(name, endpoint, waits=waits)
        self._key, self._limits, self._takes_seed, self._stream = key, limits or Limits(), takes_seed, stream
        self._names, self._idempotency_header = names or {}, idempotency_header
        self._more_headers = {name.lower(): value for name, value in (headers or {}).items()}

    def limits(self) -> Limits:
        """The limits given to the constructor."""
        return self._limits

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        """Send `request` once; see `Provider.ask`."""
        exchange = exchange or Exchange()
        called = self._names.get(request.pin.model)
        path = self._wire.path(called or request.pin.model, stream=self._stream)
        body = self._encoded(request, called, seed)
        received = await self._connection.post(
            path,
            body,
            self._wire.signed(self._url + path, self._headers(request, exchange), body),
            deadline=deadline,
            exchange=exchange,
            receive=self._receive,
        )
        reply = self._read(received.body, exchange, request.pin.model)
        served = reply.served_model if reply.served_model or self._wire.says_model else request.pin.model
        headers = exchange.headers
        deviations = check_identity(request.pin, served, headers, called=called)
        region, host = region_of(headers), reply.host or host_of(headers)
        if deviations or region or host != reply.host:
            reply = replace(reply, deviations=deviations, region=region, host=host)
        latency = round(received.latency, 6)  # µs, as files have it
        if isinstance(received.body, Whole):
            return replace(reply, latency=latency)
        return replace(reply, latency=latency, first_token=received.first_token, token_gap=received.token_gap)

    async def aclose(self) -> None:
        """Close every connection. May be called twice."""
        await self._connection.aclose()

    def _encoded(self, request: Request, called: str | None, seed: int | None) -> bytes:
        seed = seed if self._takes_seed else None
        try:
            return encode_body(self._wire.body(request, seed, stream=self._stream, called=called))
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self.name}: {error}") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise ProviderError("request", f"{self.name}: the request cannot be written as JSON: {error}") from None

    def _headers(self, request: Request, exchange: Exchange) -> dict[str, str]:
        headers = self._wire.headers_for(request, self._key.read(self.name) if self._key else None)
        headers.update(self._more_headers)
        headers["accept"] = f"{self._wire.stream_type}, application/json" if self._stream else "application/json"
        if self._idempotency_header and exchange.idempotency:
            headers[self._idempotency_header] = exchange.idempotency
        return headers

    def _receive(self, status: int, headers: Mapping[str, str]) -> Whole | Stream:
        """What takes the body: what it is, its head says, and not what was asked for."""
        if not 200 <= status < 300:
            return Whole(MAX_EXCUSE, cut=True)
        asked = self._wire.stream_type if self._stream else ""
        return stream_for(headers.get("content-type", ""), self._wire.chunks, asked=asked) or Whole()

    def _read(self, body: Whole | Stream, exchange: Exchange, model: str) -> Reply:
        status = exchange.status or 0
        if not 200 <= status < 300:
            said = body.body if isinstance(body, Whole) else b""
            key = self._key.variable if self._key else self._wire.credentials
            raise of_status(status, exchange.headers, said, provider=self.name, model=model, key=key)
        try:
            return self._wire.reply(parse_object(body.body) if isinstance(body, Whole) else body.document())
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self.name}: {error}", status=status) from None
        except RecursionError:
            raise ProviderError("bad_reply", f"{self.name}: the reply is nested too deeply", status=status) from None
