from __future__ import annotations

import pytest

from promptops.core.baseline import Baseline, Layer
from promptops.formats import Accepted, AcceptedCase, Measurement
from promptops.models import Case

ZERO, ONE = "sha256:" + "0" * 64, "sha256:" + "1" * 64


def measured(*, digest: str = ZERO, dataset: str = ZERO, checks: str = ZERO, contract: str = ZERO) -> Measurement:
    return Measurement(digest=digest, dataset=dataset, checks=checks, contract=contract)


def layer(version: str, *, measurement: Measurement | None = None, case: str = ZERO, **passes: int) -> Layer:
    cases = {
        name: AcceptedCase(outcome="pass" if count else "fail", passes=count, of=max(1, count), case=case, samples=[])
        for name, count in passes.items()
    }
    header = measurement or measured()
    return Layer(
        version, Accepted(pin="test/m", version=ZERO, measurement=header, accepted_at="2026-11-22", cases=cases)
    )


def case(name: str, digest: str = ZERO) -> Case:
    return Case(name, {}, digest=digest)


@pytest.mark.parametrize(
    ("digest", "now", "same"),
    [
        (ZERO, measured(digest=ONE), True),
        (ZERO, measured(dataset=ONE), True),
        (ONE, measured(), False),
        (ZERO, measured(checks=ONE), False),
        (ZERO, measured(contract=ONE), False),
    ],
)
def test_an_accepted_outcome_counts_for_the_same_case_judged_alike(digest: str, now: Measurement, same: bool) -> None:
    found = Baseline((layer("v2", c1=0),)).of(case("c1", digest), now)
    assert found.entry is not None
    assert (found.entry.outcome, found.same) == ("fail", same)


def test_what_was_never_accepted_is_not_found() -> None:
    assert Baseline((layer("v2", c1=0),)).of(case("c2"), measured()).entry is None
    assert Baseline().of(case("c1"), measured()).entry is None


def test_a_candidates_own_outcomes_lie_over_those_of_the_served_version_case_by_case() -> None:
    both = Baseline((layer("v3", c1=0), layer("v2", c1=1, c2=1)))
    own, served = both.of(case("c1"), measured()), both.of(case("c2"), measured())
    assert own.entry is not None
    assert served.entry is not None
    assert (own.entry.outcome, own.layer) == ("fail", both.layers[0])
    assert (served.entry.outcome, served.layer) == ("pass", both.layers[1])
    assert {name: entry.outcome for name, entry in both.entries.items()} == {"c1": "fail", "c2": "pass"}


def test_an_own_outcome_of_other_rules_gives_way_to_a_served_one_of_these() -> None:
    found = Baseline((layer("v3", measurement=measured(checks=ONE), c1=0), layer("v2", c1=1))).of(
        case("c1"), measured()
    )
    assert found.layer is not None
    assert (found.layer.version, found.same) == ("v2", True)


@pytest.mark.parametrize(
    ("baseline", "name", "words"),
    [
        (Baseline(), "c1", "none: nothing was accepted yet"),
        (Baseline((layer("v2", c1=1),)), "c2", "v2, accepted 2026-11-22: without this case"),
        (Baseline((layer("v2", c1=3),)), "c1", "v2, accepted 2026-11-22: pass (3 of 3 samples)"),
        (
            Baseline((layer("v2", case=ONE, c1=0),)),
            "c1",
            "v2, accepted 2026-11-22: fail, of another case, checks or contract",
        ),
    ],
)
def test_what_a_report_says_of_it(baseline: Baseline, name: str, words: str) -> None:
    assert baseline.words(case(name), measured()) == words
