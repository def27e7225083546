from __future__ import annotations

import pytest

from promptops.errors import UsageError
from promptops.project.evidence import load_evidence
from promptops.release.accept import Acceptance, accept_outcomes
from tests.release.conftest import AT, Releases

LATER = "2026-11-24T00:00:00Z"


def accept(releases: Releases, *only: str, write: bool = True) -> Acceptance:
    return accept_outcomes(releases.project, releases.measure("v1"), at=LATER, only=only, write=write)


def failing(releases: Releases) -> list[str]:
    accepted = load_evidence(releases.project, "count", "v1").accepted
    assert accepted is not None
    return [case for case, entry in accepted.cases.items() if entry.outcome == "fail"]


def test_new_outcomes_are_accepted_and_told(releases: Releases) -> None:
    releases.record("v1", wrong=("c7", "c9"))
    done = accept(releases)
    assert dict(done.changed) == {"c8": ("fail", "pass"), "c9": ("pass", "fail")}
    assert (done.added, done.left_out) == ({}, {})
    assert failing(releases) == ["c7", "c9"]
    assert releases.status().splitlines()[0] == " M fixtures/count/recordings/v1/test%2Fmodel-1.jsonl"


def test_only_the_named_cases_are_accepted(releases: Releases) -> None:
    releases.record("v1", wrong=("c7", "c9"))
    accept(releases, "c9")
    assert failing(releases) == ["c7", "c8", "c9"]


def test_accepting_the_same_again_changes_no_byte(releases: Releases) -> None:
    assert accept(releases).same
    assert releases.status() == ""


def test_a_dry_run_tells_and_writes_nothing(releases: Releases) -> None:
    releases.record("v1")
    before = releases.kit.read("prompts/count/evidence/v1.json")
    assert accept(releases, write=False).changed
    assert releases.kit.read("prompts/count/evidence/v1.json") == before


def test_an_unknown_case_is_refused_with_the_nearest_one(releases: Releases) -> None:
    with pytest.raises(UsageError, match="has no case 'c777', did you mean 'c77'"):
        accept(releases, "c777")


def test_an_edited_recording_is_never_accepted(releases: Releases) -> None:
    path = next(releases.project.fixtures_dir.rglob("*v1/*.jsonl"))
    text = path.read_text()
    path.write_text(text.replace('{\\"n\\": 3}', '{\\"n\\": 4}'))
    done = accept(releases)
    assert dict(done.left_out) == {"c3": "error"}
    assert "c3" in load_evidence(releases.project, "count", "v1").accepted.cases  # type: ignore[union-attr]


def test_a_new_case_is_accepted_by_itself_and_a_removed_one_is_dropped(releases: Releases) -> None:
    rows = releases.kit.read("fixtures/count/cases.jsonl").splitlines(keepends=True)
    rows[0] = '{"id": "c900", "inputs": {"text": "x"}, "expected": {"n": 900}}\n'
    releases.kit.write("fixtures/count/cases.jsonl", "".join(rows))
    releases.record("v1", wrong=("c7", "c8"))
    assert dict(accept(releases, "c900").added) == {"c900": "pass"}
    accepted = load_evidence(releases.project, "count", "v1").accepted
    assert accepted is not None
    assert ("c0" in accepted.cases, accepted.accepted_at) == (False, LATER)


def test_some_cases_cannot_be_accepted_by_new_checks_while_others_stay_judged_by_old_ones(releases: Releases) -> None:
    releases.edit("prompts/count/schema.json", '"integer"', '"number"')
    with pytest.raises(UsageError, match="checks or contract of 'count' changed since the other cases were accepted"):
        accept(releases, "c1")
    assert accept(releases).accepted.accepted_at == LATER != AT


def test_all_that_was_accepted_can_be_named_after_the_rules_changed(releases: Releases) -> None:
    accept_outcomes(releases.project, releases.measure("v3"), at=AT, only=("c1", "c8"))
    releases.edit("prompts/count/schema.json", '"integer"', '"number"')
    done = accept_outcomes(releases.project, releases.measure("v3"), at=LATER, only=("c1", "c8"))
    assert sorted(done.accepted.cases) == ["c1", "c8"]
