"""What vendors with messages in the shape of chat completions are to get for the calls of `oracle`."""

from __future__ import annotations

from typing import Any

MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "7 pm"},
    {"role": "assistant", "content": '{"time": "19:00"}'},
    {"role": "user", "content": "half past two 😀"},
]
"""`conversation`."""

CALLED: Any = [
    {"role": "user", "content": "a table at seven"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "book", "arguments": '{"time": "19:00", "people": 2}'},
            }
        ],
    },
    {"role": "tool", "content": '{"booked": true}', "tool_call_id": "call_1"},
    {"role": "user", "content": "thanks, and one at eight"},
]
"""`with_calls`."""

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]}
