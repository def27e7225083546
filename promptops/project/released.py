"""`released/vN.json`: closures, the frozen form of a version, which environments serve. `release` writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.digest import short_digest, version_digest
from promptops.errors import Problem, ProblemsError
from promptops.formats import VERSION_PATTERN, Closure, ClosureFile
from promptops.models import Pin
from promptops.project.files import matching
from promptops.project.stored import RESTORE, parse_json, read_text, render_json

if TYPE_CHECKING:
    from promptops.project.root import Project


def released_path(project: Project, prompt: str, version: str) -> Path:
    return project.prompts_dir / prompt / "released" / f"{version}.json"


def released_versions(project: Project, prompt: str) -> list[str]:
    """The versions of `prompt` that have a closure, in numeric order."""
    names = [path.stem for path in matching(project.prompts_dir / prompt / "released", "v*.json")]
    return sorted((name for name in names if re.match(VERSION_PATTERN, name)), key=lambda name: int(name[1:]))


def is_released(project: Project, prompt: str, version: str) -> bool:
    return released_path(project, prompt, version).exists()


def load_closure(project: Project, prompt: str, version: str) -> Closure:
    """The closure of a released version, its digest recomputed.

    Raises `ProblemsError` where the file is missing, malformed, of another version, or edited.
    """
    path = released_path(project, prompt, version)
    shown = project.relative(path)
    return parse_closure(read_text(path, shown), path=shown, prompt=prompt, version=version).closure


def parse_closure(text: str, *, path: str, prompt: str, version: str) -> ClosureFile:
    """Read the text of a closure file and recompute its digest; raises `ProblemsError` as `load_closure` does."""
    file = parse_json(ClosureFile, text, path=path)
    hint = RESTORE.format(path=path)
    if (file.closure.prompt, file.closure.version) != (prompt, version):
        message = f"is the closure of {file.closure.prompt}@{file.closure.version}, not of {prompt}@{version}"
        raise ProblemsError([Problem(path, 0, message, hint)])
    if (actual := version_digest(file.closure)) != file.digest:
        message = f"was edited: its content has digest {short_digest(actual)}, and it says {short_digest(file.digest)}"
        raise ProblemsError([Problem(path, 0, message, f"released versions are frozen; {hint}")])
    try:
        Pin.parse(file.closure.model)
    except ValueError as error:
        raise ProblemsError([Problem(path, 0, f"closure.model: {error}", hint)]) from None
    return file


def render_closure(closure: Closure) -> str:
    """The text of the closure file of `closure`."""
    return render_json(ClosureFile(digest=version_digest(closure), closure=closure))
