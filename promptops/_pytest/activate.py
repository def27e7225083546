"""Switches the plugin on for one pytest run."""

from __future__ import annotations

import pytest


def activate(config: pytest.Config) -> None:
    """Read the project and register the hooks."""
