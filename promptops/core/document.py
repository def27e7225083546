"""What a file said, and where it said it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct, field

from promptops.models import Json

Path: TypeAlias = tuple[str | int, ...]


class Document(Struct, frozen=True):
    """What a YAML file says. `lines` maps each path (keys and indexes from the root) to its line, counted from 1."""

    data: Json
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, *path: str | int) -> int:
        """Return the line of `path`, else of the nearest ancestor that has one, else 0."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return 0
