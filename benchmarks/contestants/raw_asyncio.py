"""The floor: asyncio's streams, one keep-alive connection a worker, HTTP/1.1 written by hand."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


async def ask_all(url: str, path: str, concurrency: int) -> int:
    address, _, base = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    cases = iter(read(path))
    return sum(await asyncio.gather(*(work(cases, host, int(port), base) for _ in range(concurrency))))


async def work(cases: Iterator[Any], host: str, port: int, base: str) -> int:
    right = 0
    reader, writer = await asyncio.open_connection(host, port)
    for case in cases:
        body = json.dumps(
            {
                "model": "model-1",
                "messages": [{"role": "user", "content": f"Is this kind? {case['inputs']['text']}"}],
                "temperature": 0.0,
                "max_tokens": 20,
            }
        ).encode()
        head = f"POST /{base}/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = json.loads(await read_body(reader))
        right += json.loads(answer["choices"][0]["message"]["content"]) == case["expected"]
    writer.close()
    return right


async def read_body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    start = head.index(b"content-length:") + len(b"content-length:")
    return await reader.readexactly(int(head[start : head.index(b"\r\n", start)]))


if __name__ == "__main__":
    print(asyncio.run(ask_all(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
