"""`prompts/manifest.yaml`: which version each environment serves, and why. Read here, written by `release`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.core.strict_yaml import dump_yaml, parse_yaml, validate
from promptops.errors import Problem, ProblemsError
from promptops.formats import Manifest
from promptops.project.stored import read_text, refuse_conflict

if TYPE_CHECKING:
    from promptops.project.root import Project

NAME = "manifest.yaml"
HEADER = "# What each environment serves, and why. Written by `promptops promote`, `adopt` and `rollback`.\n"


def manifest_path(project: Project) -> Path:
    return project.prompts_dir / NAME


def load_manifest(project: Project) -> Manifest:
    """The manifest of `project`; an empty one where there is no file yet.

    Raises `ProblemsError` with every problem of the file and its line.
    """
    path = manifest_path(project)
    if not path.exists() and not path.is_symlink():
        return Manifest()
    return parse_manifest(read_text(path, project.relative(path)), path=project.relative(path))


def parse_manifest(text: str, *, path: str) -> Manifest:
    """Read the text of a manifest; raises `ProblemsError` with every problem and its line."""
    refuse_conflict(text, path)
    document = parse_yaml(text, path=path)
    if document.data is None:
        hint = f"restore it with `git checkout -- {path}`, or delete it where nothing is served yet"
        raise ProblemsError([Problem(path, 0, "is empty", hint)])
    return validate(Manifest, document, path=path)


def render_manifest(manifest: Manifest) -> str:
    """The text of a manifest: environments and prompts in alphabetical order, one value a line.

    Every prompt has lines of its own that nothing else changes, so that git merges promotions of two prompts.
    """
    environments = {
        name: {
            **_without_empty({"require": environment.require, "after": environment.after}),
            "prompts": {
                prompt: _entry(entry.model_dump(mode="json")) for prompt, entry in sorted(environment.prompts.items())
            },
        }
        for name, environment in sorted(manifest.environments.items())
    }
    return HEADER + dump_yaml({"format": manifest.format, "environments": environments})


_ORDER = ("version", "pin", "digest", "evidence", "how", "reason", "acknowledged", "at")


def _entry(value: dict[str, Any]) -> dict[str, Any]:
    """An entry in reading order, without what is empty."""
    found = _without_empty({key: value[key] for key in _ORDER})
    if value.get("previous"):
        found["previous"] = [_entry(item) for item in value["previous"]]
    return found


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item not in (None, "", [])}
