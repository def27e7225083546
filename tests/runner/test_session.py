"""Targets: what a session puts together, and what it says of released versions that were touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.core.digest import version_digest
from promptops.core.plan import Planned
from promptops.errors import ProblemsError, UsageError
from promptops.models import Case, Mode, Pin, PlannedSample, Reply, Sample
from promptops.project.released import load_closure, render_closure
from promptops.runner import estimates
from promptops.runner.collect import collect
from promptops.runner.estimates import estimate, estimate_run
from promptops.runner.session import Choices, Session, plan_target
from promptops.testing import TemporaryProject
from tests.runner.fakes import Asker

V1 = "{% system %}one{% endsystem %}{% user %}{{ text }}{% enduser %}"
MANIFEST = """\
format: 1
environments:
  production:
    require: no-regression
    prompts:
      greet:
        version: v1
        pin: test/model-1
        digest: {digest}
        how: adopted
        at: "2026-11-22T00:00:00Z"
"""


@pytest.fixture
def files(tmp_path: Path) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: ok\nsamples: 2\nredact:\n  - 'secret-\\d+'\n"
    files.prompt("greet", versions={"v1": V1, "v2": V1.replace("one", "two")}, yaml=yaml)
    rows = [{"id": f"c{n}", "inputs": {"text": str(n)}, "tags": ["quick"] if n % 2 else []} for n in range(6)]
    files.dataset("greet", rows)
    return files


def session(files: TemporaryProject, mode: Mode = "replay", **choices: object) -> Session:
    return Session(files.project, mode, {}, Choices(**choices), asker=Asker)  # type: ignore[arg-type]


def release(files: TemporaryProject) -> None:
    """Write the closure of v1, and serve it."""
    closure = session(files).target("greet", "v1").closure
    files.write("prompts/greet/released/v1.json", render_closure(closure))
    files.write("prompts/manifest.yaml", MANIFEST.format(digest=version_digest(closure)))


def test_a_target_has_what_asking_and_judging_needs(files: TemporaryProject) -> None:
    target = session(files).target("greet", "v2")
    assert (target.name, str(target.pin), target.samples, target.total) == ("greet@v2", "test/model-1", 2, 6)
    assert (target.released, target.served, target.partial, target.baseline.layers) == (False, False, False, ())
    assert [key.index for key in target.keys(target.cases[0])] == [0, 1]


@pytest.mark.parametrize(
    ("choices", "cases"),
    [
        ({}, 6),
        ({"tags": ("quick",)}, 3),
        ({"limit": 2}, 2),
        ({"tags": ("quick",), "limit": 1}, 1),
        ({"tags": ("x",)}, 0),
    ],
)
def test_cases_are_chosen_by_tag_and_number(files: TemporaryProject, choices: dict[str, Any], cases: int) -> None:
    target = session(files, **choices).target("greet", "v1")
    assert len(target.cases) == cases
    assert target.partial is (cases < 6)


def test_another_pin_changes_what_is_asked_and_not_the_version(files: TemporaryProject) -> None:
    own, other = session(files).target("greet", "v1"), session(files, pin=Pin("test", "m-2")).target("greet", "v1")
    assert own.digest == other.digest
    (planned, *_) = plan_target(other)
    assert isinstance(planned, PlannedSample)
    assert str(planned.request.pin) == planned.key.pin == "test/m-2"
    assert other.options == "--promptops-model test/m-2"
    assert other.recordings_path != own.recordings_path


def test_a_released_version_is_its_closure(files: TemporaryProject) -> None:
    release(files)
    target = session(files).target("greet", "v1")
    assert target.released
    assert target.served
    assert target.frozen is None
    assert target.closure == load_closure(files.project, "greet", "v1")


def test_an_edited_released_version_is_told_and_still_tested_as_released(files: TemporaryProject) -> None:
    release(files)
    files.prompt("greet", versions={"v1": V1.replace("one", "ONE")})
    target = session(files).target("greet", "v1")
    assert "one" in target.closure.template
    assert target.frozen is not None
    assert "template" in target.frozen.problem.message
    with pytest.raises(ProblemsError, match="released and frozen"):
        target.require_unedited()
    assert session(files).target("greet", "v2").frozen is None


def test_a_changed_contract_is_a_notice_and_no_error(files: TemporaryProject) -> None:
    release(files)
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: ok\noutput: schema.json\n"
    files.prompt("greet", versions={}, yaml=yaml, files={"schema.json": '{"type": "object"}'})
    target = session(files).target("greet", "v1")
    assert target.frozen is None
    assert any("output_schema" in notice for notice in target.notices)
    assert target.closure.output_schema is None


def test_a_released_version_whose_file_is_gone_says_how_to_get_it_back(files: TemporaryProject) -> None:
    release(files)
    (files.path / "prompts/greet/v1.j2").unlink()
    target = session(files).target("greet", "v1")
    assert target.frozen is not None
    assert "git restore prompts/greet/v1.j2" in target.frozen.problem.hint


def test_a_version_that_never_was_is_a_usage_error(files: TemporaryProject) -> None:
    with pytest.raises(UsageError, match="v9"):
        session(files).target("greet", "v9")


def test_what_is_recorded_live_is_replayed_alike(files: TemporaryProject) -> None:
    def answer(planned: PlannedSample) -> Sample:
        return Sample(planned.key, planned.digest, Reply("ok secret-42", latency=0.12345678), cost=0.1)

    asking = Session(files.project, "record", {}, asker=lambda: Asker(0.0, answer))
    target = asking.target("greet", "v1")
    live = collect(asking, asking.plan([target]), [target], asking.engine_settings([target])).of(target)
    assert live["c0"].judgements[0].sample.reply is not None
    assert "secret" not in live["c0"].judgements[0].sample.reply.text
    replaying = session(files)
    again = collect(replaying, replaying.plan([target]), [target], replaying.engine_settings([target])).of(target)
    assert again.keys() == live.keys()
    for case, result in again.items():
        assert [j.sample.reply for j in result.judgements] == [j.sample.reply for j in live[case].judgements]
        assert result.outcome == live[case].outcome == "pass"


def test_a_stale_recording_of_a_released_version_says_what_changed(files: TemporaryProject) -> None:
    asking = session(files, "record")
    target = asking.target("greet", "v1")
    collect(asking, asking.plan([target]), [target], asking.engine_settings([target]))
    release(files)
    files.dataset("greet", [{"id": "c0", "inputs": {"text": "another question"}}])
    replaying = session(files)
    target = replaying.target("greet", "v1")
    found = collect(replaying, replaying.plan([target]), [target], replaying.engine_settings([target])).of(target)
    failure = found["c0"].judgements[0].sample.failure
    assert found["c0"].outcome == "error"
    assert failure is not None
    assert failure.kind == "stale_recording"
    assert "its case changed, or it was recorded before the release" in failure.message


def test_an_estimate_counts_what_is_asked(files: TemporaryProject) -> None:
    files.config('[tool.promptops.prices]\n"test/model-1" = [1.0, 2.0]')
    asking = session(files, "new", limit=2)
    target = asking.target("greet", "v1")
    expected = estimate(asking, asking.plan([target]), [target])
    assert (expected.requests, expected.recorded, expected.expected, expected.seconds) == (4, 0, None, None)
    assert expected.worst_case is not None
    assert expected.worst_case > 4 * 32_768 * 2e-6
    broken = Case("bad", {"text": 5})
    assert estimate(asking, plan_target(target, [broken]), [target]).refused == 2


def test_a_large_run_is_estimated_by_a_part_of_its_cases_and_says_so(
    files: TemporaryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.config('[tool.promptops.prices]\n"test/model-1" = [1.0, 2.0]')
    files.dataset("greet", [{"id": f"c{n:03}", "inputs": {"text": f"{n:03}"}} for n in range(100)])
    asking = session(files, "new", samples=1)
    target = asking.target("greet", "v1")
    whole = estimate_run(asking, [target])
    assert whole == estimate(asking, asking.plan([target]), [target])
    monkeypatch.setattr(estimates, "MOST_WALKED", 13)
    part = estimate_run(asking, [target])
    assert replace(part, worst_case=None) == replace(whole, exact=False, worst_case=None)
    assert part.worst_case == pytest.approx(whole.worst_case)
    rendered: list[str] = []

    def odd(plan: Iterable[Planned]) -> Iterator[Planned]:
        for planned in plan:
            rendered.append(planned.key.case)
            if len(rendered) % 2:
                yield planned

    assert estimate_run(asking, [target], odd).requests == 54  # 7 of 13
    assert rendered == [f"c{number:03}" for number in range(0, 100, 8)]


def test_what_is_left_of_a_live_run_is_counted_and_not_guessed_from_a_part(
    files: TemporaryProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first so many are there: a part of the plan, wherever it is taken, has another share of them."""
    files.dataset("greet", [{"id": f"c{n:03}", "inputs": {"text": f"{n:03}"}} for n in range(100)])
    monkeypatch.setattr(estimates, "_PART", 7)
    asking = session(files, "live", samples=1)
    target = asking.target("greet", "v1")

    def left(plan: Iterable[Planned]) -> Iterator[Planned]:
        return (planned for planned in plan if int(planned.key.case[1:]) >= 11)

    assert (estimate_run(asking, [target]).requests, estimate_run(asking, [target], left).requests) == (100, 89)


def test_a_session_asks_at_the_concurrency_of_its_providers(files: TemporaryProject) -> None:
    files.provider("test", "http://127.0.0.1:1/v1", concurrency=7)
    assert session(files, "live").concurrency([session(files).target("greet", "v1")]) == 7
    assert session(files, "live", concurrency=3).concurrency([session(files).target("greet", "v1")]) == 3
