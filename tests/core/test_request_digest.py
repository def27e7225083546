"""The request digest covers what messages hold beside text, and is what it was where they hold none."""

from __future__ import annotations

from msgspec.structs import replace

from promptops.core.digest import message_json, request_digest
from promptops.core.media import media_of
from promptops.models import Message, Pin, Request, ToolCall
from tests.providers.oracles.calls import PDF, PNG

IMAGE = media_of("image", PNG, "a.png")
PLAIN = Request(Pin("acme", "m"), (Message("system", "s"), Message("user", "u")), {"temperature": 0})
SEEN = replace(PLAIN, messages=(Message("user", "u", ("u", IMAGE)),))


def test_a_plain_message_is_role_and_text() -> None:
    assert message_json(PLAIN.messages[0]) == {"role": "system", "content": "s"}
    assert request_digest(PLAIN) == "sha256:673d38e5c680563c038f5762558467d8847213cb080574a3ed8f6eef3ccc6961"


def test_an_image_counts_by_its_bytes_and_not_by_its_name() -> None:
    renamed = replace(SEEN, messages=(Message("user", "u", ("u", replace(IMAGE, name="b.png"))),))
    other = media_of("image", PNG + b"\0", "a.png")
    changed = replace(SEEN, messages=(Message("user", "u", ("u", other)),))
    assert request_digest(SEEN) == request_digest(renamed)
    assert len({request_digest(request) for request in (PLAIN, SEEN, changed)}) == 3


def test_the_name_of_a_file_is_sent_and_counts() -> None:
    file = media_of("file", PDF, "a.pdf")
    requests = [replace(PLAIN, messages=(Message("user", "", (replace(file, name=name),)),)) for name in ("a", "b")]
    assert request_digest(requests[0]) != request_digest(requests[1])


def test_calls_results_and_schemas_count() -> None:
    call = Message("assistant", "", tool_calls=(ToolCall("f", {"a": 1}, "c1"),))
    other = Message("assistant", "", tool_calls=(ToolCall("f", {"a": 2}, "c1"),))
    answer = Message("tool", "x", tool_call_id="c1")
    made = [replace(PLAIN, messages=messages) for messages in ((call,), (other,), (call, answer))]
    made += [replace(PLAIN, output_schema=schema) for schema in ({}, {"type": "object"})]
    assert len({request_digest(request) for request in [PLAIN, *made]}) == 6
