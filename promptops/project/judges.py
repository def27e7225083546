"""The judges that checks name: their closures, and what lets them gate. Runs no Python."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.core.calibration import agreement_of
from promptops.core.closure import build_closure
from promptops.core.digest import sha256_of, version_digest
from promptops.core.judging import THRESHOLD, Asked, Judge, judges_named
from promptops.errors import Problem, ProblemsError
from promptops.formats import Calibration, Closure
from promptops.project.files import parse_json, read_text
from promptops.project.labels import labels_path, load_labels
from promptops.project.prompts import Prompt, load_readable, version_names
from promptops.project.released import is_released, load_closure, released_versions
from promptops.project.stored import parse_json as parse_stored
from promptops.project.stored import read_text as read_stored

if TYPE_CHECKING:
    from promptops.project.datasets import Dataset
    from promptops.project.root import Project


def load_judges(project: Project, source: Prompt, dataset: Dataset | None) -> Mapping[Asked, Judge]:
    """Every judge that the checks of a prompt and its cases name; raises what is wrong with their files."""
    asked = dict.fromkeys([*judges_named(source.checks), *sorted(dataset.judges if dataset else (), key=repr)])
    return {each: load_judge(project, each) for each in asked}


def load_judge(project: Project, asked: Asked) -> Judge:
    """One judge, as released where it is; without a version the newest released one, else the newest.

    Raises `UsageError` and `ProblemsError` for what is not there or wrong.
    """
    closure = _closure(project, asked)
    digest = version_digest(closure)
    found = load_calibration(project, closure.prompt, closure.version)
    why = "not calibrated" if found is None else _unbound(project, asked, digest, found)
    if found is None or why:
        by = f" --threshold {asked.threshold:g}" if not asked.compares and asked.threshold != THRESHOLD else ""
        return Judge(closure, digest, f"{why}: promptops judge calibrate {asked.name}{by}")
    advises = agreement_of(counts_of(found)).advises
    return Judge(closure, digest, advises, sha256_of(found.model_dump(mode="json")))


def counts_of(calibration: Calibration) -> dict[tuple[str, str], int]:
    """The table of a calibration: (people, judge) → count."""
    return {(each.people, each.judge): each.count for each in calibration.counts}


def calibration_path(project: Project, prompt: str, version: str) -> Path:
    return project.prompts_dir / prompt / "calibration" / f"{version}.json"


def load_calibration(project: Project, prompt: str, version: str) -> Calibration | None:
    """What was measured of a judge; None where nothing was. Raises `ProblemsError` for a malformed file."""
    path = calibration_path(project, prompt, version)
    if not path.exists() and not path.is_symlink():
        return None
    shown = project.relative(path)
    found = parse_stored(Calibration, read_stored(path, shown), path=shown)
    if (found.prompt, found.version) != (prompt, version):
        message = f"is the calibration of {found.prompt}@{found.version}, not of {prompt}@{version}"
        raise ProblemsError([Problem(shown, 0, message, f"promptops judge calibrate {prompt}@{version}")])
    return found


def judge_files(project: Project, prompt: str) -> Iterator[Path]:
    """The files that say how a judge judges: its folder's and its labels."""
    folder = project.prompts_dir / prompt
    yield from (path for path in folder.rglob("*") if path.is_file())
    yield labels_path(project, prompt)


def _unbound(project: Project, asked: Asked, digest: str, found: Calibration) -> str:
    """Why a calibration says nothing about what is asked; empty where it does."""
    if found.judge != digest:
        return "its version, pin or includes changed since it was calibrated"
    if found.compares != asked.compares:
        return f"calibrated {'by comparing' if found.compares else 'by grading'}, and not for this"
    if not found.compares and found.threshold != asked.threshold:
        return f"calibrated at threshold {found.threshold:g}, asked at {asked.threshold:g}"
    labels = load_labels(project, asked.prompt)
    if labels is None or labels.digest != found.labels:
        return "its labels changed since it was calibrated"
    return ""


def _closure(project: Project, asked: Asked) -> Closure:
    released = released_versions(project, asked.prompt)
    version = asked.version or (released[-1] if released else "")
    if version and is_released(project, asked.prompt, version):
        return load_closure(project, asked.prompt, version)
    source = load_readable(project, asked.prompt)
    found = source.version(version or version_names(project, asked.prompt)[-1])
    return build_closure(found, source.inputs, _schema(project, source), source.spec)


def _schema(project: Project, source: Prompt) -> dict[str, Any] | None:
    """The JSON Schema of a judge's answers, where it names one; a Python contract is refused: nothing of it is run."""
    written = source.spec.contract
    if written is None:
        return None
    shown = f"{project.relative(source.folder)}/prompt.yaml"
    if not written.endswith(".json"):
        message = f"output: the contract of a judge is a JSON Schema, not Python ({written})"
        raise ProblemsError([Problem(shown, source.document.line("output"), message, "write schema.json")])
    path = source.folder / written
    found = parse_json(read_text(project.root, path, project.relative(path)), project.relative(path))
    if not isinstance(found, dict):
        raise ProblemsError([Problem(project.relative(path), 1, "must be a JSON Schema: a mapping")])
    return dict(found)
