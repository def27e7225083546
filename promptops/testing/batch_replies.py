"""What a batch server answers for one request, in the words of each wire format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.testing.answers import Answer

Document = dict[str, Any]


def usage_of(answer: Answer, asked: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens in and out: those of the answer, else words counted."""
    if answer.usage is not None:
        return answer.usage
    return len(str(asked.get("messages") or asked.get("input") or "").split()), len((answer.text or "").split())


def chat_completion(answer: Answer, asked: Mapping[str, Any]) -> Document:
    """A reply of OpenAI chat completions."""
    given, made = usage_of(answer, asked)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": _model(answer, asked),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text, "refusal": answer.refusal},
                "finish_reason": answer.finish_reason,
            }
        ],
        "usage": {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made},
        **answer.fields,
    }


def response(answer: Answer, asked: Mapping[str, Any]) -> Document:
    """A reply of OpenAI responses."""
    given, made = usage_of(answer, asked)
    content: list[Document] = [{"type": "output_text", "text": answer.text, "annotations": []}]
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "status": "completed",
        "error": None,
        "model": _model(answer, asked),
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}],
        "usage": {"input_tokens": given, "output_tokens": made, "total_tokens": given + made},
        **answer.fields,
    }


def message(answer: Answer, asked: Mapping[str, Any]) -> Document:
    """A reply of Anthropic messages."""
    given, made = usage_of(answer, asked)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": _model(answer, asked),
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": given, "output_tokens": made},
        **answer.fields,
    }


def openai_line(custom_id: str, url: str, answer: Answer, asked: Mapping[str, Any]) -> Document:
    """A line of an output file, or of an error file where the answer is an error."""
    if answer.status < 400:
        body = response(answer, asked) if url.endswith("/responses") else chat_completion(answer, asked)
    else:
        body = {"error": {"message": answer.error, "type": "error", "param": None, "code": answer.code}}
    made = {"status_code": answer.status, "request_id": "req_1", "body": body}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": made, "error": None}


def openai_expired(custom_id: str) -> Document:
    """A line of an error file for a request that nobody worked on in time."""
    text = "This request was not worked on before the completion window ended."
    error = {"code": "batch_expired", "message": text}
    return {"id": f"batch_req_{custom_id}", "custom_id": custom_id, "response": None, "error": error}


def anthropic_line(custom_id: str, answer: Answer, asked: Mapping[str, Any]) -> Document:
    """A line of the results: succeeded or errored."""
    if answer.status < 400:
        return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message(answer, asked)}}
    inner = {"type": answer.code or "invalid_request_error", "message": answer.error}
    error = {"type": "error", "error": inner, "request_id": "req_1"}
    return {"custom_id": custom_id, "result": {"type": "errored", "error": error}}


def anthropic_other(custom_id: str, kind: str) -> Document:
    """A line of the results for a request that nobody worked on: `expired` or `canceled`."""
    return {"custom_id": custom_id, "result": {"type": kind}}


def _model(answer: Answer, asked: Mapping[str, Any]) -> str | None:
    return asked.get("model") if answer.model is None else answer.model
