"""Calls the webhook: once for all alarms of a night, signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptops.core.nightly.messages import Told, payload, signature
from promptops.runner.nightly.posting import address, again, secret, send

if TYPE_CHECKING:
    from promptops.config import WebhookConfig
    from promptops.times import Clock


class Webhook:
    """The receiver of `[tool.promptops.drift.webhook]`; raises `Undelivered` where its variables are not set."""

    def __init__(self, settings: WebhookConfig, environ: Mapping[str, str]) -> None:
        self.name: str = settings.kind
        self._kind = settings.kind
        self._url = address(environ, settings.url_env)
        why = "what is sent is to be signed with it"
        self._key = secret(environ, settings.key_env, why) if settings.key_env else ""

    def tell(self, told: Sequence[Told], clock: Clock) -> str:
        """Send one message for all of them; returns what was done, in words. Raises `Undelivered`."""
        body = payload(self._kind, told)

        def once() -> bytes:
            headers = {"content-type": "application/json", "user-agent": "promptops"}
            if self._key:
                at = int(clock.now().timestamp())
                headers |= {"x-promptops-timestamp": str(at), "x-promptops-signature": signature(self._key, at, body)}
            return send("POST", self._url, headers, body)

        again(once, clock)
        return f"told {self._kind}"
