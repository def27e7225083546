"""Which part moved: version, dataset, judge, route or pin. Each is an experiment that holds the others fixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

FactorName = Literal["version", "dataset", "judge", "route", "pin"]
Said = Literal["moved", "did not move", "not tested"]


class Factor(Struct, frozen=True):
    """What an experiment said of one part; `how` is what was held fixed, what was asked, and what came out."""

    name: FactorName
    said: Said
    how: str


def version_factor(stale: int, recorded: int) -> Factor:
    """Hold everything but the version: are the requests that it makes today those that were recorded?"""
    if not recorded and not stale:
        return Factor("version", "not tested", "nothing of it is recorded")
    if stale:
        return Factor("version", "moved", f"{stale} of {stale + recorded} recorded requests are not what is sent today")
    return Factor("version", "did not move", f"all {recorded} recorded requests are byte for byte what is sent today")


def judging_factor(name: Literal["dataset", "judge"], *, tested: int, other: int, edited: int = 0) -> Factor:
    """Hold the texts: do the recorded ones come out today as they were accepted?

    `edited` cases are not those that were accepted, and say nothing of anything else.
    """
    if edited:
        return Factor(name, "moved", f"{edited} of {edited + tested} cases were edited since they were accepted")
    if not tested:
        what = "no outcome was accepted" if name == "dataset" else "no check of it is a judge"
        return Factor(name, "not tested", what)
    if other:
        return Factor(name, "moved", f"{other} of {tested} cases: the same recorded texts come out otherwise today")
    return Factor(name, "did not move", f"the same recorded texts come out as accepted in all {tested} cases")


def route_and_pin(
    *,
    far: bool,
    plain: bool,
    renamed: bool,
    readdressed: bool,
    other_routes: Mapping[str, bool],
    neighbours: Mapping[str, bool],
) -> tuple[Factor, Factor]:
    """Hold the prompts: who is far from the reference, and who is not?

    `far`: this endpoint still is. `plain`: the readings before the alarm were far one by one; what was added up from
    many does not show in one that is near. `renamed`: replies name another model. `readdressed`: another address is
    asked than that of the reference. `other_routes` says of further routes to the same model, `neighbours` of other
    models on the same route, whether they are far.
    """
    if not far and renamed:
        how = "replies name another model, and the probes answer as the reference does"
        return Factor("route", "not tested", "who answers by another route was not asked"), Factor("pin", "moved", how)
    if not far and not plain:
        how = "asked once more its probes are no further off than in the calibration: too small to show in one reading"
        return Factor("route", "not tested", how), Factor("pin", "not tested", how)
    if not far:
        back = "its probes are back where the reference is"
        return Factor("route", "not tested", back), Factor("pin", "did not move", back)
    near = sorted(route for route, is_far in other_routes.items() if not is_far)
    if near:
        how = f"the same model asked by {', '.join(near)} is where the reference is, and by this route it is not"
        return Factor("route", "moved", how), Factor("pin", "did not move", how)
    if other_routes:
        how = f"the same model is as far off by {', '.join(sorted(other_routes))}"
        return Factor("route", "did not move", how), Factor("pin", "moved", how)
    if readdressed:
        how = "another address is asked than the reference was read from, and what was there is not known any more"
        return Factor("route", "moved", how), Factor("pin", "not tested", "ask the old address to hold the route")
    if neighbours and all(neighbours.values()):
        others = f"all {len(neighbours)} other models" if len(neighbours) > 1 else "the only other model"
        how = f"{others} on this route moved, too: a cause common to them is likelier"
        return Factor("route", "moved", how), Factor(
            "pin", "not tested", "no other route to it is configured (failover)"
        )
    pin = Factor("pin", "moved", "the same probes, on the same route, are far from the reference")
    if neighbours:
        quiet = sum(not is_far for is_far in neighbours.values())
        return Factor(
            "route", "did not move", f"{quiet} of {len(neighbours)} other models on this route did not move"
        ), pin
    return Factor("route", "not tested", "no other route and no other model on it to compare with"), pin
