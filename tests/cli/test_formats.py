"""`promptops run` in every wire format: the same prompt, the same checks, replayed from the same kind of recordings."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.core.wire.dialects import SPECS
from promptops.testing import Answer, LoopbackServer, TemporaryProject

MODEL = "model-2025-01-01"
TEXT = '{"time": "14:30"}'
TEMPLATE = f"""---
model: acme/{MODEL}
params: {{max_tokens: 50}}
---
{{% system %}}Extract the time.{{% endsystem %}}{{% user %}}{{{{ text }}}}{{% enduser %}}"""
CHAT_USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
CHAT: dict[str, Any] = {
    "id": "1",
    "object": "chat.completion",
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}],
    "usage": CHAT_USAGE,
}
OUTPUT = {"type": "message", "id": "m", "status": "completed", "role": "assistant"}
REPLIES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("openai-chat", "azure-openai", "deepseek", "mistral"), CHAT),
    "openai-responses": {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": MODEL,
        "output": [{**OUTPUT, "content": [{"type": "output_text", "text": TEXT, "annotations": []}]}],
        "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14},
    },
    "anthropic-messages": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 5},
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14},
        "modelVersion": MODEL,
    },
    "cohere": {
        "id": "1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
        "usage": {"billed_units": {"input_tokens": 9, "output_tokens": 5}},
    },
    "ollama": {
        "model": MODEL,
        "message": {"role": "assistant", "content": TEXT},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": 9,
        "eval_count": 5,
    },
    "bedrock-converse": {
        "output": {"message": {"role": "assistant", "content": [{"text": TEXT}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14},
        "metrics": {"latencyMs": 1},
    },
}


def needs_botocore(name: str) -> Any:
    skipped = pytest.mark.skipif(find_spec("botocore") is None, reason="botocore is not installed")
    return pytest.param(name, marks=skipped) if name == "bedrock-converse" else name


def project(path: Path, url: str, format_name: str, **settings: Any) -> TemporaryProject:
    made = TemporaryProject(path)
    made.provider("acme", url, format=format_name, retries=0, **settings)
    schema = {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]}
    made.prompt(
        "booking",
        versions={"v1": TEMPLATE},
        yaml="inputs: {text: string}\noutput: schema.json\nchecks: [schema, matches]\n",
        files={"schema.json": json.dumps(schema)},
    )
    made.dataset("booking", [{"id": "c1", "inputs": {"text": "half past two"}, "expected": {"time": "14:30"}}])
    made.git_init()
    return made


@pytest.mark.parametrize("format_name", [needs_botocore(name) for name in sorted(SPECS)])
def test_a_prompt_runs_and_replays_in_every_format(
    format_name: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    answer = Answer(body=json.dumps(REPLIES[format_name]).encode())
    with LoopbackServer(answer, paths=("",)) as server:
        made = project(in_folder, f"http://127.0.0.1:{server.port}", format_name)
        assert run(["run", "booking@v1"]) == 0, capsys.readouterr()
        (received,) = server.requests
    assert "half past two" in received.body.decode()
    (recording,) = made.path.glob("fixtures/booking/recordings/v1/*.jsonl")
    line = json.loads(recording.read_text())
    assert (line["text"], line["finish_reason"]) == (TEXT, "stop")
    assert (line["input_tokens"], line["output_tokens"]) == (9, 5)
    assert "EXAMPLEKEY" not in recording.read_text()
    capsys.readouterr()
    assert run(["run", "booking@v1", "--mode", "replay"]) == 0, capsys.readouterr()


@pytest.mark.parametrize("format_name", [needs_botocore(name) for name in sorted(SPECS)])
def test_a_param_that_is_not_taken_is_an_error_before_anything_is_asked(
    format_name: str, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    param = "grammar" if format_name != "openai-chat" else "temperature"
    value = '"root ::= x"' if param == "grammar" else "9"
    with LoopbackServer(paths=("",)) as server:
        made = project(in_folder, f"http://127.0.0.1:{server.port}", format_name)
        text = TEMPLATE.replace("max_tokens: 50", f"max_tokens: 50, {param}: {value}")
        made.prompt("booking", versions={"v1": text})
        assert run(["run", "booking@v1"]) == 2
        assert server.count == 0
    shown = capsys.readouterr()
    assert f"{param} " in shown.out + shown.err
    assert "v1.j2:3" in shown.out + shown.err
