from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.testing import LoopbackServer
from tests.cli.night import Model, Night
from tests.cli.world import Behaviour, World


@pytest.fixture
def world(in_folder: Path) -> Iterator[World]:
    """A served-to-be v1 and a candidate v2 of `greet`, 60 cases, a model that answers everything rightly."""
    behaviour = Behaviour()
    with LoopbackServer(behaviour) as server:
        yield World(in_folder, server, behaviour)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def night(in_folder: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    """A model under the nightly watch, before its first epoch."""
    with LoopbackServer(model) as server:
        yield Night(in_folder, server, monkeypatch)
