"""The bare loop that everything is measured against: aiohttp, and nothing else."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp


def read(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def ask_all(url: str, path: str, concurrency: int) -> int:
    cases = iter(read(path))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:
        return sum(await asyncio.gather(*(work(cases, session, url) for _ in range(concurrency))))


async def work(cases: Iterator[Any], session: aiohttp.ClientSession, url: str) -> int:
    right = 0
    for case in cases:
        body = {
            "model": "model-1",
            "messages": [{"role": "user", "content": f"Is this kind? {case['inputs']['text']}"}],
            "temperature": 0.0,
            "max_tokens": 20,
        }
        async with session.post(f"{url}/chat/completions", json=body) as response:
            text = (await response.json())["choices"][0]["message"]["content"]
        right += json.loads(text) == case["expected"]
    return right


if __name__ == "__main__":
    print(asyncio.run(ask_all(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
