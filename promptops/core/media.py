"""Images and files that messages may hold: what they are is read in their bytes, and bounded in size."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Final, Literal

from promptops.models import Media, Message

MAX_MEDIA: Final = 20 * 1024 * 1024  # bytes of one image or file
MAX_REQUEST: Final = 32 * 1024 * 1024  # bytes of all media of one request: what Anthropic takes at most

Kind = Literal["image", "file"]
MediaReader = Callable[[Kind, str], Media]
"""Reads the image or file that a template names; raises `ValueError` where that must not, or cannot, be."""

# How each type begins. Source: the "Media types" registry of IANA, and the types' own specifications.
_BEGINNINGS: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (0, b"%PDF-", "application/pdf"),
)


def media_of(kind: Kind, data: bytes, name: str) -> Media:
    """Return what `data` is; raises `ValueError` where it is too large, empty, or no such thing."""
    if not data:
        raise ValueError(f"{name!r} is empty")
    if len(data) > MAX_MEDIA:
        raise ValueError(f"{name!r} has {len(data) / 2**20:.1f} MB; an image or a file may have {MAX_MEDIA // 2**20}")
    found = _type_of(data)
    if kind == "image" and not found.startswith("image/"):
        raise ValueError(f"{name!r} is no image of a known type (PNG, JPEG, GIF, WebP, HEIC)")
    if kind == "file" and found not in ("application/pdf", "text/plain"):
        raise ValueError(f"{name!r} is neither a PDF nor plain text in UTF-8")
    return Media(kind, found, data, f"sha256:{hashlib.sha256(data).hexdigest()}", name.rsplit("/", 1)[-1])


def media_in_url(kind: Kind, url: str) -> Media:
    """Return what a `data:` URL in base64 holds; raises `ValueError` for another one, or a type that it is not."""
    head, comma, text = url.partition(",")
    declared, *rest = head.removeprefix("data:").split(";")
    if not comma or rest[-1:] != ["base64"]:
        raise ValueError("a data URL must be written as data:<media type>;base64,<bytes>")
    if len(text) > MAX_MEDIA * 4 // 3 + 4:
        raise ValueError(f"the data URL holds more than {MAX_MEDIA // 2**20} MB")
    try:
        media = media_of(kind, base64.b64decode(text, validate=True), f"{kind}.{declared.rsplit('/', 1)[-1][:20]}")
    except binascii.Error as error:
        raise ValueError("the data URL is not base64") from error
    if media.media_type != declared:
        raise ValueError(f"the data URL says {declared[:40]!r} and holds {media.media_type}")
    return media


def shown_message(message: Message) -> str:
    """Return a message as people read it: media and calls in words, each on a line of its own."""
    parts = [part if isinstance(part, str) else _shown(part) for part in message.parts or (message.content,)]
    calls = [
        f"[calls {call.name}({json.dumps(call.arguments, ensure_ascii=False)}) as {call.id}]"
        for call in message.tool_calls
    ]
    answers = [f"[answers {message.tool_call_id}]"] if message.tool_call_id else []
    return "\n".join([*answers, *filter(None, parts), *calls])


def _shown(media: Media) -> str:
    size = f"{len(media.data):,} bytes"
    return f"[{media.kind} {media.name}: {media.media_type}, {size}, {media.digest[:19]}]"


def _type_of(data: bytes) -> str:
    for start, beginning, found in _BEGINNINGS:
        if data.startswith(beginning, start):
            return found
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else "text/plain"
