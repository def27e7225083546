"""What a served prompt sends in other formats than chat completions: images, structure, tools, over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import promptops
from promptops.core.wire.claude_schema import claude_schema
from promptops.errors import TemplateRefused
from promptops.testing import Answer, LoopbackServer, TemporaryProject
from tests.loader.test_loader import SCHEMA, release
from tests.providers.oracles.calls import PNG

MODEL = "claude-sonnet-4-5-20250929"
MESSAGE: dict[str, Any] = {
    "type": "message",
    "model": MODEL,
    "role": "assistant",
    "content": [{"type": "text", "text": '{"n": 3}'}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 2},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    kit = TemporaryProject(tmp_path)
    release(
        kit,
        "v1",
        model=f"acme/{MODEL}",
        params={"max_tokens": 9, "structured_output": "auto"},
        template="{% system %}Count.{% endsystem %}{% user %}{% image photo %}How many?{% enduser %}",
        inputs={"photo": {}},
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(PNG)
    with LoopbackServer(Answer(body=json.dumps(MESSAGE).encode()), paths=("",)) as server:
        kit.provider("acme", f"http://127.0.0.1:{server.port}/v1", retries=0, format="anthropic-messages")
        yield server


def test_a_caller_s_image_and_the_contract_s_schema_are_sent(server: LoopbackServer, tmp_path: Path) -> None:
    reply = promptops.load("booking").run(photo=tmp_path / "photo.png")
    (received,) = server.requests
    assert received.path == "/v1/messages"
    (turn,) = received.json["messages"]
    assert [block["type"] for block in turn["content"]] == ["image", "text"]
    assert received.json["output_config"] == {"format": {"type": "json_schema", "schema": claude_schema(SCHEMA)}}
    assert reply.parsed == {"n": 3}
    assert (reply.finish_reason, reply.usage.input_tokens, reply.usage.cached_tokens) == ("stop", 12, 7)


def test_a_text_from_a_user_names_no_file_of_the_machine(server: LoopbackServer, tmp_path: Path) -> None:
    prompt = promptops.load("booking")
    for text in (str(tmp_path / "photo.png"), "../../photo.png", "photo.png"):
        with pytest.raises(TemplateRefused, match=r"photo\.png"):
            prompt.run(photo=text)
    assert not server.requests
