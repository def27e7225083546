"""`--promptops-changed`: the prompts that anything they are made of or tested by changed for, since a commit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops._pytest.selection import version_files
from promptops.core.judging import judges_named
from promptops.errors import PromptopsError
from promptops.project.datasets import dataset_of
from promptops.project.judges import judge_files
from promptops.project.manifest import NAME as MANIFEST
from promptops.project.manifest import load_manifest, parse_manifest
from promptops.project.prompts import load_prompt

if TYPE_CHECKING:
    from promptops.formats import Manifest
    from promptops.project.root import Project
    from promptops.store.git import Repo


def changed_prompts(project: Project, base: str | None) -> tuple[frozenset[str], str]:
    """The names of changed prompts, and what they were compared with, in words.

    A prompt is changed by its own folder, its fixtures, its dataset wherever that is, a template it includes, and what
    environments serve of it; every prompt by `[tool.promptops]`. A prompt that cannot be read counts as changed.
    Raises `GitError` where there is no git, no repository or no such commit.
    """
    from promptops.store.git import Repo

    repo = Repo.open(project.root)
    since = base or repo.merge_base()
    paths = [Path(repo.root) / path for path in repo.changed_since(since)]
    names = project.prompt_names()
    words = f"since {base}" if base else f"since {since[:12]}, where this branch left the main branch"
    if _config_changed(project, repo, since, paths):
        return frozenset(names), words
    served = _served_differently(project, repo, since, paths)
    return frozenset(name for name in names if name in served or _touches(project, name, paths)), words


def _touches(project: Project, name: str, paths: Iterable[Path]) -> bool:
    folders = [project.prompts_dir / name, project.fixtures_dir / name]
    files = _made_of(project, name)
    if files is None:
        return True
    return any(path in files or any(path.is_relative_to(folder) for folder in folders) for path in paths)


def _made_of(project: Project, name: str) -> set[Path] | None:
    """Files of a prompt outside its own folders; None where it cannot be read."""
    try:
        prompt = load_prompt(project, name)
        own = dataset_of(project, prompt)
    except PromptopsError:
        return None
    included = {project.prompts_dir / include for version in prompt.versions for include in version.includes}
    dataset = (
        {project.root / prompt.spec.dataset, prompt.folder / prompt.spec.dataset} if prompt.spec.dataset else set()
    )
    asked = {*judges_named(prompt.checks), *(own.judges if own else ())}
    made = included | dataset | {path for each in asked for path in judge_files(project, each.prompt)}
    return {path.resolve() for path in made} | made


def _config_changed(project: Project, repo: Repo, since: str, paths: list[Path]) -> bool:
    path = project.root / "pyproject.toml"
    if path not in paths:
        return False
    before = _then(repo, since, path)
    now = path.read_text(encoding="utf-8") if path.exists() else ""
    return bool(_table(before) != _table(now))


def _table(text: str) -> Any:
    try:
        return tomllib.loads(text).get("tool", {}).get("promptops")
    except tomllib.TOMLDecodeError:
        return text


def _served_differently(project: Project, repo: Repo, since: str, paths: list[Path]) -> set[str]:
    path = project.prompts_dir / MANIFEST
    if path not in paths:
        return set()
    now = load_manifest(project)
    try:
        before = parse_manifest(_then(repo, since, path), path=project.relative(path))
    except PromptopsError:
        return set(version_files(project.prompts_dir, project.prompt_names()))
    names = {name for manifest in (before, now) for env in manifest.environments.values() for name in env.prompts}
    return {name for name in names if _served(before, name) != _served(now, name)}


def _served(manifest: Manifest, prompt: str) -> dict[str, tuple[str, str]]:
    return {
        name: (env.prompts[prompt].version, env.prompts[prompt].digest)
        for name, env in manifest.environments.items()
        if prompt in env.prompts
    }


def _then(repo: Repo, since: str, path: Path) -> str:
    """The text of a file at a commit; empty where it did not exist."""
    return (repo.show(since, path) or b"").decode("utf-8", "replace")
