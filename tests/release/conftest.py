"""A project with two released-to-be versions whose recordings are invented: replies are the inputs' own numbers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.commands._measured import measure
from promptops.core.canary import decide
from promptops.core.plan import case_order, plan_samples
from promptops.formats import CanaryEvidence, CanarySettings, PairOutcome, RunEvidence
from promptops.models import Pin, PlannedSample, Reply, Sample, Usage
from promptops.project.root import Project
from promptops.release.adopt import adopt
from promptops.release.measured import Measured
from promptops.release.promote import Promotion, Terms, promote
from promptops.release.records import append_canary, append_run
from promptops.runner.session import Session
from promptops.store.recordings import recordings_path, write
from promptops.testing import TemporaryProject

AT = "2026-11-22T10:00:00Z"
SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
COUNT = 80


class Releases:
    """What the tests of promotion, rollback and verification do, in words."""

    def __init__(self, path: Path, *, name: str = "count", output: str = "schema.json") -> None:
        new = not (path / "prompts").exists()
        self.kit = TemporaryProject(path)
        self.name = name
        if new:
            self.add(name, output=output)

    def add(self, name: str, *, output: str = "schema.json", count: int = COUNT) -> None:
        """A prompt with versions v1 to v3 and `count` cases c0, c1 …, each expecting its own number."""
        files = {"schema.json": SCHEMA}
        versions = {f"v{n}": f"{{% user %}}Version {n}: {{{{ text }}}}{{% enduser %}}" for n in (1, 2, 3)}
        self.kit.prompt(name, versions=versions, yaml=f"inputs: {{text: string}}\noutput: {output}\n", files=files)
        rows = [{"id": f"c{n}", "inputs": {"text": f"the number {n}"}, "expected": {"n": n}} for n in range(count)]
        self.kit.dataset(name, rows)

    @property
    def project(self) -> Project:
        return self.kit.project

    def record(self, version: str, *, wrong: Mapping[str, str] | tuple[str, ...] = (), name: str = "") -> Path:
        """Record a right answer for every case, but for those in `wrong`."""
        name = name or self.name
        target = Session(self.project, "replay", os.environ).target(name, version)
        bad = wrong if isinstance(wrong, Mapping) else dict.fromkeys(wrong, '{"n": -1}')
        samples = []
        for planned in plan_samples(target.closure, target.cases):
            assert isinstance(planned, PlannedSample)
            case = planned.key.case
            reply = Reply(bad.get(case, f'{{"n": {case[1:]}}}'), "stop", Usage(10, 5), "model-1", latency=0.1)
            samples.append(Sample(planned.key, planned.digest, reply))
        path = recordings_path(self.project.fixtures_dir, name, version, Pin.parse(target.closure.model))
        write(path, samples, recorded_at=AT)
        return path

    def measure(self, version: str, name: str = "") -> Measured:
        return measure(self.project, name or self.name, version)

    def run(self, version: str, name: str = "", **changes: Any) -> RunEvidence:
        """Write a run record from the recordings."""
        measured = self.measure(version, name)
        assert measured.measurement is not None
        found = {result.case: result.outcome for result in measured.results}
        outcomes: Any = {case: found.get(case, "unmeasurable") for case in measured.cases}
        verdict: Any = "unmeasurable" if "unmeasurable" in outcomes.values() else "pass"
        record = RunEvidence(
            candidate=measured.side,
            measurement=measured.measurement,
            mode="replay",
            outcomes=outcomes,
            verdict=verdict,
            finished_at=AT,
        ).model_copy(update=changes)
        append_run(self.project, measured.prompt, record)
        return record

    def canary(self, candidate: str, baseline: str, name: str = "", **changes: Any) -> CanaryEvidence:
        """Write a canary record from the recordings of both sides."""
        new, old = self.measure(candidate, name), self.measure(baseline, name)
        assert new.measurement is not None
        before, after = ({result.case: result.outcome for result in side.results} for side in (old, new))
        pairs = {case: (before[case], after[case]) for case in new.cases}
        settings = CanarySettings()

        def build(attempt: int) -> CanaryEvidence:
            decision = decide(pairs, settings, attempt=attempt)
            assert new.measurement is not None
            return CanaryEvidence(
                candidate=new.side,
                baseline=old.side,
                measurement=new.measurement,
                mode="live",
                baseline_source="live",
                seed=7,
                order=case_order(pairs, 7),
                outcomes={c: PairOutcome(baseline=b, candidate=a) for c, (b, a) in sorted(pairs.items())},
                alpha=settings.alpha,
                delta=settings.delta,
                attempt=attempt,
                verdict=decision.verdict,
                p_value=decision.p_value,
                difference=decision.difference,
                interval=decision.interval,
                finished_at=AT,
            ).model_copy(update=changes)

        measurement = new.measurement.digest
        record = append_canary(self.project, new.prompt, new.side, old.side, measurement, build)[1]
        assert record is not None
        return record

    def adopt(self, version: str, *, name: str = "", environment: str = "production", **terms: Any) -> Promotion:
        return adopt(self.project, self.measure(version, name), environment, Terms(at=AT, **terms))

    def promote(self, version: str, *, name: str = "", environment: str = "production", **terms: Any) -> Promotion:
        return promote(self.project, self.measure(version, name), environment, Terms(at=AT, **terms))

    def edit(self, relative: str, before: str, after: str) -> None:
        """Replace `before` by `after` in a file, as a hand would."""
        text = self.kit.read(relative)
        assert before in text, f"{relative} has no {before!r}"
        self.kit.write(relative, text.replace(before, after))

    def commit(self, message: str = "Work") -> str:
        return self.kit.commit(message)

    def status(self) -> str:
        """What git has to say about uncommitted files."""
        return self.kit.git("status", "--porcelain", "--untracked-files=all")


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `releases` is a copy of."""
    found = Releases(tmp_path_factory.mktemp("adopted") / "project")
    found.record("v1", wrong=("c7", "c8"))
    found.record("v2", wrong=("c8",))
    found.record("v3", wrong=("c1", "c8"))
    found.kit.git_init()
    found.adopt("v1")
    return found.kit.path


@pytest.fixture(scope="session")
def promoted(adopted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `shipped` is a copy of."""
    path = tmp_path_factory.mktemp("promoted") / "project"
    shutil.copytree(adopted, path)
    found = Releases(path)
    found.canary("v2", "v1", mode="replay", baseline_source="recorded")
    found.promote("v2")
    return path


@pytest.fixture
def releases(adopted: Path, tmp_path: Path) -> Releases:
    """v1 is adopted in production, everything is committed; v2 and v3 are recorded, v2 is better, v3 breaks c1."""
    shutil.copytree(adopted, tmp_path, dirs_exist_ok=True)
    return Releases(tmp_path)


@pytest.fixture
def shipped(promoted: Path, tmp_path: Path) -> Releases:
    """v2 was promoted over v1, with a replayed canary; everything is committed."""
    shutil.copytree(promoted, tmp_path, dirs_exist_ok=True)
    return Releases(tmp_path)
