"""Digests of what is measured with: they change with what decides an outcome, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from promptops.core.checks import parse_checks
from promptops.core.digest import sha256_of
from promptops.core.measurement import case_digest, dataset_digest, judged_alike, measurement_of
from promptops.models import Case

CASES = (Case("a", {}, digest="sha256:1"), Case("b", {}, digest="sha256:2"))
CHECKS = parse_checks(["schema", {"python": "checks.py:f"}], path="p")
BASE: dict[str, Any] = {
    "cases": CASES,
    "checks": CHECKS,
    "schema": {"type": "object"},
    "python": {"checks.py": "x = 1"},
}


def of(**changes: Any) -> Any:
    given = {**BASE, **changes}
    return measurement_of(dataset_digest(given.pop("cases")), **given)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"cases": CASES[:1]}, "dataset"),
        ({"cases": (CASES[0], replace(CASES[1], digest="sha256:3"))}, "dataset"),
        ({"checks": CHECKS[:1]}, "checks"),
        ({"checks": CHECKS[::-1]}, "checks"),
        ({"checks": parse_checks([{"not": "schema"}, {"python": "checks.py:f"}], path="p")}, "checks"),
        ({"python": {"checks.py": "x = 2"}}, "checks"),
        ({"schema": {"type": "array"}}, "contract"),
        ({"schema": None}, "contract"),
        ({"source": "class Booking: ..."}, "contract"),
    ],
)
def test_one_digest_and_the_whole_change(changes: dict[str, Any], part: str) -> None:
    before, after = of(), of(**changes)
    parts = ("dataset", "checks", "contract")
    assert [name for name in parts if getattr(before, name) != getattr(after, name)] == [part]
    assert before.digest != after.digest
    assert judged_alike(before, after) == (part == "dataset")


@pytest.mark.parametrize(
    "changes",
    [
        {"cases": CASES[::-1]},
        {"cases": tuple(replace(case, line=9, path="x", tags=("t",)) for case in CASES)},
        {"checks": tuple(replace(check, line=9) for check in CHECKS)},
    ],
)
def test_order_of_cases_and_places_do_not_count(changes: dict[str, Any]) -> None:
    assert of(**changes) == of()


def test_the_digest_of_a_dataset_is_that_of_its_ids_and_digests_in_canonical_json() -> None:
    ids = ["c10", "c9", "Z", "é", "\U0001d538", "\uffee", "a_b.c-d"]
    cases = [Case(name, {}, digest=f"sha256:{number}") for number, name in enumerate(ids)]
    assert dataset_digest(cases) == sha256_of({case.id: case.digest for case in cases})
    assert dataset_digest([]) == sha256_of({})


def test_the_digest_of_a_case_is_of_what_is_asked_and_how_it_is_judged() -> None:
    digests = {
        case_digest({"text": "hi"}, ()),
        case_digest({"text": "ho"}, ()),
        case_digest({"text": "hi"}, (), None),
        case_digest({"text": "hi"}, (), {"a": 1}),
        case_digest({"text": "hi"}, CHECKS),
    }
    assert len(digests) == 5
    assert case_digest({"text": "hi"}, CHECKS) == case_digest({"text": "hi"}, [replace(c, line=3) for c in CHECKS])
