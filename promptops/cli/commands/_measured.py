"""Measuring a version from its recordings, for the commands that promote, adopt and accept it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.models import CaseResult, Sample
    from promptops.project.root import Project
    from promptops.release.measured import Measured
    from promptops.runner.session import Session
    from promptops.runner.targets import Target


def now() -> str:
    """The moment that is written into files."""
    from promptops.times import timestamp

    return timestamp(datetime.now(UTC))


def measure(project: Project, prompt: str, version: str) -> Measured:
    """Judge what is recorded of a version, without network; loads the output contract, which is Python of the project.

    Raises `ProblemsError` for a released version whose file was edited, and for what is wrong with its files.
    """
    from promptops.release.measured import Measured
    from promptops.runner.session import Session

    session = Session(project, "replay", os.environ)
    target = session.target(prompt, version)
    target.require_unedited()
    return Measured(
        closure=target.closure,
        measurement=target.measurement if target.cases else None,
        cases={case.id: case.digest for case in target.cases},
        results=tuple(judged(session, target).values()),
        sources=tuple(sources_of(project, target)),
        recordings=target.recordings_path,
        canary=target.spec.canary,
    )


def judged(session: Session, target: Target) -> dict[str, CaseResult]:
    """What the recordings give, of the cases that have one; an edited or stale recording is an error outcome."""
    from promptops.models import Sample as SampleType

    samples: dict[str, list[Sample]] = {}
    for planned in session.plan([target]):
        sample = planned if isinstance(planned, SampleType) else session.find(planned)
        samples.setdefault(sample.key.case, []).append(sample)
    results = (session.judge(target, found) for found in samples.values())
    return {result.case: result for result in results if result.outcome != "unmeasurable"}


def sources_of(project: Project, target: Target) -> set[Path]:
    """The files that closure and measurement are made of: they have to be committed for a commit to speak of them."""
    folder = project.prompts_dir / target.prompt
    own = {path for path in folder.iterdir() if path.is_file() and path.suffix != ".j2"}
    templates = {folder / f"{target.version}.j2"}
    includes = {project.prompts_dir / name for name in target.closure.includes}
    datasets = {project.root / case.path for case in target.cases[:1] if case.path}
    return {path for path in own | templates | includes | datasets if path.exists()}
