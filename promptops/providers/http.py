"""A provider that is reached over HTTP: one endpoint, one wire format, one key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from promptops.errors import ProviderError
from promptops.models import Pin, Reply, Request
from promptops.providers.base import Exchange, Limits
from promptops.providers.connection import Connection
from promptops.providers.failures import of_status
from promptops.providers.formats import WireFormat, format_for
from promptops.providers.identity import check_identity
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.replies import parse_object


class HttpProvider:
    """Asks `base_url` in the wire format `format_name`.

    `key` None sends no key; `takes_seed` False sends no seed. `names` maps a pin's model id to what this endpoint calls
    the model; `idempotency_header` carries the exchange's idempotency key.

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
        names: Mapping[str, str] | None = None,
        idempotency_header: str | None = None,
    ) -> None:
        endpoint = parse_endpoint(base_url)
        self.name = name
        self._wire: WireFormat = format_for(format_name, endpoint.host)
        self._connection = Connection(name, endpoint)
        self._key, self._limits, self._takes_seed = key, limits or Limits(), takes_seed
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
        headers = self._wire.headers(self._key.read(self.name) if self._key else None)
        if self._idempotency_header and exchange.idempotency:
            headers[self._idempotency_header] = exchange.idempotency
        response = await self._connection.post(self._wire.path, body, headers, deadline=deadline)
        exchange.status, exchange.headers = response.status, response.headers
        if not 200 <= response.status < 300:
            raise of_status(
                response.status,
                response.headers,
                response.body,
                provider=self.name,
                model=request.pin.model,
                key=self._key.variable if self._key else None,
            )
        try:
            reply = self._wire.reply(parse_object(response.body))
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self.name}: {error}", status=response.status) from None
        check_identity(request.pin, reply.served_model, response.headers, called=called)
        return replace(reply, latency=response.latency)

    async def aclose(self) -> None:
        """Close every connection. May be called twice."""
        await self._connection.aclose()

    def _encoded(self, request: Request, seed: int | None) -> bytes:
        try:
            body = self._wire.body(request, seed if self._takes_seed else None)
            return json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise ProviderError("request", f"{self.name}: the request cannot be written as JSON: {error}") from None


def _by_name(request: Request, called: str) -> Request:
    return replace(request, pin=Pin(request.pin.provider, called))
