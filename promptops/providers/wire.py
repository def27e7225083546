"""What all wire formats share: params go where the format's spec says, and nothing that is not taken is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from promptops.core.structured import instructed, instruction
from promptops.core.wire import Spec, kept, refusals
from promptops.core.wire.schema_modes import beyond
from promptops.core.wire.takes import fields_for, has_native_schema, place
from promptops.errors import ProviderError
from promptops.models import Message, Pin, Reply, Request
from promptops.providers.events import Chunks

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Return a body as it is sent: compact UTF-8. Raises `ValueError` for a number that JSON has not."""
    return _ENCODE(body).encode()


class Wire:
    """One wire format as one endpoint takes it: `spec` in data, the rest in a subclass. No sockets and no clock.

    A subclass writes `route` (or `path`), `write`, `reply` and `chunks`; `headers` and `signed` where its keys travel
    otherwise.
    `drop_unsupported` leaves out what the endpoint does not take, in place of an error.
    """

    route = ""
    """What is posted to, where that is the same for all models."""

    says_model = True
    """Whether a reply names the model that made it. Where it does not, the URL that was asked is all there is."""

    credentials: str | None = None
    """The variable that holds what a request is signed by, where it carries no key."""

    stream_type = "text/event-stream"
    """The content type of its streams; `streams.STREAMS` cuts it into events."""

    def __init__(self, spec: Spec, *, drop_unsupported: bool = False) -> None:
        self.spec = spec
        self._drop = drop_unsupported
        self._held: tuple[Mapping[str, Any], bool] | None = None
        self._last: tuple[str, Mapping[str, Any], dict[str, Any]] | None = None

    # --- what a format writes and reads

    def path(self, model: str, *, stream: bool = False) -> str:  # noqa: ARG002 - some name the model in it
        """Return what is posted to, below the base URL. `model` is the endpoint's name for it."""
        return self.route

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the headers that carry the key, and whatever else the format wants: here, what the spec says."""
        headers = dict(self.spec.headers)
        if key and self.spec.key_header:
            headers[self.spec.key_header] = key
        elif key:
            headers["authorization"] = f"Bearer {key}"
        return headers

    def headers_for(self, request: Request, key: str | None) -> dict[str, str]:  # noqa: ARG002
        """Return the headers that go with `request`: here, the same for all."""
        return self.headers(key)

    def signed(self, url: str, headers: dict[str, str], body: bytes) -> Mapping[str, str]:  # noqa: ARG002
        """Return the headers to send with `body` to `url`: here, `headers` themselves."""
        return headers

    def write(self, request: Request, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
        """Return the body but for the params that have a path of their own. `request` names the model as it is sent."""
        raise NotImplementedError

    def reply(self, document: Mapping[str, Any]) -> Reply:
        """Read the JSON object of a successful reply; raises `ProviderError` for what the format does not promise."""
        raise NotImplementedError

    def chunks(self) -> Chunks:
        """Return what adds up the events of one streamed reply to the document that `reply` reads."""
        raise NotImplementedError

    # --- what is the same everywhere

    def body(
        self, request: Request, seed: int | None, *, stream: bool = False, called: str | None = None
    ) -> dict[str, Any]:
        """Return the JSON body: messages and tools, params where they belong, `extra_body` merged last.

        `seed` is the sample's own (None: none is to be sent), and one among the params goes before it; a format that
        has none sends none. `called` is the endpoint's own name for the model. Raises `ProviderError("request")` for
        params and messages that the endpoint does not take.
        """
        params = self.in_force(request)
        if seed is not None and self.spec.sample_seed and "seed" in self.spec.fields:
            params = {"seed": seed, **params}
        named = request if called is None else replace(request, pin=Pin(request.pin.provider, called))
        body = {**self.spec.extra, **self.write(named, params, stream=stream)}
        place(body, fields_for(self.spec, request.pin.model, params), params)
        extra = params.get("extra_body")
        return _merged(body, extra) if isinstance(extra, Mapping) else body

    def in_force(self, request: Request) -> dict[str, Any]:
        """Return the params to send; raises `ProviderError("request")` for one that is not taken."""
        model, params = request.pin.model, request.params
        if self._last is not None and self._last[0] == model and self._last[1] is params:
            return self._last[2]
        found = [refusal for refusal in refusals(self.spec, model, params) if refusal.missing or not self._drop]
        if found:
            raise ProviderError("request", f"{'; '.join(map(str, found))} ({found[0].page})")
        taken = kept(self.spec, model, params)
        self._last = (model, params, taken)
        return taken

    def native_schema(self, request: Request, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the schema to send in the vendor's own mode, None where there is none or it is written in words."""
        schema, wanted = request.output_schema, params.get("structured_output")
        if schema is None or wanted == "instruction" or not has_native_schema(self.spec, request.pin.model):
            return None
        return None if wanted == "auto" and self._is_beyond(schema) else schema

    def _is_beyond(self, schema: Mapping[str, Any]) -> bool:
        """Whether the vendor's mode cannot hold `schema`, which is the same one for request after request."""
        if self._held is None or self._held[0] is not schema:
            self._held = (schema, bool(beyond(self.spec.schema_mode, schema)))
        return self._held[1]

    def messages(self, request: Request, params: Mapping[str, Any]) -> tuple[Message, ...]:
        """Return the messages, with the schema in words where the vendor's mode for it is not used; media checked."""
        messages = request.messages
        for message in messages:
            for part in message.parts:
                if not isinstance(part, str) and part.media_type not in self.spec.media.get(part.kind, ()):
                    known = ", ".join(sorted(self.spec.media.get(part.kind, ()))) or "none"
                    text = f"{part.name}: {part.media_type} is no {part.kind} that {self.spec.format} takes ({known})"
                    raise ProviderError("request", text)
        if request.output_schema is not None and self.native_schema(request, params) is None:
            messages = instructed(messages, instruction(request.output_schema))
        return messages

    def stop_reason(self, said: str | None) -> str | None:
        """Return our word for the vendor's stop reason; one without such a word stays as it is."""
        return self.spec.stops.get(said, said) if said else None


def _merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return `body` with `extra` over it: an object goes into an object of the same name, anything else replaces it."""
    made = dict(body)
    for name, value in extra.items():
        below = made.get(name)
        inner = isinstance(value, Mapping) and isinstance(below, Mapping)
        made[name] = _merged(below or {}, value) if inner else value
    return made


def functions_of(request: Request) -> list[Mapping[str, Any]]:
    """Return what is below `function` in each tool of a request, whose shape was checked when it was read."""
    tools: Any = request.tools
    return [tool["function"] for tool in tools]
