"""What a canary of a version would ask and cost, for `promptops estimate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops.cli.commands._canary_comparison import comparison_of
from promptops.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.runner.canary import Comparison
    from promptops.runner.estimates import Estimate
    from promptops.runner.session import Session
    from promptops.runner.targets import Target


def canary_estimate(session: Session, target: Target) -> tuple[Comparison, Estimate] | None:
    """The canary of a version against what is served, and what it would ask; None where there is nothing to compare."""
    from promptops.runner.session import Session

    choices = replace(session.choices, pin=None, batch=False)
    live = Session(session.project, "live", session.environ, choices)
    try:
        comparison = comparison_of(live, target.name, against=None, pin=session.choices.pin, seed=0, baseline="live")
        return comparison, comparison.about()
    except PromptopsError:  # nothing is served, or it is what is served: the run's estimate says what there is to say
        return None
