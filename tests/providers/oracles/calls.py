"""Calls that are made through every SDK and through us: what they have in common."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Literal

from pydantic import BaseModel, Field

from promptops.models import Media, Message, Pin, Request, ToolCall

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


class Guest(BaseModel):
    """Who comes."""

    name: str = Field(min_length=1, description="as told")
    age: int | None = None


class Booking(BaseModel):
    """A table."""

    time: str = Field(pattern=r"^\d\d:\d\d$")
    people: int = Field(default=2, ge=1, le=20)
    kind: Literal["inside", "outside"] = "inside"
    host: Guest = Field(description="who pays")
    guests: list[Guest] = Field(default_factory=list, max_length=10)
    note: str | None = Field(default=None, description="anything else")


BOOKED = Booking(time="14:30", host=Guest(name="a")).model_dump_json()


def media(kind: Literal["image", "file"], media_type: str, data: bytes, name: str) -> Media:
    return Media(kind, media_type, data, f"sha256:{hashlib.sha256(data).hexdigest()}", name)


IMAGE = media("image", "image/png", PNG, "dot.png")
FILE = media("file", "application/pdf", PDF, "menu.pdf")
TEXT_FILE = media("file", "text/plain", "Suppe 4 €\n".encode(), "menu.txt")


def looking(model: str, *seen: Media, **params: Any) -> Request:
    """A question about images and files, text before and after them."""
    parts: tuple[str | Media, ...] = ("What is this?", *seen, "Be brief.")
    message = Message("user", "What is this?Be brief.", parts)
    return Request(Pin("acme", model), (message,), params)


def structured(model: str, how: str = "native", **params: Any) -> Request:
    """A question whose answer is to have the schema of `Booking`."""
    asked = (Message("system", "Be brief."), Message("user", "half past two, two of us"))
    return Request(
        Pin("acme", model),
        asked,
        {**params, "structured_output": how},
        output_schema=Booking.model_json_schema(),
    )


def two_calls(model: str, tool: Any, **params: Any) -> Request:
    """A turn with text and two calls, both answered, one by an object and one by a text."""
    calls = (ToolCall("book", {"time": "19:00"}, "call_a"), ToolCall("book", {"time": "20:00"}, "call_b"))
    messages = (
        Message("system", "Be brief."),
        Message("user", "two tables"),
        Message("assistant", "At once.", tool_calls=calls),
        Message("tool", '{"booked": true}', tool_call_id="call_a"),
        Message("tool", "full", tool_call_id="call_b"),
        Message("user", "and one at nine"),
    )
    return Request(Pin("acme", model), messages, params, (tool,))
