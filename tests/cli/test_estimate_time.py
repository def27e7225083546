"""How long a run takes is told by recordings, and by the limits of the provider, which a fast model does not lift."""

from __future__ import annotations

import pytest

from promptops.cli.main import run
from promptops.runner.estimates import estimate_run
from promptops.runner.session import Session
from tests.cli.world import CASES, World


@pytest.mark.parametrize(
    ("limit", "least", "below"),
    [
        ("", 0.0, 10.0),
        (f"rpm = {CASES}", 0.0, 10.0),  # all of them in the first minute
        (f"rpm = {CASES // 4}", 180.0, 181.0),
        ("tpm = 100", 120.0, 121.0),
        ("rpm = 10000", 0.0, 10.0),
    ],
)
def test_the_limits_of_a_provider_are_in_the_estimate(world: World, limit: str, least: float, below: float) -> None:
    assert run(["run", "greet@v1", "--no-evidence"]) == 0
    settings = world.files.path / "pyproject.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + f"\n{limit}\n", encoding="utf-8")
    asking = Session(world.files.project, "live", {})
    seconds = estimate_run(asking, [asking.target("greet", "v1")]).seconds
    assert seconds is not None
    assert least <= seconds < below
