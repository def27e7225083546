"""Images, files and calls in messages: written as tags, never made of text."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.media import Kind, media_of
from promptops.core.template import compile_template
from promptops.errors import ProblemsError, TemplateRefused
from promptops.models import Media, Message, ToolCall
from tests.providers.oracles.calls import PDF, PNG

FILES = {"a.png": PNG, "menu.pdf": PDF}


def read(kind: Kind, path: str) -> Media:
    if path not in FILES:
        raise ValueError(f"{path!r} is not there")
    return media_of(kind, FILES[path], path)


def rendered(source: str, **inputs: Any) -> tuple[Message, ...]:
    return compile_template(source, {}, path="v1.j2").render(inputs, read)


def test_an_image_stands_where_it_is_written() -> None:
    (message,) = rendered("{% user %}look {% image photo %}, say{% file 'menu.pdf' %}{% enduser %}", photo="a.png")
    text, image, more, file = message.parts
    assert (text, more, message.content) == ("look ", ", say", "look , say")
    assert isinstance(image, Media)
    assert isinstance(file, Media)
    assert (image.kind, image.name, file.kind, file.media_type) == ("image", "a.png", "file", "application/pdf")


def test_a_body_without_roles_may_hold_an_image_too() -> None:
    (message,) = rendered("{% image photo %}\nWhat is this?", photo="a.png")
    assert message.role == "user"
    assert message.parts[1:] == ("What is this?",)


def test_text_alone_has_no_parts() -> None:
    assert rendered("{% user %}hi{% enduser %}") == (Message("user", "hi"),)


def test_images_may_come_out_of_loops_and_macros() -> None:
    source = (
        "{% macro pic(p) %}{% image p %}{% endmacro %}"
        "{% user %}{% for p in l %}{{ loop.index }}{{ pic(p) }}{% endfor %}{% enduser %}"
    )
    (message,) = rendered(source, l=["a.png", "a.png"])
    assert [part if isinstance(part, str) else part.name for part in message.parts] == ["1", "a.png", "2", "a.png"]


def test_shown_turns_may_call_tools_and_answer() -> None:
    source = (
        "{% user %}two{% enduser %}"
        "{% assistant %}ok{% toolcall 'book', {'time': time}, 'c1' %}{% endassistant %}"
        "{% tool 'c1' %}done{% endtool %}"
        "{% for turn in history %}{% message turn.role, turn.call %}{{ turn.text }}{% endmessage %}{% endfor %}"
    )
    history = [{"role": "tool", "call": "c2", "text": "late"}, {"role": "user", "call": None, "text": "so"}]
    assert rendered(source, time="7", history=history)[1:] == (
        Message("assistant", "ok", tool_calls=(ToolCall("book", {"time": "7"}, "c1"),)),
        Message("tool", "done", tool_call_id="c1"),
        Message("tool", "late", tool_call_id="c2"),
        Message("user", "so"),
    )


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("{% image photo %}", {"photo": "b.png"}, "'b.png' is not there"),
    ("{% image photo %}", {}, "'photo' is undefined"),
    ("{% image photo %}", {"photo": 1}, "needs the path of a file"),
    ("{% file photo %}", {"photo": "a.png"}, "is neither a PDF nor plain text"),
    ("{% image 'a.png' %}{{ text }}", {"text": "\udcff0\udcfe"}, "an input holds half a surrogate pair"),
    ("{% image 'a.png' %}{{ text[0].b }}", {"text": [{"b": "x\ud800"}]}, "an input holds half a surrogate pair"),
    ("{% macro p() %}{% image 'a.png' %}{% endmacro %}{{ p() | truncate(1, True, '', 0) }}", {}, "half a surrogate"),
    ("{% system %}{% image 'a.png' %}{% endsystem %}", {}, "stands in a system message"),
    ("{% user %}{% toolcall 'book', {}, 'c1' %}{% enduser %}", {}, "only assistants call tools"),
    ("{% assistant %}{% toolcall 'b k', {}, 'c1' %}{% endassistant %}", {}, "the name of a call must be"),
    ("{% assistant %}{% toolcall 'book', [], 'c1' %}{% endassistant %}", {}, "must be a mapping"),
    ("{% assistant %}{% toolcall 'book', x, 'c1' %}{% endassistant %}", {}, "'x' is undefined"),
    ("{% tool 'a b' %}x{% endtool %}", {}, "is no id of a call"),
    ("{% message 'user', 'c1' %}x{% endmessage %}", {}, "is no id of a call"),
    ("{% for i in range(101) %}{% image 'a.png' %}{% endfor %}", {}, "attaches more than 100"),
    ("{% image photo %}", {"photo": "data:image/png;base64,AAAA"}, "no image of a known type"),
]


@pytest.mark.parametrize(("source", "inputs", "words"), REFUSED)
def test_what_may_not_be_attached_is_refused(source: str, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateRefused, match=words):
        rendered(source, **inputs)


def test_without_a_reader_no_file_is_read() -> None:
    with pytest.raises(TemplateRefused, match="no files can be read here"):
        compile_template("{% image 'a.png' %}", {}, path="v1.j2").render({})


WRONG = [
    ("{% image photo, 2 %}", "image takes 1 values, not 2"),
    ("{% toolcall 'book' %}", "toolcall takes 3 values, not 1"),
    ("{% image photo.__class__ %}", "begins with an underscore"),
    ("{% image 'a.png' %}{% user %}x{% enduser %}", "a value outside of a message"),
    ("{% user %}{% image photo | nosuch %}{% enduser %}", "unknown filter"),
]


@pytest.mark.parametrize(("source", "words"), WRONG)
def test_a_wrong_tag_is_found_before_anything_runs(source: str, words: str) -> None:
    with pytest.raises(ProblemsError, match=words):
        compile_template(source, {}, path="v1.j2")
