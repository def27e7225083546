"""The fixture that every test of the plugin uses."""

from __future__ import annotations

import pytest

from promptops.testing import TemporaryProject
from tests.plugin.world import World


@pytest.fixture
def world(pytester: pytest.Pytester) -> World:
    """A project in a folder where pytest is run as a user runs it."""
    return World(pytester, TemporaryProject(pytester.path))
