"""A bare loop over the SDK of OpenAI."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai


def read(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def ask_all(url: str, path: str, concurrency: int) -> int:
    cases = iter(read(path))
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        return sum(await asyncio.gather(*(work(cases, client) for _ in range(concurrency))))


async def work(cases: Iterator[Any], client: openai.AsyncOpenAI) -> int:
    right = 0
    for case in cases:
        reply = await client.chat.completions.create(
            model="model-1",
            messages=[{"role": "user", "content": f"Is this kind? {case['inputs']['text']}"}],
            temperature=0.0,
            max_tokens=20,
        )
        right += json.loads(reply.choices[0].message.content or "") == case["expected"]
    return right


if __name__ == "__main__":
    print(asyncio.run(ask_all(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
