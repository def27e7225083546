from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.testing import LoopbackServer
from tests.cli.world import Behaviour, World


@pytest.fixture
def world(in_folder: Path) -> Iterator[World]:
    """A served-to-be v1 and a candidate v2 of `greet`, 60 cases, a model that answers everything rightly."""
    behaviour = Behaviour()
    with LoopbackServer(behaviour) as server:
        yield World(in_folder, server, behaviour)
