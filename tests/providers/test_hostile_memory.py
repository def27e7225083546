"""What floods cost in memory, measured in a process of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from promptops.testing import Answer, LoopbackServer
from tests.providers.attacks import EVENTS, JSON, PIECE, chunked, endless

GROWTH = 60 * 2**20  # bytes that a process may grow by, whatever it is sent
TOKENS = b'data:{"choices":[{"delta":{"content":"ab"}}]}\n\n' * 1000

FLOODS: dict[str, Answer] = {
    "two gigabytes": Answer(raw=endless(JSON + b"Content-Length: 2147483648\r\n\r\n", b" " * PIECE)),
    "no end": Answer(raw=endless(JSON + b"\r\n", b" " * PIECE)),
    "chunks": Answer(raw=endless(JSON + b"Transfer-Encoding: chunked\r\n\r\n", chunked(b" " * PIECE))),
    "an error": Answer(raw=endless(b"HTTP/1.1 500 Oh\r\n\r\n", b"x" * PIECE)),
    "tokens": Answer(raw=endless(EVENTS + b"\r\n", TOKENS)),
    "one line of a stream": Answer(raw=endless(EVENTS + b"\r\ndata: ", b"x" * PIECE)),
    "headers": Answer(raw=endless(JSON, b"X-A: b\r\n" * 1000)),
    "promises": Answer(raw=endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "gzip": Answer(body=gzip.compress(bytes(2**28), 1), headers={"Content-Encoding": "gzip"}),
    "gzip in gzip": Answer(body=gzip.compress(gzip.compress(bytes(2**28), 1)), headers={"Content-Encoding": "gzip"}),
    "deflate": Answer(body=zlib.compress(bytes(2**28), 1), headers={"Content-Encoding": "deflate"}),
    "a packed stream": Answer(
        body=gzip.compress(bytes(2**28), 1),
        headers={"Content-Encoding": "gzip", "Content-Type": "text/event-stream"},
    ),
    "values": Answer(body=b'{"choices": [' + b"{}," * 5_000_000 + b"{}]}"),
    "depth": Answer(body=b"[" * 2**24),
}
CLIENT = """
import asyncio, json, re, sys
from tests.providers.attacks import ask
from promptops.providers.http import HttpProvider

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status", encoding="ascii").read())[1]) * 1024

async def main(url, *names):
    provider = HttpProvider("acme", url)
    await ask(provider, "warm up")
    found = {}
    for name in names:
        before = peak()
        outcome = await ask(provider, name, seconds=1.0)
        again = await ask(provider, "again")
        if again.kind == "connection":
            again = await ask(provider, "again")
        found[name] = (outcome.kind, peak() - before, again.reply is not None)
    await provider.aclose()
    print(json.dumps(found))

asyncio.run(main(*sys.argv[1:]))
"""


def answer(asked: dict[str, Any]) -> Answer:
    return FLOODS.get(asked["messages"][1]["content"], Answer("well"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell what a process needs")
def test_no_flood_costs_more_than_60_mb() -> None:
    with LoopbackServer(answer, record=False) as server:
        command = [sys.executable, "-c", CLIENT, server.base_url, *FLOODS]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[str, int, bool]] = json.loads(done.stdout)
    for name, (kind, growth, is_well_after) in found.items():
        assert growth < GROWTH, (name, growth)
        assert kind in ("bad_reply", "timeout", "server"), (name, kind)
        assert is_well_after, name
    assert sum(growth for _, growth, _ in found.values()) < 2 * GROWTH, found
