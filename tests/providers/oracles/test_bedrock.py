"""botocore beside us: the same body and path for the same call, a signature it accepts, the same reading of a reply."""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

from promptops.errors import MissingExtra, ProviderError
from promptops.models import Media, Message, Pin, Request
from promptops.providers.aws import Credentials, region_of
from promptops.providers.bedrock import Bedrock
from promptops.testing.connection import Received
from tests.providers.oracles.oracle import (
    TOOL,
    broken_wherever_it_is_cut,
    conversation,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
    with_calls,
)

session = pytest.importorskip("botocore.session")

EVENTS = "application/vnd.amazon.eventstream"
REGION = "eu-central-1"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": REGION,
}
USAGE = {
    "inputTokens": 30,
    "outputTokens": 12,
    "totalTokens": 1066,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 24,
}
SYSTEM = [{"text": "Be brief."}]
MESSAGES = [
    {"role": "user", "content": [{"text": "7 pm"}]},
    {"role": "assistant", "content": [{"text": '{"time": "19:00"}'}]},
    {"role": "user", "content": [{"text": "half past two 😀"}]},
]
SCHEMA: dict[str, Any] = {
    "title": "Booking",
    "type": "object",
    "properties": {"time": {"type": "string"}},
    "required": ["time"],
    "additionalProperties": False,
}


def answer(content: list[dict[str, Any]], reason: str = "end_turn", **more: Any) -> dict[str, Any]:
    made = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, "usage": USAGE}
    return {**made, "metrics": {"latencyMs": 512}, **more}


