"""The embedded model itself: not how good its answers are, but that they are the same whatever happened before."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from promptops.models import Message, Reply, Request
from promptops.providers.local import open_local
from promptops.providers.local.catalog import CATALOG
from promptops.providers.local.files import cache_dir, is_pulled, model_file, verified
from promptops.providers.local.launcher import Launcher
from tests.providers.local.kit import ended_within

MODEL = CATALOG[0]
PULLED = is_pulled(MODEL, cache_dir(os.environ))

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(not PULLED, reason=f"the model is not here: run `promptops models pull {MODEL.name}`"),
]

#: Long enough (over 64 tokens) for a prompt cache or a shared batch to change the numbers, were there one.
SYSTEM = (
    "You read messages of guests who want to book a table, a room, a taxi or an appointment, and you extract the name "
    "of the guest, the date and the time. Answer with one JSON object with the keys name, date and time and nothing "
    "else. Leave out what the message does not say."
)
CASES = Path(__file__).parents[3] / "fixtures" / "booking" / "cases.jsonl"
TEXTS = [json.loads(line)["inputs"]["text"] for line in CASES.read_text(encoding="utf-8").splitlines()[:10]]


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """A server of this test's own over the pulled file: another test may use the shared one."""
    own = model_file(MODEL, tmp_path)
    own.parent.mkdir()
    own.symlink_to(verified(MODEL, cache_dir(os.environ)))
    yield Launcher(tmp_path, grace=5.0)


def ask(launcher: Launcher, texts: list[str]) -> dict[str, Any]:
    """The first four tokens for each text with the probabilities of their five nearest rivals."""
    found = {}
    with launcher.lease(MODEL) as lease:
        headers = {"Authorization": f"Bearer {lease.state.token}"}
        with httpx.Client(base_url=lease.state.url, headers=headers, trust_env=False, timeout=60) as client:
            for text in texts:
                messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
                options = {"temperature": 0, "max_tokens": 4, "logprobs": True, "top_logprobs": 5}
                reply = client.post("/v1/chat/completions", json={"model": "", "messages": messages, **options}).json()
                assert reply["model"] == MODEL.model_id
                found[text] = reply["choices"][0]["logprobs"]["content"]
    return found


def test_answers_are_bit_equal_when_repeated_reversed_and_after_a_restart(launcher: Launcher) -> None:
    first = ask(launcher, TEXTS)
    assert ask(launcher, TEXTS[::-1]) == first
    with launcher.lease(MODEL) as lease:
        os.kill(lease.state.pid, signal.SIGTERM)
        assert ended_within(lease.state.pid, 30)
    assert ask(launcher, TEXTS[5:] + TEXTS[:5]) == first


def test_sigterm_within_a_request_ends_the_server_at_once(launcher: Launcher) -> None:
    with launcher.lease(MODEL) as lease:
        headers = {"Authorization": f"Bearer {lease.state.token}"}
        body = {"messages": [{"role": "user", "content": "Tell a long story."}], "max_tokens": 1500, "stream": True}
        with (
            httpx.Client(base_url=lease.state.url, headers=headers, trust_env=False, timeout=60) as client,
            client.stream("POST", "/v1/chat/completions", json=body) as reply,
        ):
            next(reply.iter_bytes())
            os.kill(lease.state.pid, signal.SIGTERM)
            assert ended_within(lease.state.pid, 30)


def test_the_api_is_closed_to_who_does_not_know_the_token(launcher: Launcher) -> None:
    with launcher.lease(MODEL) as lease:
        for path in ("/v1/models", "/v1/chat/completions", "/metrics"):
            assert httpx.post(lease.state.url + path, json={}, trust_env=False).status_code == 401


def test_the_provider_asks_the_model_and_says_what_it_used(launcher: Launcher) -> None:
    async def run() -> Reply:
        provider = open_local(MODEL.pin, {"PROMPTOPS_CACHE_DIR": str(launcher.cache), "PROMPTOPS_LOCAL_GRACE": "5"})
        request = Request(MODEL.pin, (Message("user", "Say yes."),), {"temperature": 0.0, "max_tokens": 4})
        try:
            return await provider.ask(request, seed=1, deadline=asyncio.get_running_loop().time() + 60)
        finally:
            await provider.aclose()

    reply = asyncio.run(run())
    assert reply.text
    assert reply.served_model == MODEL.model_id
    assert (reply.finish_reason, reply.usage.output_tokens) == ("length", 4)
    assert reply.usage.input_tokens is not None
    assert 10 < reply.usage.input_tokens < 60
