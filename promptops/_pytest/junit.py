"""What pytest's JUnit report cannot say by itself: a fault of a check is an `<error>`, and why a case was skipped.

Uses pytest's own writer where it has the shape known from pytest 8.3 to 9.2; another shape leaves the report as pytest
wrote it, and `promptops.standing` among the properties still tells the standings apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from promptops._pytest.outcomes import ItemStanding


def mend(config: pytest.Config, report: pytest.TestReport, standing: ItemStanding) -> None:
    """Correct the element that pytest has just written for `report`."""
    writer = getattr(config, "stash", {}).get(_key(), None)
    if writer is None or standing not in ("error", "unmeasurable", "undecided"):
        return
    try:
        nodes = writer.node_reporter(report).nodes
        if standing != "error":
            next(node for node in nodes if node.tag == "skipped").set("type", f"promptops.{standing}")
            return
        next(node for node in nodes if node.tag == "failure").tag = "error"
        writer.stats["failure"] -= 1
        writer.stats["error"] += 1
    except (AttributeError, KeyError, StopIteration):
        return


def _key() -> object:
    try:
        from _pytest.junitxml import xml_key
    except ImportError:
        return None
    return xml_key
