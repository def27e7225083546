"""What the provider tests share: one planned sample, one provider on loopback, and time that does not pass."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from promptops.config import Config, ProviderConfig
from promptops.models import Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey
from promptops.providers.client import Client, Clock
from promptops.testing import LoopbackServer

PIN = Pin("acme", "m-2025-01-01")
KEY = "sk-test-0123456789abcdef"
ENVIRON = {"ACME_API_KEY": KEY}


class Still:
    """A clock whose sleeps take no time and are noted, with a chance that is always one half."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))
        await asyncio.sleep(0)

    def clock(self) -> Clock:
        return Clock(sleep=self.sleep, chance=lambda: 0.5)


def request(text: str = "hi", *, pin: Pin = PIN, params: Mapping[str, Any] | None = None) -> Request:
    return Request(pin, (Message("system", "be brief"), Message("user", text)), params or {})


def planned(case: str = "c1", index: int = 0, **settings: Any) -> PlannedSample:
    asked = request(**settings)
    return PlannedSample(SampleKey("p", "v1", str(asked.pin), case, index), asked, "sha256:" + "0" * 64)


def config(base_url: str, **settings: Any) -> Config:
    provider = ProviderConfig(base_url=base_url, **{"api_key_env": "ACME_API_KEY", **settings})
    return Config(providers={"acme": provider})


def ask(
    server: LoopbackServer,
    *wanted: PlannedSample,
    still: Still | None = None,
    environ: Mapping[str, str] = ENVIRON,
    **settings: Any,
) -> list[Sample]:
    """All `wanted` samples (default: one) at once through a `Client`; sleeps take no time."""

    async def run() -> list[Sample]:
        client = Client(config(server.base_url, **settings), environ=environ, clock=(still or Still()).clock())
        try:
            return await asyncio.gather(*(client.sample(sample) for sample in wanted or (planned(),)))
        finally:
            await client.aclose()

    return asyncio.run(run())


def failure(sample: Sample) -> Failure:
    assert sample.failure is not None, sample
    assert sample.reply is None
    return sample.failure


def reply(sample: Sample) -> Reply:
    assert sample.reply is not None, sample
    assert sample.failure is None
    return sample.reply
