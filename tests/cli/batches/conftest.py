from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.testing import BatchServer
from tests.cli.batches.place import Place, says


@pytest.fixture
def place(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setattr("promptops.runner.batch_desk.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("promptops.runner.batch_desk.SETTLES_IN", 0.05)
    monkeypatch.setattr("promptops.runner.batch_desk.PATIENCE", 3)
    with BatchServer(says) as server:
        yield Place(in_folder, server)