def client(url: str) -> Any:
    from botocore.config import Config

    return session.get_session().create_client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=url,
        aws_access_key_id=ENVIRON["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ENVIRON["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def converse(url: str, *, stream: bool = False, model: str = MODEL, **call: Any) -> Any:
    asking = client(url)
    try:
        if stream:
            return list(asking.converse_stream(modelId=model, **call)["stream"])
        return asking.converse(modelId=model, **call)
    finally:
        asking.close()


def their_post(model: str = MODEL, **call: Any) -> Received:
    return sent_by(lambda url: converse(url, model=model, **call), served(answer([{"text": "hi"}])))


def our_post(request: Request, **settings: Any) -> Received:
    settings = {"key": None, "format_settings": {"environ": ENVIRON}, **settings}
    received, _ = sent_by_us("bedrock-converse", request, served(answer([{"text": "hi"}])), **settings)
    return received


LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
OPUS = "global.anthropic.claude-opus-4-5-20251101-v1:0"
LIMITS: dict[str, Any] = {"max_tokens": 300, "stop": "\n\n"}
SENT: dict[str, Any] = {"maxTokens": 300, "stopSequences": ["\n\n"]}


@pytest.mark.parametrize(
    ("model", "params", "inference", "more"),
    [
        (
            MODEL,
            {"temperature": 0.2, "top_k": 20},
            {"temperature": 0.2},
            {"additionalModelRequestFields": {"top_k": 20}},
        ),
        (ARN, {"top_p": 0.9}, {"topP": 0.9}, {}),
        (LLAMA, {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2, "topP": 0.9}, {}),
        (OPUS, {"reasoning_effort": "low"}, {}, {"outputConfig": {"effort": "low"}}),
    ],
)
def test_a_conversation_and_the_sampling(
    model: str, params: dict[str, Any], inference: dict[str, Any], more: dict[str, Any]
) -> None:
    ours = our_post(conversation(model, **LIMITS, **params), seed=7)
    theirs = their_post(model, system=SYSTEM, messages=MESSAGES, inferenceConfig={**SENT, **inference}, **more)
    assert ours.json == theirs.json
    assert ours.path == theirs.path


@pytest.mark.parametrize("environ", [ENVIRON, {**ENVIRON, "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjEXAMPLE"}])
@pytest.mark.parametrize("model", [MODEL, ARN])
@pytest.mark.parametrize("stream", [False, True])
def test_the_signature_is_the_one_that_botocore_makes_of_what_came_in(
    environ: dict[str, str], model: str, stream: bool
) -> None:
    request = conversation(model)
    received = our_post(request, format_settings={"environ": environ}, stream=stream)
    assert received.headers["authorization"] == signature(received, environ)
    assert received.headers.get("x-amz-security-token") == environ.get("AWS_SESSION_TOKEN")
    changed = Received(received.method, received.path, received.headers, received.body + b" ", {})
    assert received.headers["authorization"] != signature(changed, environ)


def signature(received: Received, environ: dict[str, str]) -> str:
    """The `Authorization` header that botocore makes for what came in, at the time that it names."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Signer

    names = received.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "content-type", "x-amz-date"} <= set(names)
    headers = {name: received.headers[name] for name in names}
    url = f"http://{received.headers['host']}{received.path}"
    request = AWSRequest(method=received.method, url=url, data=received.body, headers=headers)
    request.context["timestamp"] = received.headers["x-amz-date"]
    signer = Signer(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], environ.get("AWS_SESSION_TOKEN"))
    auth = SigV4Auth(signer, "bedrock", REGION)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    head = f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={';'.join(names)}"
    return f"{head}, Signature={auth.signature(text, request)}"


def test_a_bedrock_key_is_a_bearer_token_and_nothing_is_signed() -> None:
    received, _ = sent_by_us(
        "bedrock-converse", conversation(MODEL), served(answer([{"text": "hi"}])), format_settings={"environ": {}}
    )
    assert received.headers["authorization"].startswith("Bearer ")
    assert "x-amz-date" not in received.headers


@pytest.mark.parametrize("environ", [{}, {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": " "}])
def test_without_credentials_nothing_is_sent(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match="AWS_SECRET_ACCESS_KEY") as caught:
        our_post(conversation(MODEL), format_settings={"environ": environ})
    assert caught.value.kind == "auth"


def test_credentials_are_in_no_repr() -> None:
    shown = repr(Credentials.of({**ENVIRON, "AWS_SESSION_TOKEN": "a-token"}))
    assert ENVIRON["AWS_SECRET_ACCESS_KEY"] not in shown
    assert "a-token" not in shown


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("bedrock-runtime.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime-fips.us-east-2.amazonaws.com", "us-east-2"),
        ("bedrock-runtime.eu-central-1.api.aws", "eu-central-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("vpce-1.example", REGION),
    ],
)
def test_the_region_stands_in_the_host_or_in_the_environment(host: str, region: str) -> None:
    assert region_of(host, ENVIRON) == region


def test_a_region_that_nothing_names_is_an_error() -> None:
    with pytest.raises(ProviderError, match="AWS_REGION"):
        region_of("gateway.example", {})


@pytest.mark.parametrize(
    ("choice", "sent"), [("auto", {"auto": {}}), ("required", {"any": {}}), ("book", {"tool": {"name": "book"}})]
)
def test_tools_calls_and_their_results(choice: str, sent: dict[str, Any]) -> None:
    call = {"toolUse": {"toolUseId": "call_1", "name": "book", "input": {"time": "19:00", "people": 2}}}
    result = {"toolResult": {"toolUseId": "call_1", "content": [{"text": '{"booked": true}'}]}}
    messages = [
        {"role": "user", "content": [{"text": "a table at seven"}]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, {"text": "thanks, and one at eight"}]},
    ]
    function = TOOL["function"]
    spec = {"name": "book", "description": function["description"], "inputSchema": {"json": function["parameters"]}}
    config = {"tools": [{"toolSpec": spec}], "toolChoice": sent}
    assert our_post(with_calls(MODEL, tool_choice=choice)).json == their_post(messages=messages, toolConfig=config).json


def test_there_is_no_word_for_none_of_the_tools() -> None:
    with pytest.raises(ProviderError, match="leave the tools out"):
        our_post(with_calls(MODEL, tool_choice="none"))


def test_a_schema_is_asked_for_in_the_native_mode() -> None:
    request = Request(Pin("acme", MODEL), (Message("user", "hi"),), output_schema=SCHEMA)
    ours = our_post(request).json
    definition = ours["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition["schema"]) == SCHEMA
    structure = {"jsonSchema": {"schema": definition["schema"], "name": "Booking"}}
    output = {"textFormat": {"type": "json_schema", "structure": structure}}
    user = [{"role": "user", "content": [{"text": "hi"}]}]
    assert ours == their_post(messages=user, outputConfig=output).json


@pytest.mark.parametrize(
    ("model", "native"),
    [
        (MODEL, True),
        (ARN, True),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", True),
        ("qwen.qwen3-32b-v1:0", True),
        ("anthropic.claude-opus-4-1-20250805-v1:0", False),
        ("anthropic.claude-sonnet-4-20250514-v1:0", False),
        ("anthropic.claude-3-haiku-20240307-v1:0", False),
        ("eu.amazon.nova-lite-v1:0", False),
        ("meta.llama3-3-70b-instruct-v1:0", False),
    ],
)
def test_a_model_without_a_mode_for_schemas_is_asked_in_words(model: str, native: bool) -> None:
    body = our_post(Request(Pin("acme", model), (Message("user", "hi"),), output_schema=SCHEMA)).json
    assert ("outputConfig" in body) is native
    assert ("system" in body) is not native


def test_images_and_files_are_blocks() -> None:
    image = Media("image", "image/jpeg", b"\xff\xd8", "sha256:1", "a.jpg")
    paper = Media("file", "application/pdf", b"%PDF-1.7", "sha256:2", "Our  terms_v2 (final).pdf")
    request = Request(Pin("acme", MODEL), (Message("user", "read", ("read", image, paper)),))
    content = [
        {"text": "read"},
        {"image": {"format": "jpeg", "source": {"bytes": b"\xff\xd8"}}},
        {"document": {"format": "pdf", "name": "Our terms v2 (final)", "source": {"bytes": b"%PDF-1.7"}}},
    ]
    assert our_post(request).json == their_post(messages=[{"role": "user", "content": content}]).json


CALL = {"toolUse": {"toolUseId": "tooluse_1", "name": "book", "input": {"time": "14:30", "people": 2}}}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "half past two is …", "signature": "c2ln"}}}
REPLIES = {
    "text": answer([{"text": "14:"}, {"text": "30 😀"}]),
    "thoughts": answer([THOUGHT, {"text": "14:30"}], "stop_sequence"),
    "calls": answer([{"text": "I book."}, CALL], "tool_use"),
    "cut": answer([{"text": "14"}], "max_tokens"),
    "the context was full": answer([{"text": "14"}], "model_context_window_exceeded"),
    "a guardrail": answer([{"text": "no"}], "guardrail_intervened"),
    "nothing cached": answer([{"text": "x"}], usage={"inputTokens": 30, "outputTokens": 12, "totalTokens": 42}),
}
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_as_botocore_reads_it(name: str) -> None:
    found: list[Any] = []
    sent_by(lambda url: found.append(converse(url, messages=MESSAGES)), served(REPLIES[name]))
    (theirs,) = found
    settings: dict[str, Any] = {"key": None, "format_settings": {"environ": ENVIRON}}
    _, ours = sent_by_us("bedrock-converse", conversation(MODEL), served(REPLIES[name]), **settings)
    blocks = theirs["output"]["message"]["content"]
    assert ours.text == "".join(block["text"] for block in blocks if "text" in block)
    assert ours.finish_reason == REASONS[theirs["stopReason"]]
    assert [(call["id"], *function_of(call)) for call in ours.tool_calls] == [
        (block["toolUse"]["toolUseId"], block["toolUse"]["name"], block["toolUse"]["input"])
        for block in blocks
        if "toolUse" in block
    ]
    usage = theirs["usage"]
    cached, made = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    assert ours.usage.input_tokens == usage["inputTokens"] + cached + made
    assert ours.usage.output_tokens == usage["outputTokens"]
    assert ours.served_model is None


def function_of(call: Any) -> tuple[str, Any]:
    return call["function"]["name"], json.loads(call["function"]["arguments"])


def frames(documents: Iterable[tuple[str, dict[str, Any]]], *, kind: str = "event") -> bytes:
    """Frames of an event stream: the prelude and each whole frame have their checksums."""
    return b"".join(frame({":message-type": kind, f":{kind}-type": name}, body) for name, body in documents)


def frame(headers: dict[str, str], body: dict[str, Any]) -> bytes:
    encoded = b""
    for name, value in {**headers, ":content-type": "application/json"}.items():
        text = value.encode()
        encoded += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(text)) + text
    payload = json.dumps(body).encode()
    prelude = struct.pack("!II", 16 + len(encoded) + len(payload), len(encoded))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + encoded + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def delta(index: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": fields}


STARTED = ("messageStart", {"role": "assistant"})
TOLD = [
    STARTED,
    delta(0, reasoningContent={"text": "half past …"}),
    delta(0, reasoningContent={"signature": "c2ln"}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    delta(1, text="14:"),
    delta(1, text="30 é😀"),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "tooluse_1", "name": "book"}}}),
    delta(2, toolUse={"input": '{"time": '}),
    delta(2, toolUse={"input": '"14:30"}'}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("contentBlockStart", {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "tooluse_2", "name": "list"}}}),
    ("contentBlockStop", {"contentBlockIndex": 3}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 512}}),
]
STREAM = frames(TOLD)


def test_a_stream_is_read_as_botocore_reads_it_wherever_it_is_cut() -> None:
    found: list[Any] = []
    theirs = sent_by(
        lambda url: found.extend(converse(url, system=SYSTEM, messages=MESSAGES, stream=True)), streamed(STREAM, EVENTS)
    )
    ours = same_wherever_it_is_cut(Bedrock(environ=ENVIRON), STREAM, EVENTS)
    deltas = [event["contentBlockDelta"]["delta"] for event in found if "contentBlockDelta" in event]
    assert ours.text == "".join(one.get("text", "") for one in deltas)
    assert [function_of(call) for call in ours.tool_calls] == [("book", {"time": "14:30"}), ("list", {})]
    assert "".join(one["toolUse"]["input"] for one in deltas if "toolUse" in one) == '{"time": "14:30"}'
    assert ours.finish_reason == "tool_calls"
    (metadata,) = (event["metadata"] for event in found if "metadata" in event)
    assert ours.usage.output_tokens == metadata["usage"]["outputTokens"]
    assert ours.usage.input_tokens == metadata["usage"]["totalTokens"] - metadata["usage"]["outputTokens"]
    settings: dict[str, Any] = {"key": None, "format_settings": {"environ": ENVIRON}, "stream": True}
    sent, reply = sent_by_us("bedrock-converse", conversation(MODEL), streamed(STREAM, EVENTS), **settings)
    assert (sent.path, sent.json) == (theirs.path, theirs.json)
    assert (reply.text, reply.tool_calls, reply.usage) == (ours.text, ours.tool_calls, ours.usage)
    assert reply.first_token is not None


BEGUN = frames([STARTED, delta(0, text="14")])
BROKEN = frames([delta(0, text="30")])


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        (b"", "connection"),
        (frames([("throttlingException", {"message": "slow down"})], kind="exception"), "rate_limit"),
        (frames([("validationException", {"message": "no"})], kind="exception"), "request"),
        (frames([("modelStreamErrorException", {"message": "x"})], kind="exception"), "server"),
        (frames([("internalServerException", {})], kind="exception"), "server"),
        (frame({":message-type": "error", ":error-code": "500", ":error-message": "x"}, {}), "server"),
        (BROKEN[:-1] + bytes([BROKEN[-1] ^ 1]), "bad_reply"),
        (BROKEN[:9] + bytes([BROKEN[9] ^ 1]) + BROKEN[10:], "bad_reply"),
        (b"HTTP/1.1 500 Internal Server Error", "bad_reply"),
        (frames([delta(1, text=7)]), "bad_reply"),
        (frames([("contentBlockDelta", {"contentBlockIndex": -1, "delta": {}})]), "bad_reply"),
    ],
)
def test_a_stream_that_breaks_is_no_reply_wherever_it_is_cut(rest: bytes, kind: str) -> None:
    assert broken_wherever_it_is_cut(Bedrock(environ=ENVIRON), BEGUN + rest, EVENTS) == kind


def test_arguments_that_are_no_json_are_no_reply() -> None:
    start = ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "1", "name": "book"}}})
    body = frames([start, delta(0, toolUse={"input": '{"time'}), ("messageStop", {"stopReason": "tool_use"})])
    assert broken_wherever_it_is_cut(Bedrock(environ=ENVIRON), body, EVENTS) == "bad_reply"


def test_a_router_that_chose_another_model_makes_no_sample_of_the_pin() -> None:
    trace = {"promptRouter": {"invokedModelId": "arn:aws:bedrock:eu-central-1::foundation-model/amazon.nova-lite-v1:0"}}
    settings: dict[str, Any] = {"key": None, "format_settings": {"environ": ENVIRON}}
    with pytest.raises(ProviderError, match="nova-lite") as caught:
        sent_by_us("bedrock-converse", conversation(MODEL), served(answer([{"text": "x"}], trace=trace)), **settings)
    assert caught.value.kind == "identity"


@pytest.mark.parametrize(
    "document",
    [
        {},
        answer([{"text": 7}]),
        answer([{"toolUse": {"name": "book"}}]),
        answer([{"text": "x"}], "malformed_model_output"),
        answer([{"text": "x"}], usage={"inputTokens": "many"}),
        {"output": {"message": {"content": "text"}}, "stopReason": "end_turn"},
    ],
)
def test_what_is_no_reply_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        Bedrock(environ=ENVIRON).reply(document)


@pytest.mark.parametrize(
    ("params", "model", "why"),
    [
        ({"temperature": 1.5}, MODEL, "at most 1"),
        ({"seed": 7}, MODEL, "is not taken"),
        ({"top_k": 5}, "meta.llama3-3-70b-instruct-v1:0", "is not taken"),
        ({"frequency_penalty": 0.5}, MODEL, "is not taken"),
        ({"logprobs": True}, MODEL, "is not taken"),
        ({"temperature": 0.5, "top_p": 0.9}, MODEL, "cannot be set together"),
        ({"temperature": 0.5}, "us.anthropic.claude-opus-4-7-v1:0", "is not taken"),
        ({"reasoning_effort": "low"}, "anthropic.claude-3-haiku-20240307-v1:0", "is not taken"),
        ({"reasoning_effort": "low"}, "anthropic.claude-opus-4-1-20250805-v1:0", "is not taken"),
    ],
)
def test_what_is_not_taken_is_refused_before_anything_is_sent(params: dict[str, Any], model: str, why: str) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        our_post(conversation(model, **params))
    assert caught.value.kind == "request"


def test_top_k_of_nova_has_a_place_of_its_own() -> None:
    body = our_post(conversation("us.amazon.nova-lite-v1:0", top_k=20)).json
    assert body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 20}}


def test_without_botocore_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(MissingExtra, match=r"pytest-promptops\[bedrock\]"):
        Bedrock(environ=ENVIRON)
