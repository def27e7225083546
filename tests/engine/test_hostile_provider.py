"""promptops as its users start it, against a provider that misbehaves; what must hold is counted at the server.

All scenarios, with more cases and with their times: `python benchmarks/hostile.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos.scenarios import SCENARIOS
from benchmarks.chaos.stage import Stage

QUICK = (
    "bad luck, retry-after-ms: 200, pytest",
    "answers 500 to everything",
    "silent",
    "a secret limit of requests in flight",
    "one rpm for two processes",
)


@pytest.mark.parametrize("name", QUICK)
def test_everything_holds_that_does_not_depend_on_how_busy_the_machine_is(name: str, tmp_path: Path) -> None:
    (scenario,) = (one for one in SCENARIOS if one.name == name)
    findings = list(scenario.play(Stage(tmp_path), scenario.few))
    assert findings
    assert [f"{finding.claim}: {finding.seen}" for finding in findings if not finding.held and not finding.timed] == []
