"""A bare loop over httpx, with its own pool; as a fourth argument `aiohttp`, over the transport of httpx-aiohttp."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


def open_client(concurrency: int, transport: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    if transport == "aiohttp":
        from httpx_aiohttp import HttpxAiohttpClient

        client: httpx.AsyncClient = HttpxAiohttpClient(limits=limits, timeout=60.0)
        return client
    return httpx.AsyncClient(limits=limits, timeout=60.0)


def read(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def ask_all(url: str, path: str, concurrency: int, transport: str) -> int:
    cases = iter(read(path))
    async with open_client(concurrency, transport) as client:
        return sum(await asyncio.gather(*(work(cases, client, url) for _ in range(concurrency))))


async def work(cases: Iterator[Any], client: httpx.AsyncClient, url: str) -> int:
    right = 0
    for case in cases:
        body = {
            "model": "model-1",
            "messages": [{"role": "user", "content": f"Is this kind? {case['inputs']['text']}"}],
            "temperature": 0.0,
            "max_tokens": 20,
        }
        response = await client.post(f"{url}/chat/completions", json=body)
        text = response.json()["choices"][0]["message"]["content"]
        right += json.loads(text) == case["expected"]
    return right


if __name__ == "__main__":
    print(asyncio.run(ask_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), (*sys.argv, "")[4])))
