"""What a plan is beside its requests: which replies count, and which prompts are longer than the model takes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops.core.context import Fits, fits_into
from promptops.core.plan import Planned
from promptops.formats import IdentitySettings
from promptops.models import Case, PlannedSample, Sample, ServedRules
from promptops.providers.vocabularies import context_window, counter_for
from promptops.runner.targets import Target

if TYPE_CHECKING:
    from promptops.models import Pin
    from promptops.project.root import Project

Plan = Callable[[Target, Iterable[Case] | None], Iterator[Planned]]


def fits_for(project: Project, pin: Pin) -> Fits | None:
    """Return what refuses requests that `pin` cannot take; None where nobody knows how much it takes."""
    window = context_window(pin, project.config)
    return None if window is None else fits_into(window, counter_for(pin, project.config, project.root))


def fitting(plan: Iterable[Planned], fits: Fits) -> Iterator[Planned]:
    """Yield the plan, with the failure in place of each sample that is too long."""
    for planned in plan:
        if isinstance(planned, PlannedSample) and (failure := fits(planned.request)):
            yield Sample(planned.key, planned.digest, failure=failure)
        else:
            yield planned


def rules_of(settings: IdentitySettings) -> ServedRules | None:
    """Which replies count in a test, as prompt.yaml says; None where it says nothing."""
    if settings.model_copy(update={"runtime": []}) == IdentitySettings():
        return None
    return ServedRules(
        frozenset(settings.allow), tuple(settings.fingerprints), tuple(settings.regions), tuple(settings.hosts)
    )


def counted(plan: Iterable[Planned], rules: ServedRules) -> Iterator[Planned]:
    """Say with each sample which replies count.

    Where the prompt has rules of its own each sample is asked: a reply that counts here may not count elsewhere.
    """
    for planned in plan:
        yield replace(planned, served=rules, timed=True) if isinstance(planned, PlannedSample) else planned


def fitted(plan: Plan) -> Callable[..., Iterator[Planned]]:
    """Make a plan of a target leave out what does not fit, and say which replies count."""

    @functools.wraps(plan)
    def planned(target: Target, cases: Iterable[Case] | None = None) -> Iterator[Planned]:
        found, rules = plan(target, cases), rules_of(target.spec.identity)
        if rules is not None:
            found = counted(found, rules)
        return found if target.fits is None else fitting(found, target.fits)

    return planned
