"""All contestants, in the order of the tables. A new one is a script in `contestants/` and a line here."""

from __future__ import annotations

from benchmarks import ours
from benchmarks.base import Contestant, script
from benchmarks.promptfoo import PROMPTFOO, WARM_PROMPTFOO

YARDSTICK = script("aiohttp", "aiohttp_loop.py", kind="bare", needs=("aiohttp",))

SIDE_BY_SIDE: tuple[Contestant, ...] = (
    script("asyncio streams", "raw_asyncio.py", kind="bare", needs=()),
    YARDSTICK,
    script("httpx over aiohttp", "httpx_loop.py", "aiohttp", kind="bare", needs=("httpx-aiohttp", "httpx")),
    script("httpx, own pool", "httpx_loop.py", kind="bare", needs=("httpx",)),
    script("openai SDK", "openai_sdk.py", kind="bare", needs=("openai",)),
    ours.PLUGIN_LIVE,
    ours.RUN_LIVE,
    script("pydantic-evals", "pydantic_evals_run.py", kind="peer", needs=("pydantic-evals", "openai", "jsonschema")),
    script("deepeval", "deepeval_run.py", kind="peer", needs=("deepeval", "openai", "jsonschema"), slow=True),
    PROMPTFOO,
    script("inspect_ai", "inspect_run.py", kind="peer", needs=("inspect-ai", "openai", "jsonschema"), slow=True),
    ours.SEQUENTIAL,
)

WIDE: tuple[Contestant, ...] = tuple(
    contestant
    for contestant in SIDE_BY_SIDE
    if contestant.name in {"asyncio streams", "aiohttp", "httpx over aiohttp"} or contestant.kind == "ours"
)

PLAIN_PYTEST = ours.PLAIN_PYTEST
PYTHON = ours.PYTHON
REPLAY: tuple[Contestant, ...] = (ours.PLAIN_PYTEST, ours.PLUGIN_REPLAY, ours.RUN_REPLAY, WARM_PROMPTFOO)
START: tuple[Contestant, ...] = (ours.PYTHON, ours.HELP, ours.PLAIN_PYTEST)
