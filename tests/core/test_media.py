"""What an image or a file is, its bytes say; sizes are bounded."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from promptops.core.media import MAX_MEDIA, media_in_url, media_of, shown_message
from promptops.models import Message, ToolCall
from tests.providers.oracles.calls import PDF, PNG

KNOWN = [
    ("image", PNG, "image/png"),
    ("image", b"\xff\xd8\xff\xe0rest", "image/jpeg"),
    ("image", b"GIF89a rest", "image/gif"),
    ("image", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ("image", b"\0\0\0\x18ftypheic", "image/heic"),
    ("file", PDF, "application/pdf"),
    ("file", "Menü".encode(), "text/plain"),
]


@pytest.mark.parametrize(("kind", "data", "media_type"), KNOWN)
def test_the_type_is_read_in_the_bytes(kind: Any, data: bytes, media_type: str) -> None:
    media = media_of(kind, data, "sub/what.ever")
    assert (media.media_type, media.name) == (media_type, "what.ever")
    assert media.digest.startswith("sha256:")
    assert "data" not in repr(media)


REFUSED: list[tuple[Any, bytes, str]] = [
    ("image", b"", "is empty"),
    ("image", PDF, "is no image of a known type"),
    ("image", b"<svg/>", "is no image of a known type"),
    ("file", PNG, "is neither a PDF nor plain text"),
    ("file", b"\xff\xfea", "is neither a PDF nor plain text"),
    ("file", b"a\0b", "is neither a PDF nor plain text"),
    ("file", b"x" * (MAX_MEDIA + 1), "may have 20"),
]


@pytest.mark.parametrize(("kind", "data", "words"), REFUSED)
def test_what_is_no_image_or_file_is_refused(kind: Any, data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        media_of(kind, data, "x")


def test_a_data_url_holds_what_it_says() -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert media_in_url("image", url) == media_of("image", PNG, "image.png")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("data:image/png,abc", "must be written as"),
        ("data:image/png;base64", "must be written as"),
        ("data:image/png;base64,%%%", "is not base64"),
        (f"data:image/jpeg;base64,{base64.b64encode(PNG).decode()}", "says 'image/jpeg' and holds image/png"),
        ("data:image/png;base64," + "A" * (MAX_MEDIA * 4 // 3 + 8), "more than 20 MB"),
    ],
)
def test_a_data_url_that_lies_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        media_in_url("image", url)


def test_people_read_of_media_and_calls_in_words() -> None:
    image = media_of("image", PNG, "dot.png")
    shown = shown_message(Message("user", "look", ("look", image)))
    assert shown == f"look\n[image dot.png: image/png, {len(PNG)} bytes, {image.digest[:19]}]"
    calls = (ToolCall("book", {"time": "7"}, "c1"),)
    assert shown_message(Message("assistant", "", tool_calls=calls)) == '[calls book({"time": "7"}) as c1]'
    assert shown_message(Message("tool", "done", tool_call_id="c1")) == "[answers c1]\ndone"
