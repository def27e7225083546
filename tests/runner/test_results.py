"""Results of a run: taken as they come, given back in the order of the dataset, and never held."""

from __future__ import annotations

import gc
import random
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from promptops.core.baseline import Baseline, Layer
from promptops.core.report import CaseRow, row_of, summarise
from promptops.core.standing import stand, varies
from promptops.formats import Accepted, AcceptedCase
from promptops.models import Case, CaseResult, CheckResult, Difference, Failure, Judgement, Mode, Reply, Sample, Usage
from promptops.project import datasets
from promptops.runner.collect import Progress, collect, measure
from promptops.runner.events import Event, SampleDone
from promptops.runner.results import Results
from promptops.runner.session import Choices, Session
from promptops.runner.targets import Target
from promptops.runner.versions import version_result
from promptops.store import recordings
from promptops.testing import TemporaryProject
from tests.runner.fakes import Asker

DIGEST = "sha256:" + "a" * 64
CASES = 40
MANY = 2_000


@pytest.fixture
def files(tmp_path: Path) -> TemporaryProject:
    return written(TemporaryProject(tmp_path), CASES)


def written(files: TemporaryProject, count: int) -> TemporaryProject:
    files.prompt("greet", versions={"v1": "{{ text }}"}, yaml="inputs:\n  text: string\nchecks:\n  - contains: live\n")
    files.dataset("greet", ({"id": f"c{number}", "inputs": {"text": str(number)}} for number in range(count)))
    return files


def target_of(files: TemporaryProject, samples: int = 1) -> Target:
    return replace(Session(files.project, "replay", {}).target("greet", "v1"), samples=samples)


def judged(target: Target, case: Case, outcomes: str) -> CaseResult:
    """A case whose samples passed (`p`), failed (`f`) or gave no answer (`-`)."""

    def one(number: int, outcome: str) -> Judgement:
        key = replace(target.keys(case)[0], index=number)
        if outcome == "-":
            return Judgement(Sample(key, DIGEST, failure=Failure("timeout", "no answer", "again")), "unmeasurable")
        reply = Reply(f"text {case.id}\x1b\u202e", usage=Usage(3, 4), latency=0.1 * (number + 1))
        sample = Sample(key, DIGEST, reply=reply, source="recorded", cost=0.5, recorded_at="2026-01-01T00:00:00Z")
        wrong = (CheckResult("matches", "fail", "1 differs", (Difference("root['a']", "values_changed", 1, [2]),)),)
        if outcome == "p":
            return Judgement(sample, "pass", value={"a": [1, None]}, valid=True)
        return Judgement(sample, "fail", value={"a": 2}, valid=False, repairs=("mended",), checks=wrong)

    return CaseResult(case.id, tuple(one(number, outcome) for number, outcome in enumerate(outcomes)))


def accepted(target: Target, outcomes: dict[str, str]) -> Target:
    """The target with what was accepted of some cases, `ppf` for two of three samples passed."""
    by_id = {case.id: case for case in target.cases}
    cases = {
        case: AcceptedCase(
            outcome="pass" if set(told) == {"p"} else "fail",
            passes=told.count("p"),
            of=len(told),
            case=by_id[case].digest,
            samples=[],
        )
        for case, told in outcomes.items()
    }
    layer = Accepted(
        pin=str(target.pin), version=DIGEST, measurement=target.measurement, accepted_at="2026-01-01", cases=cases
    )
    return replace(target, baseline=Baseline((Layer("v1", layer),)))


def rows_at_once(target: Target, results: list[tuple[Case, CaseResult]]) -> list[CaseRow]:
    """The rows, made with everything at hand."""
    varying = sum(varies(result, target.baseline.entries.get(case.id)) for case, result in results)
    rows = []
    for case, result in results:
        found = target.baseline.of(case, target.measurement)
        stood = stand(result, found.entry, same_measurement=found.same, varying=max(1, varying))
        against = target.baseline.words(case, target.measurement)
        rows.append(row_of(result, case, standing=stood.standing, reason=stood.reason, against=against))
    return rows


