"""Which presets a version was made with: one that was released or recorded keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from promptops.core.closure import build_closure, request_for
from promptops.core.digest import request_digest
from promptops.core.presets import with_first_presets
from promptops.errors import ProblemsError, PromptopsError
from promptops.project.released import is_released, load_closure

if TYPE_CHECKING:
    from promptops.models import Case
    from promptops.project.root import Project
    from promptops.project.version_file import PromptVersion

MAX_LINE: Final = 1 << 20  # bytes of a recorded sample that is looked at
MAX_CASES: Final = 100_000  # of the dataset, among which its case is looked for


def keeping(
    project: Project,
    version: PromptVersion,
    task: str | None,
    inputs: Mapping[str, Mapping[str, Any]] | None,
    dataset: str | None,
) -> PromptVersion:
    """Return the version with the params it was released or recorded with, where those are the first presets.

    `dataset` is where prompt.yaml says the cases are; what cannot be read is not looked at: it has its own error.
    """
    first = with_first_presets(version.written, task)
    if first == version.params:
        return version
    old = replace(version, params=first)
    if is_released(project, version.prompt, version.name):
        return old if _released_with(project, version, first) else version
    found = _recorded(project, version)
    if found is None:
        return version
    case = _case(project, version.prompt, found[0], dataset)
    return old if case is not None and _digest(old, inputs, case) == found[1] else version


def _released_with(project: Project, version: PromptVersion, params: Mapping[str, Any]) -> bool:
    try:
        return load_closure(project, version.prompt, version.name).params == params
    except PromptopsError:
        return False


def _recorded(project: Project, version: PromptVersion) -> tuple[str, str] | None:
    """Case and request digest of the first sample that is recorded of a version; None without one."""
    folder = project.fixtures_dir / version.prompt / "recordings" / version.name
    try:
        with (folder / f"{version.pin.file_name}.jsonl").open("rb") as file:
            line = json.loads(file.readline(MAX_LINE))
        return str(line["case"]), str(line["request"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _case(project: Project, prompt: str, wanted: str, written: str | None) -> Case | None:
    from promptops.models import Case
    from promptops.project.datasets import find_dataset, iter_dataset

    try:
        path = find_dataset(project, prompt, written)
        rows: Iterable[object] = iter_dataset(path, root=project.root) if path else ()
        return next((row for row in islice(rows, MAX_CASES) if isinstance(row, Case) and row.id == wanted), None)
    except ProblemsError:
        return None


def _digest(version: PromptVersion, inputs: Mapping[str, Mapping[str, Any]] | None, case: Case) -> str | None:
    try:
        return request_digest(request_for(build_closure(version, inputs, None), case.inputs))
    except (PromptopsError, ValueError):
        return None
