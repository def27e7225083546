"""Google's own SDK beside us: the same body for the same call, the same reading of a reply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Request
from promptops.providers.formats import format_for
from tests.providers.oracles.calls import FILE, IMAGE, PDF, PNG, Booking, looking, structured, two_calls
from tests.providers.oracles.oracle import (
    KEY,
    TOOL,
    closed_later,
    conversation,
    events,
    read,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
)

genai: Any = pytest.importorskip("google.genai")
types: Any = pytest.importorskip("google.genai.types")

MODEL = "gemini-2.5-flash"
WIRE = format_for("gemini", "generativelanguage.googleapis.com")
FUNCTION = TOOL["function"]
TURNS: list[Any] = [
    types.UserContent("7 pm"),
    types.ModelContent('{"time": "19:00"}'),
    types.UserContent("half past two 😀"),
]
ANSWER: dict[str, Any] = {
    "candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 2, "totalTokenCount": 10},
    "modelVersion": MODEL,
    "responseId": "r1",
}
DECLARED = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="book", description="Books a table.", parameters_json_schema=FUNCTION["parameters"]
        )
    ]
)


def choosing(**config: Any) -> Any:
    return types.ToolConfig(function_calling_config=types.FunctionCallingConfig(**config))


def call(name: str, args: dict[str, Any]) -> Any:
    return types.Part(function_call=types.FunctionCall(id=name, name="book", args=args))


def result(name: str, response: dict[str, Any]) -> Any:
    return types.Part(function_response=types.FunctionResponse(id=name, name="book", response=response))


BOOKED: list[Any] = [
    types.UserContent("two tables"),
    types.ModelContent(
        [types.Part(text="At once."), call("call_a", {"time": "19:00"}), call("call_b", {"time": "20:00"})]
    ),
    types.UserContent([result("call_a", {"booked": True}), result("call_b", {"output": "full"})]),
    types.UserContent("and one at nine"),
]
CALLS: dict[str, tuple[Request, Any, dict[str, Any]]] = {
    "a conversation": (conversation(MODEL), TURNS, {"system_instruction": "Be brief."}),
    "sampling": (
        conversation(
            MODEL,
            temperature=0.2,
            top_p=0.9,
            top_k=20,
            max_tokens=300,
            seed=7,
            stop="\n\n",
            frequency_penalty=0.5,
            presence_penalty=-0.5,
            logprobs=True,
            top_logprobs=2,
        ),
        TURNS,
        {
            "system_instruction": "Be brief.",
            "temperature": 0.2,
            "top_p": 0.9,
            "top_k": 20,
            "max_output_tokens": 300,
            "seed": 7,
            "stop_sequences": ["\n\n"],
            "frequency_penalty": 0.5,
            "presence_penalty": -0.5,
            "response_logprobs": True,
            "logprobs": 2,
        },
    ),
    "a level of thinking": (
        conversation("gemini-3-pro-preview", reasoning_effort="low"),
        TURNS,
        {
            "system_instruction": "Be brief.",
            "thinking_config": types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW),
        },
    ),
    "no thinking": (
        conversation(MODEL, reasoning_effort="none"),
        TURNS,
        {"system_instruction": "Be brief.", "thinking_config": types.ThinkingConfig(thinking_budget=0)},
    ),
    "an image and a file": (
        looking(MODEL, IMAGE, FILE),
        types.UserContent(
            [
                "What is this?",
                types.Part.from_bytes(data=PNG, mime_type="image/png"),
                types.Part.from_bytes(data=PDF, mime_type="application/pdf"),
                "Be brief.",
            ]
        ),
        {},
    ),
    "two calls": (
        two_calls(MODEL, TOOL, tool_choice="required"),
        BOOKED,
        {"system_instruction": "Be brief.", "tools": [DECLARED], "tool_config": choosing(mode="ANY")},
    ),
    "one function": (
        two_calls(MODEL, TOOL, tool_choice="book"),
        BOOKED,
        {
            "system_instruction": "Be brief.",
            "tools": [DECLARED],
            "tool_config": choosing(mode="ANY", allowed_function_names=["book"]),
        },
    ),
    "a schema": (
        structured(MODEL),
        "half past two, two of us",
        {
            "system_instruction": "Be brief.",
            "response_mime_type": "application/json",
            "response_json_schema": Booking.model_json_schema(),
        },
    ),
}


def client(url: str) -> Any:
    return closed_later(genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url)))


def ask(url: str, contents: Any, config: dict[str, Any], model: str = MODEL) -> Any:
    with client(url) as asked:
        settings = types.GenerateContentConfig(**config)
        return asked.models.generate_content(model=model, contents=contents, config=settings)


def plain(value: Any) -> Any:
    """Names and base64 as the reference writes them: the SDK mixes in `thinking_level` and the base64 of URLs.

    Source: https://protobuf.dev/programming-guides/json/ (parsers take both)
    """
    if isinstance(value, dict):
        return {camel(key): standard(below) if key == "data" else plain(below) for key, below in value.items()}
    return [plain(below) for below in value] if isinstance(value, list) else value


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def standard(data: str) -> str:
    return data.replace("-", "+").replace("_", "/")


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_the_same_body(name: str) -> None:
    request, contents, config = CALLS[name]
    model = request.pin.model
    theirs = sent_by(lambda url: ask(url, contents, config, model), served(ANSWER))
    ours, _ = sent_by_us("gemini", request, served({**ANSWER, "modelVersion": model}), below="/v1")
    assert ours.path == theirs.path == f"/v1/models/{model}:generateContent"
    assert ours.headers["x-goog-api-key"] == theirs.headers["x-goog-api-key"] == KEY
    assert plain(ours.json) == plain(without_nothing(theirs.json))


def without_nothing(body: dict[str, Any]) -> dict[str, Any]:
    """The SDK sends an empty generation config where it was given none."""
    return {name: value for name, value in body.items() if name != "generationConfig" or value}


REPLIES: dict[str, dict[str, Any]] = {
    "text": ANSWER,
    "thoughts": {
        **ANSWER,
        "candidates": [
            {
                "content": {
                    "parts": [{"text": "hm", "thought": True}, {"text": "one, "}, {"text": "two 😀"}],
                    "role": "model",
                },
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 8,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 2,
            "thoughtsTokenCount": 30,
            "totalTokenCount": 40,
        },
    },
    "calls": {
        **ANSWER,
        "candidates": [
            {
                "content": {
                    "parts": [
                        {
                            "functionCall": {"id": "f1", "name": "book", "args": {"time": "é"}},
                            "thoughtSignature": "c2ln",
                        },
                        {"functionCall": {"name": "book"}},
                    ],
                    "role": "model",
                },
                "finishReason": "STOP",
            }
        ],
    },
    "cut": {**ANSWER, "candidates": [{**ANSWER["candidates"][0], "finishReason": "MAX_TOKENS"}]},
    "filtered": {**ANSWER, "candidates": [{"finishReason": "SAFETY", "index": 0}]},
    "a bad call": {**ANSWER, "candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]},
    "log probabilities": {
        **ANSWER,
        "candidates": [
            {
                **ANSWER["candidates"][0],
                "logprobsResult": {
                    "topCandidates": [
                        {"candidates": [{"token": "hi", "tokenId": 1, "logProbability": -0.1}]},
                        {"candidates": [{"token": "!", "tokenId": 2, "logProbability": -1.5}]},
                    ],
                    "chosenCandidates": [
                        {"token": "hi", "tokenId": 1, "logProbability": -0.1},
                        {"token": "?", "tokenId": 3, "logProbability": -2.5},
                    ],
                },
            }
        ],
    },
}
REASONS = {
    "calls": "tool_calls",
    "cut": "length",
    "filtered": "content_filter",
    "a bad call": "MALFORMED_FUNCTION_CALL",
}


def compare(ours: Any, theirs: list[Any]) -> None:
    """`theirs` are the chunks of a stream, or one whole reply."""
    parts = [
        part
        for chunk in theirs
        for part in (chunk.candidates[0].content.parts or [] if chunk.candidates[0].content else [])
    ]
    assert ours.text == "".join(part.text for part in parts if part.text and not part.thought)
    assert ours.served_model == theirs[-1].model_version
    calls = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in ours.tool_calls]
    assert calls == [(part.function_call.name, part.function_call.args or {}) for part in parts if part.function_call]
    usage = theirs[-1].usage_metadata
    assert ours.usage.input_tokens == usage.prompt_token_count
    assert ours.usage.output_tokens == usage.candidates_token_count + (usage.thoughts_token_count or 0)
    assert ours.usage.input_tokens + ours.usage.output_tokens == usage.total_token_count
    assert ours.usage.cached_tokens == usage.cached_content_token_count
    assert ours.usage.reasoning_tokens == usage.thoughts_token_count
    found = [chunk.candidates[0].logprobs_result for chunk in theirs]
    chosen = [token for logprobs in found if logprobs for token in logprobs.chosen_candidates or []]
    assert [(t["token"], t["logprob"]) for t in ours.logprobs] == [(t.token, t.log_probability) for t in chosen]


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_alike(name: str) -> None:
    read_by_them: list[Any] = []
    sent_by(lambda url: read_by_them.append(ask(url, "x", {})), served(REPLIES[name]))
    _, ours = sent_by_us("gemini", conversation(MODEL), served(REPLIES[name]))
    compare(ours, read_by_them)
    assert ours.finish_reason == REASONS.get(name, "stop")


def stream_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The chunks of one reply: a part each, counts that grow, and the reason in the last."""
    candidate = document["candidates"][0]
    parts = candidate.get("content", {}).get("parts", [])
    rest = {name: value for name, value in document.items() if name != "candidates"}
    made = []
    for part in parts:
        counts = {"usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8}}
        made.append({**rest, **counts, "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}]})
    last = {**candidate, "content": {"parts": [{"text": ""}], "role": "model"}}
    return [*made, {**rest, "candidates": [last]}]


@pytest.mark.parametrize("name", ["text", "thoughts", "calls", "log probabilities"])
def test_a_stream_is_read_alike_wherever_it_is_cut(name: str) -> None:
    body = events(stream_of(REPLIES[name]))
    read_by_them: list[Any] = []

    def ask_streamed(url: str) -> None:
        with client(url) as asked:
            config = types.GenerateContentConfig(system_instruction="Be brief.")
            read_by_them.extend(asked.models.generate_content_stream(model=MODEL, contents=TURNS, config=config))

    theirs = sent_by(ask_streamed, streamed(body))
    ours = same_wherever_it_is_cut(WIRE, body)
    compare(ours, read_by_them)
    assert ours.finish_reason == REASONS.get(name, "stop")
    sent, _ = sent_by_us("gemini", conversation(MODEL), streamed(body), below="/v1", stream=True)
    assert sent.path == theirs.path == f"/v1/models/{MODEL}:streamGenerateContent?alt=sse"
    assert sent.json == without_nothing(theirs.json)


def test_a_prompt_that_a_filter_stopped_is_filtered() -> None:
    reply = WIRE.reply({"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": MODEL})
    assert (reply.text, reply.finish_reason, reply.served_model) == ("", "content_filter", MODEL)


TEXT = stream_of(REPLIES["thoughts"])
ERRORS: list[tuple[list[dict[str, Any]], str, str]] = [
    ([*TEXT[:1], {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}], "server", "overloaded"),
    ([{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}], "rate_limit", "slow"),
    ([{"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}], "request", "no"),
    (TEXT[:-1], "connection", "ended in the middle"),
    ([TEXT[0], {**TEXT[1], "modelVersion": "gemini-2.0-flash-001"}], "identity", "two models"),
]


@pytest.mark.parametrize(("sent", "kind", "words"), ERRORS)
def test_an_error_in_a_stream_is_an_error_of_its_kind(sent: list[dict[str, Any]], kind: str, words: str) -> None:
    with pytest.raises(ProviderError, match=words) as told:
        read(WIRE, [events(sent)], "text/event-stream")
    assert told.value.kind == kind