@pytest.mark.parametrize("varying", [0, 3, 20])
def test_rows_come_back_in_order_with_the_standing_that_the_whole_run_gives_them(
    files: TemporaryProject, varying: int
) -> None:
    plain = target_of(files, samples=4)
    told = ["pppp", "ffff", "----"]
    before = {case.id: "pppp" if number % 4 else "ffff" for number, case in enumerate(plain.cases) if number % 3}
    target = accepted(plain, before)
    results = [
        (case, judged(target, case, "fffp" if number < varying else told[number % 3]))
        for number, case in enumerate(target.cases)
    ]
    found = Results(target, whole=True)
    for number in random.Random(3).sample(range(CASES), CASES):
        found.add(number, *results[number])
    expected = rows_at_once(target, results)
    assert list(found.rows()) == list(found.rows()) == expected
    assert len(found) == CASES
    assert found.outcomes() == {row.case: row.outcome for row in sorted(expected, key=lambda row: row.case)}
    seen: list[CaseRow] = []
    result = version_result(found, see=seen.append)
    assert seen == expected
    assert [result.summary] == summarise(expected)


def test_a_flip_that_proves_something_alone_proves_less_among_many(files: TemporaryProject) -> None:
    target = accepted(target_of(files, samples=8), {f"c{number}": "pppppppf" for number in range(CASES)})
    standings = []
    for many in (1, CASES):
        found = Results(target)
        for number, case in enumerate(target.cases[:many]):
            found.add(number, case, judged(target, case, "ffffffpf" if number == 0 else "pppppppf"))
        standings.append(next(iter(found.rows())).standing)
    assert standings == ["broke", "known"]


def test_texts_of_cases_that_passed_are_left_out_where_nobody_will_read_them(files: TemporaryProject) -> None:
    target = target_of(files)
    results = [(case, judged(target, case, "pf"[number % 2])) for number, case in enumerate(target.cases)]
    found = Results(target)
    for number, (case, result) in enumerate(results):
        found.add(number, case, result)
    expected = rows_at_once(target, results)
    assert list(found.rows()) == [
        replace(row, answered="", expected=None, value=None) if row.outcome == "pass" else row for row in expected
    ]
    assert summarise(found.rows()) == summarise(expected)


def test_measuring_gives_what_collecting_gives(files: TemporaryProject) -> None:
    session = Session(files.project, "live", {}, asker=lambda: Asker(0.0))
    target = session.target("greet", "v1")
    held = collect(session, session.plan([target]), [target], session.engine_settings([target])).of(target)
    (found,) = measure(session, [target], session.engine_settings([target]))
    assert [row.case for row in found.rows()] == [case.id for case in target.cases]
    assert found.outcomes() == {case: held[case].outcome for case in sorted(held)}


@pytest.mark.parametrize("mode", ["live", "replay"])
def test_a_run_holds_neither_cases_nor_samples_nor_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    monkeypatch.setattr(datasets, "HELD", 100)
    monkeypatch.setattr(recordings, "HELD_BYTES", 1_000)
    files = written(TemporaryProject(tmp_path), MANY)
    most: Counter[str] = Counter()
    count = 0

    def look(event: Event) -> None:
        nonlocal count
        count += isinstance(event, SampleDone)
        if count % 500 == 0:
            for name, number in Counter(type(thing).__name__ for thing in gc.get_objects()).items():
                most[name] = max(most[name], number)

    def asked(mode: Mode, progress: Progress) -> Results:
        session = Session(files.project, mode, {}, Choices(cache=False, concurrency=4), asker=lambda: Asker(0.0))
        target = session.target("greet", "v1")
        (found,) = measure(session, [target], session.engine_settings([target]), progress=progress)
        return found

    if mode == "replay":
        asked("record", lambda _: None)
    found = asked(mode, look)
    assert (len(found), count) == (MANY, MANY)
    assert version_result(found).summary.counts["passed"] == MANY
    names = ("Case", "PlannedSample", "Sample", "Line", "Judgement", "CaseResult", "CaseRow")
    assert max(most[name] for name in names) < MANY / 2, most  # what is under way, rows that are about to be written
