"""Where the plugin keeps its state: one typed key in pytest's stash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from promptops._pytest.run import Run

RUN: pytest.StashKey[Run] = pytest.StashKey()
