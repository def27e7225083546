from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.oracles.oracle import OPEN


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No client's socket outlives its test."""
    yield
    while OPEN:
        OPEN.pop().close()
