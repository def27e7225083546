"""A project in a folder where pytest is run as a user runs it: as a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import promptops._pytest.activate  # noqa: F401 - pytester forgets what a run in this process was the first to import
from promptops.models import PlannedSample, Reply, Sample, Usage
from promptops.release.accept import accept_outcomes
from promptops.release.adopt import adopt
from promptops.release.measured import Measured
from promptops.release.promote import Terms
from promptops.runner.session import Choices, Session, plan_target
from promptops.store import recordings
from promptops.testing import Answer, TemporaryProject
from promptops.testing.answers import render_response

MOMENT = "2026-11-22T07:00:00Z"
PIN = "test/model-1"
QUIET = tuple(word for name in ("randomly", "hypothesispytest", "pytest_cov", "anyio") for word in ("-p", f"no:{name}"))
"""Leaves out the plugins of our own tests: one shuffles, the others take longer to load than everything else."""


def held_until(ready: Callable[[], bool], text: str = "yes") -> Answer:
    """An answer that comes when `ready` says so, looked at in the server's thread every hundredth of a second."""

    def pieces() -> Iterator[bytes]:
        response = render_response(Answer(text, end="close"), {"model": "model-1"})
        yield response[:1]
        while not ready():
            yield b""
        yield response[1:]

    return Answer(raw=pieces, drip=0.01, delay=0.0)


@dataclass
class World:
    """A `TemporaryProject` where pytester runs, and shortcuts to a state of it."""

    pytester: pytest.Pytester
    project: TemporaryProject

    def greeting(self, *, versions: int = 1, cases: int = 3, yaml: str = "", name: str = "greeting") -> None:
        """A prompt whose cases c1, c2 … expect `yes`."""
        texts = {f"v{number}": f"Version {number}: {{{{ text }}}}\n" for number in range(1, versions + 1)}
        self.project.prompt(name, versions=texts, yaml="inputs: {text: string}\n" + yaml)
        self.project.dataset(
            name, [{"id": f"c{n}", "inputs": {"text": f"say {n}"}, "expected": "yes"} for n in range(1, cases + 1)]
        )

    def session(self, **choices: Any) -> Session:
        return Session(self.project.project, "replay", {}, Choices(**choices))

    def record(
        self, version: str, answers: Mapping[str, str | list[str]] | str, *, name: str = "greeting", **choices: Any
    ) -> Path:
        """Write recordings: a text for each case (a list: one a sample), or one text for all."""
        target = self.session(**choices).target(name, version)
        samples = []
        for planned in plan_target(target):
            assert isinstance(planned, PlannedSample)
            found = answers if isinstance(answers, str) else answers.get(planned.key.case)
            if found is None:
                continue
            text = found if isinstance(found, str) else found[planned.key.index]
            reply = Reply(text, "stop", Usage(5, 2), "model-1", latency=0.25)
            samples.append(Sample(planned.key, planned.digest, reply=reply, cost=0.001))
        recordings.write(target.recordings_path, samples, recorded_at=MOMENT)
        return target.recordings_path

    def measured(self, version: str, *, name: str = "greeting", **choices: Any) -> Measured:
        """What is measured by replaying every case."""
        session = self.session(**choices)
        target = session.target(name, version)
        results = [
            session.judge(
                target, [session.find(p) for p in plan_target(target, [case]) if isinstance(p, PlannedSample)]
            )
            for case in target.cases
        ]
        cases = {case.id: case.digest for case in target.cases}
        return Measured(target.closure, target.measurement, cases, results)

    def accept(self, version: str, *, name: str = "greeting", **choices: Any) -> None:
        """Accept the outcomes of the recordings."""
        accept_outcomes(self.project.project, self.measured(version, name=name, **choices), at=MOMENT)

    def serve(self, version: str, *, name: str = "greeting", **choices: Any) -> None:
        """Let production serve a version, with its outcomes of today as the baseline."""
        terms = Terms(at=MOMENT, commit=False)
        adopt(self.project.project, self.measured(version, name=name, **choices), "production", terms)

    def run(self, *arguments: str) -> pytest.RunResult:
        """`pytest …` in this process: for what neither asks a model nor starts workers."""
        return self.pytester.runpytest_inprocess("-p", "no:randomly", *arguments)

    def process(self, *arguments: str) -> pytest.RunResult:
        """`pytest …` in a process of its own."""
        return self.pytester.runpytest_subprocess(*QUIET, *arguments, timeout=90)
