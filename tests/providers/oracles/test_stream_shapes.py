"""However a vendor or a proxy writes its events, and wherever they are cut, the reply is the same."""

from __future__ import annotations

import pytest

from promptops.errors import ProviderError
from promptops.models import Reply
from promptops.providers.events import Events
from promptops.providers.formats import format_for
from promptops.providers.wire import Wire
from tests.providers.oracles import test_anthropic, test_gemini, test_openai_chat, test_openai_responses
from tests.providers.oracles.oracle import cuts, events, read

STREAMS = {
    "openai-chat": events(test_openai_chat.CHAT_STREAMS["text"]),
    "openai-responses": events(
        test_openai_responses.response_stream(test_openai_responses.RESPONSE_REPLIES["text"]), named="type"
    ),
    "anthropic-messages": events(test_anthropic.stream_of(test_anthropic.REPLIES["blocks"]), named="type"),
    "gemini": events(test_gemini.stream_of(test_gemini.REPLIES["thoughts"])),
}
SHAPES = {
    "CRLF": lambda body: body.replace(b"\n", b"\r\n"),
    "CR": lambda body: body.replace(b"\n", b"\r"),
    "no space": lambda body: body.replace(b"data: ", b"data:"),
    "comments": lambda body: b": hello\n\n" + body.replace(b"\n\n", b"\n: keep alive \xf0\x9f\x98\x80\n\n:\n\n"),
    "other fields": lambda body: body.replace(b"data: {", b"id: 7\nretry: 100\nnonsense\ndata: {"),
    "a mark": lambda body: b"\xef\xbb\xbf" + body,
    "no last line": lambda body: body.rstrip(b"\n"),
    "more empty lines": lambda body: b"\n\n" + body.replace(b"\n\n", b"\n\n\n\n"),
}


def same_at_some_cuts(wire: Wire, body: bytes) -> Reply:
    whole = read(wire, [body], "text/event-stream")
    for number, pieces in enumerate(cuts(body)):
        if number % 23 == 0:
            assert read(wire, pieces, "text/event-stream") == whole
    return whole


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_may_be_written_in_every_way_that_events_may(name: str, shape: str) -> None:
    wire = format_for(name, "llm.acme.example")
    plain = read(wire, [STREAMS[name]], "text/event-stream")
    assert same_at_some_cuts(wire, SHAPES[shape](STREAMS[name])) == plain


@pytest.mark.parametrize("name", STREAMS)
def test_a_broken_character_is_an_error_and_not_mended(name: str) -> None:
    wire = format_for(name, "llm.acme.example")
    body = STREAMS[name].replace(b'"model', b'"m\xf0\x9fdel', 1)
    for pieces in ([body], [body[index : index + 1] for index in range(len(body))]):
        with pytest.raises(ProviderError, match="is not UTF-8") as told:
            read(wire, pieces, "text/event-stream")
        assert told.value.kind == "bad_reply"


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_breaks_off_is_a_lost_connection_and_never_half_a_reply(name: str) -> None:
    wire = format_for(name, "llm.acme.example")
    whole, body = read(wire, [STREAMS[name]], "text/event-stream"), STREAMS[name]
    for place in range(0, len(body), 11):
        try:
            found = read(wire, [body[:place]], "text/event-stream")
        except ProviderError as error:
            assert error.kind in ("connection", "bad_reply")  # an event cut in its middle is no JSON
        else:
            assert (found.text, found.tool_calls) == (whole.text, whole.tool_calls)


@pytest.mark.parametrize("name", STREAMS)
def test_pieces_are_counted_where_something_was_written(name: str) -> None:
    chunks = format_for(name, "llm.acme.example").chunks()

    stream = Events(chunks)
    counts = []
    for event in STREAMS[name].split(b"\n\n"):
        stream.feed(event + b"\n\n")
        counts.append(stream.pieces)
    assert counts[0] <= 1
    assert counts == sorted(counts)
    assert stream.pieces >= 2
