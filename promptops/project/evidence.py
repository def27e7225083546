"""`evidence/vN.json`: what runs and canaries proved, and the accepted outcomes. Read here, written by `release`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.digest import sha256_of
from promptops.errors import Problem, ProblemsError
from promptops.formats import CanaryEvidence, Evidence, RunEvidence
from promptops.project.stored import RESTORE, parse_json, read_text, render_json

if TYPE_CHECKING:
    from promptops.project.root import Project


def evidence_path(project: Project, prompt: str, version: str) -> Path:
    return project.prompts_dir / prompt / "evidence" / f"{version}.json"


def load_evidence(project: Project, prompt: str, version: str) -> Evidence:
    """The evidence of a version; empty where nothing was written yet.

    Raises `ProblemsError` where the file is malformed or of another version.
    """
    path = evidence_path(project, prompt, version)
    if not path.exists() and not path.is_symlink():
        return Evidence(prompt=prompt, version=version)
    shown = project.relative(path)
    return parse_evidence(read_text(path, shown), path=shown, prompt=prompt, version=version)


def parse_evidence(text: str, *, path: str, prompt: str, version: str) -> Evidence:
    """Read the text of an evidence file; raises `ProblemsError` as `load_evidence` does."""
    evidence = parse_json(Evidence, text, path=path)
    if (evidence.prompt, evidence.version) != (prompt, version):
        message = f"is the evidence of {evidence.prompt}@{evidence.version}, not of {prompt}@{version}"
        raise ProblemsError([Problem(path, 0, message, RESTORE.format(path=path))])
    return evidence


def render_evidence(evidence: Evidence) -> str:
    """The text of an evidence file."""
    return render_json(evidence)


def evidence_digest(record: RunEvidence | CanaryEvidence) -> str:
    """The digest by which a manifest names one run or canary."""
    return sha256_of(record.model_dump(mode="json"))
