"""A run in the store: begun, gone on with by whoever wants the same, or demanded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from promptops.core.plan import Planned
from promptops.errors import UsageError
from promptops.models import Failure, Json, Mode, PlannedSample, Reply, Sample
from promptops.runner.collect import Collected, collect
from promptops.runner.estimates import estimate
from promptops.runner.resuming import Resume, StoredRun, plan_digest
from promptops.runner.session import Choices, Session
from promptops.runner.targets import Target
from promptops.testing import TemporaryProject
from tests.runner.fakes import Asker
from tests.runs_there import run_records, samples_there

V1 = "{% system %}one{% endsystem %}{% user %}{{ text }}{% enduser %}"
CASES = 10


@pytest.fixture
def files(tmp_path: Path) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    files.prompt("greet", versions={"v1": V1, "v2": V1.replace("one", "two")}, yaml="inputs:\n  text: string\n")
    files.dataset("greet", rows())
    return files


def rows(**changed: Json) -> list[dict[str, Json]]:
    return [{"id": f"c{n}", "inputs": {"text": str(n)}, "expected": "live", **changed} for n in range(CASES)]


def session(files: TemporaryProject, mode: Mode = "live", asker: Asker | None = None, **choices: object) -> Session:
    return Session(files.project, mode, {}, Choices(**choices), asker=lambda: asker or Asker())  # type: ignore[arg-type]


@contextmanager
def begun(session: Session, resume: Resume = Resume(), kind: str = "run", **more: object) -> Iterator[StoredRun]:  # noqa: B008
    target = session.target("greet", "v1")
    stored = StoredRun.begin(
        session,
        kind,
        [(target, target.cases)],
        plan={"targets": [target.name]},
        command="",
        resume=resume,
        **more,  # type: ignore[arg-type]
    )
    try:
        yield stored
    finally:
        stored.close()


def ask(session: Session, stored: StoredRun, *, only: slice = slice(None)) -> Collected:
    """Ask for some cases, as a process does that is cut short after them."""
    target = session.target("greet", "v1")
    target = replace(target, cases=target.cases[only])
    return collect(session, session.plan([target]), [target], stored.settings(session.engine_settings([target])))


@pytest.mark.parametrize("mode", ["live", "record", "new"])
def test_a_run_that_was_cut_short_is_gone_on_with_under_its_name(files: TemporaryProject, mode: Mode) -> None:
    first, second = Asker(), Asker()
    with begun(session(files, mode, first)) as stored:
        name = stored.id
        ask(session(files, mode, first), stored, only=slice(4))
    files.write("fixtures/greet/recordings/v1/test%2Fmodel-1.jsonl", "")  # as if nothing had been merged yet
    again = session(files, mode, second)
    with begun(again) as stored:
        assert (stored.id, stored.there, stored.round) == (name, 4, 2)
        assert stored.words(CASES, "--no-resume") == (
            f"going on with run {name}: 4 of 10 samples are there; --no-resume asks all again"
        )
        target = again.target("greet", "v1")
        assert estimate(again, stored.missing(again.plan([target])), [target]).requests == 6
        collected = ask(again, stored)
        stored.finish("pass")
    assert first.asked == ["c0", "c1", "c2", "c3"]
    assert sorted(second.asked) == ["c4", "c5", "c6", "c7", "c8", "c9"]
    assert collected.finished is not None
    assert (collected.finished.asked, collected.finished.resumed) == (6, 4)
    assert collected.finished.cost == pytest.approx(0.1), "that of the run, whoever paid"
    assert {j.sample.source for r in collected.of(target).values() for j in r.judgements} == {"live"}
    recorded = files.read("fixtures/greet/recordings/v1/test%2Fmodel-1.jsonl").splitlines()
    assert len(recorded) == (0 if mode == "live" else CASES)
    (record,) = run_records(files.path / ".promptops/store.db")
    assert (record.status, record.round) == ("pass", 2)
    with begun(session(files, mode)) as stored:
        assert stored.id != name, "it came to its end"
        assert stored.words(CASES, "--no-resume") == ""


def test_a_sample_whose_request_changed_is_asked_again(files: TemporaryProject) -> None:
    one = session(files)
    with begun(one) as stored:
        ask(one, stored)
        (planned,) = [p for p in one.plan([one.target("greet", "v1")]) if p.key.case == "c3"]
        assert isinstance(planned, PlannedSample)
    with begun(one) as stored:
        assert stored.take(replace(planned, digest="sha256:other")) is None
        assert stored.take(planned) is not None


def test_failures_are_asked_again(files: TemporaryProject) -> None:
    one = session(files)
    plan = list(one.plan([one.target("greet", "v1")]))
    with begun(one) as stored:
        ask(one, stored, only=slice(3))
        stored.store.append(stored.id, [Sample(plan[1].key, "", failure=Failure("server", "503"))])
    with begun(one) as stored:
        assert stored.there == 2
        assert list(stored.missing(plan)) == [plan[1], *plan[3:]]


def test_what_was_there_is_looked_up_no_longer_than_there_is_something(files: TemporaryProject) -> None:
    one = session(files)
    with begun(one) as stored:
        ask(one, stored, only=slice(2))
    with begun(one) as stored:
        plan = [p for p in one.plan([one.target("greet", "v1")]) if isinstance(p, PlannedSample)]
        assert [stored.take(p) is not None for p in plan[:2]] == [True, True]
        stored.store.close()
        assert [stored.take(p) for p in plan[2:]] == [None] * 8


def test_nothing_is_gone_on_with_by_who_does_not_want_it(files: TemporaryProject) -> None:
    one = session(files)
    with begun(one) as first:
        ask(one, first, only=slice(2))
    with begun(one, Resume(never=True)) as stored:
        assert stored.id != first.id
        assert stored.settings(one.engine_settings([one.target("greet", "v1")])).resumed is None


def test_a_replay_is_never_gone_on_with(files: TemporaryProject) -> None:
    one = session(files, "replay")
    for _ in range(2):
        with begun(one) as stored:
            stored.store.append(
                stored.id, [Sample(next(iter(one.plan([one.target("greet", "v1")]))).key, "", Reply("x"))]
            )
            assert stored.there == 0
    with pytest.raises(UsageError, match="a replay asks nothing"), begun(one, Resume(demanded=True)):
        pass


def test_a_demand_without_a_run_lists_those_that_there_are(files: TemporaryProject) -> None:
    one = session(files)
    with pytest.raises(UsageError, match=r"no run of this plan to go on with$"), begun(one, Resume(demanded=True)):
        pass
    with begun(session(files, samples=2)) as stored:
        ask(session(files), stored, only=slice(2))
    with pytest.raises(UsageError) as told, begun(one, Resume(demanded=True)):
        pass
    assert f"did not come to their end:\n  {stored.id}  begun 2" in str(told.value)
    assert str(told.value).endswith("interrupted: mode live, greet@v1")
    for run, why in [("20260101T000000-abcdef", "there is no run"), (stored.id, "asked for something else")]:
        with pytest.raises(UsageError, match=why), begun(one, Resume(demanded=True, run=run)):
            pass
    with begun(session(files, samples=2), Resume(demanded=True, run=stored.id)) as again:
        assert again.id == stored.id
        again.finish("pass")
    with (
        pytest.raises(UsageError, match=r"came to its end \(pass\)"),
        begun(session(files, samples=2), Resume(demanded=True, run=stored.id)),
    ):
        pass


def test_two_processes_do_not_both_go_on_with_one_run(files: TemporaryProject) -> None:
    one = session(files)
    with begun(one) as first:
        ask(one, first, only=slice(2))
    with begun(one) as second, begun(one) as third:
        assert (second.id, second.there) == (first.id, 2)
        assert third.id != first.id
        with (
            pytest.raises(UsageError, match=rf"it is asking, in process {os.getpid()} of .* \(running\)"),
            begun(one, Resume(demanded=True, run=first.id)),
        ):
            pass


def test_samples_for_other_processes_are_stored_whatever_they_come_from(files: TemporaryProject) -> None:
    one = session(files, "new")
    with begun(one) as stored:
        ask(one, stored, only=slice(2))
        stored.finish("pass")
    two = session(files, "new")
    target = two.target("greet", "v1")
    for every, count in ((False, 8), (True, 10)):
        with begun(two, Resume(never=True)) as stored:
            settings = stored.settings(two.engine_settings([target]), every=every)
            settings = replace(settings, sinks=())
            collect(two, two.plan([target]), [target], settings)
            assert len(samples_there(stored.store.path, stored.id)) == count


# --- when plans are equal ---------------------------------------------------------------------------------------------


def digest_of(session: Session, *, mode: str = "live", kind: str = "run", key: Json = None) -> str:
    target = session.target("greet", "v1")
    return plan_digest(kind, mode, [(target, target.cases)], key)


@pytest.mark.parametrize(
    ("change", "equal"),
    [
        (lambda files: files.dataset("greet", rows(expected="other")), True),
        (lambda files: files.dataset("greet", rows(tags=["x"], checks=[{"contains": "i"}])), True),
        (lambda files: files.dataset("greet", rows()[::-1]), True),
        (lambda files: files.prompt("greet", versions={"v3": V1}), True),
        (lambda files: files.dataset("greet", rows()[:-1]), False),
        (lambda files: files.dataset("greet", rows(inputs={"text": "same"})), False),
        (lambda files: files.prompt("greet", versions={"v1": V1.replace("one", "two")}), False),
    ],
)
def test_a_plan_is_what_is_asked_and_not_how_it_is_judged(
    files: TemporaryProject, change: Callable[[TemporaryProject], object], equal: bool
) -> None:
    before = digest_of(session(files))
    change(files)
    assert (digest_of(session(files)) == before) is equal


def test_kind_mode_samples_and_pin_are_part_of_a_plan(files: TemporaryProject) -> None:
    one = session(files)
    found = [
        digest_of(one),
        digest_of(one, mode="new"),
        digest_of(one, kind="canary"),
        digest_of(one, key={"seed": 3}),
        digest_of(session(files, samples=2)),
        digest_of(session(files, limit=3)),
    ]
    assert len(set(found)) == len(found)


def test_a_plan_in_parts_is_the_same_plan(files: TemporaryProject) -> None:
    target: Target = session(files).target("greet", "v1")
    parts = [(target, [case]) for case in reversed(target.cases)]
    assert plan_digest("run", "live", parts) == digest_of(session(files))


def test_what_cannot_be_rendered_is_still_part_of_the_plan(files: TemporaryProject) -> None:
    one = session(files)
    broken: list[Planned] = [Sample(next(iter(one.plan([one.target("greet", "v1")]))).key, "")]
    with begun(one) as stored:
        assert list(stored.missing(broken)) == broken
