"""Prompts as they stand in the working tree: every problem of all their files at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from promptops.core.document import Document
from promptops.core.inputs import infer_inputs
from promptops.errors import Problem, ProblemsError, UsageError, did_you_mean
from promptops.formats import PROMPT_NAME_PATTERN, PromptFile
from promptops.models import CheckSpec
from promptops.project.files import Problems
from promptops.project.presets import keeping
from promptops.project.prompt_file import PromptSettings, read_prompt_file
from promptops.project.root import RESERVED_NAMES, Project
from promptops.project.version_file import PromptVersion, read_version

__all__ = ["Prompt", "PromptVersion", "load_prompt", "load_readable", "load_version", "version_names"]

_VERSION_FILE: Final = re.compile(r"v[1-9]\d{0,8}\.j2\Z")
_ALMOST: Final = re.compile(r"[vV]?\d+(\.(j2|jinja2?|txt|md))+\Z|[vV]\d+\.?\Z|V\d+\.\w+\Z|v\d+\.J2\Z")


class Prompt(Struct, frozen=True):
    """A prompt with all its versions, in numeric order.

    `inputs` maps each input to its JSON Schema: what prompt.yaml declares, else what the templates use, of any type.
    `broken` are the problems of versions that are not among `versions` because they cannot be read (`load_readable`).
    """

    name: str
    folder: Path
    spec: PromptFile
    inputs: Mapping[str, Mapping[str, Any]]
    checks: tuple[CheckSpec, ...]
    versions: tuple[PromptVersion, ...]
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    document: Document = Document(None)

    def version(self, name: str) -> PromptVersion:
        """Return the version `name`, such as `v2`; raises `UsageError` where there is none, its problems if broken."""
        for version in self.versions:
            if version.name == name:
                return version
        if name in self.broken:
            raise ProblemsError(self.broken[name])
        names = [*(version.name for version in self.versions), *self.broken]
        raise UsageError(
            f"{self.name} has no version {name!r}{did_you_mean(name, names)} (there is: {', '.join(names)})"
        )

    @property
    def newest(self) -> PromptVersion:
        """The version with the highest number."""
        return self.versions[-1]


def version_names(project: Project, name: str) -> list[str]:
    """Return the versions that a prompt has as files, in numeric order; nothing is read."""
    return [path.stem for path in _version_files(_entries(project.prompts_dir / name))]


def load_prompt(project: Project, name: str) -> Prompt:
    """Load a prompt with all its files.

    Raises `UsageError` where there is no such prompt and `ProblemsError` with every problem of all its files.
    """
    prompt = load_readable(project, name)
    if prompt.broken:
        raise ProblemsError([problem for found in prompt.broken.values() for problem in found])
    return prompt


def load_readable(project: Project, name: str) -> Prompt:
    """Load a prompt with those of its versions that can be read; a broken one does not stop the others.

    Raises `UsageError` where there is no such prompt, and `ProblemsError` with every problem of all its files where
    what the versions share is wrong: the folder, prompt.yaml.
    """
    folder, shared = _folder(project, name), Problems()
    entries = _entries(folder)
    _check_names(project, folder, entries, shared)
    settings = read_prompt_file(project, folder, shared)
    versions: list[PromptVersion] = []
    broken: dict[str, tuple[Problem, ...]] = {}
    all_used = True
    for path in _version_files(entries):
        found = Problems()
        version = found.catch(lambda path=path: read_version(project, path, task=settings.spec.task))  # type: ignore[misc]
        if version is None:
            all_used = False
        else:
            found.found += [*_undeclared(version, settings), *_unstructured(project, version, settings)]
            versions.append(version)
        if found.found:
            broken[path.stem] = tuple(found.found)
    if all_used:
        shared.found += _unused(project, folder, settings, versions)
    if shared.found:
        raise ProblemsError([*shared.found, *(problem for found in broken.values() for problem in found)])
    inputs, spec = _inputs(settings, versions), settings.spec
    if spec.task:
        versions = [keeping(project, version, spec.task, inputs, spec.dataset) for version in versions]
    return Prompt(
        name=name,
        folder=folder,
        spec=settings.spec,
        inputs=inputs,
        checks=settings.checks,
        versions=tuple(version for version in versions if version.name not in broken),
        broken=broken,
        document=settings.document,
    )


def load_version(project: Project, name: str, version: str) -> PromptVersion:
    """Load one version by itself: only the problems of its file, its tools and its includes count.

    Raises `UsageError` where there is no such version and `ProblemsError`.
    """
    folder = _folder(project, name)
    path = folder / f"{version}.j2"
    if path not in _version_files(_entries(folder)):
        names = version_names(project, name)
        listed = ", ".join(names) or "none"
        raise UsageError(f"{name} has no version {version!r}{did_you_mean(version, names)} (there is: {listed})")
    settings = read_prompt_file(project, folder, Problems())
    loaded = read_version(project, path, task=settings.spec.task)
    if found := [*_undeclared(loaded, settings), *_unstructured(project, loaded, settings)]:
        raise ProblemsError(found)
    task, dataset = settings.spec.task, settings.spec.dataset
    return keeping(project, loaded, task, settings.inputs, dataset) if task else loaded


def _unstructured(project: Project, version: PromptVersion, settings: PromptSettings) -> Iterator[Problem]:
    """A version whose answer is to have the structure of a contract that there is not."""
    if "structured_output" in version.params and settings.spec.contract is None:
        hint = "write output: schema.py:Booking (or schema.json) in prompt.yaml"
        yield Problem(project.relative(version.path), 0, "structured_output needs an output contract", hint)


def name_problem(name: str) -> tuple[str, str] | None:
    """Return what is wrong with the name of a prompt, and what to do; None for a good one."""
    if name.lower() in RESERVED_NAMES:
        return f"a prompt cannot be called {name!r}: pytest skips such a folder, or selectors use the word", "rename it"
    if not re.fullmatch(PROMPT_NAME_PATTERN.strip("^$"), name) or len(name) > 100:
        return f"a prompt cannot be called {name!r}", "small letters, digits, - and _; a letter or digit first"
    return None


def _folder(project: Project, name: str) -> Path:
    folder = project.prompts_dir / name
    names = project.prompt_names()
    if name in names or (name and "/" not in name and name[:1] not in (".", "_") and folder.is_dir()):
        return folder
    listed = ", ".join(names) or "none yet"
    raise UsageError(f"there is no prompt {name!r}{did_you_mean(name, names)} (there is: {listed})")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _version_files(entries: Iterable[Path]) -> list[Path]:
    return sorted((path for path in entries if _VERSION_FILE.match(path.name)), key=lambda path: int(path.stem[1:]))


def _check_names(project: Project, folder: Path, entries: Sequence[Path], problems: Problems) -> None:
    shown = project.relative(folder)
    if wrong := name_problem(folder.name):
        problems.add(shown, 0, *wrong)
    if not folder.resolve().is_relative_to(project.root.resolve()):
        problems.add(shown, 0, "leads out of the project through a symbolic link", "copy the folder into the project")
    for path in entries:
        if _ALMOST.match(path.name) and not _VERSION_FILE.match(path.name):
            problems.add(project.relative(path), 0, "is not the name of a version", "call it v1.j2, v2.j2, v3.j2 …")
    if not _version_files(entries):
        problems.add(shown, 0, "has no version", "write v1.j2")


def _undeclared(version: PromptVersion, settings: PromptSettings) -> Iterable[Problem]:
    declared = settings.inputs
    if declared is None:
        return
    for name, (path, line) in version.variables.items():
        if name not in declared:
            message = f"{name!r} is not declared below inputs in prompt.yaml{did_you_mean(name, declared)}"
            yield Problem(path, line, message, f"declared: {', '.join(sorted(declared)) or 'none'}")


def _unused(
    project: Project, folder: Path, settings: PromptSettings, versions: Sequence[PromptVersion]
) -> Iterable[Problem]:
    used = {name for version in versions for name in version.variables}
    for name in settings.inputs or ():
        if name not in used:
            line = settings.document.line("inputs", name)
            hint = "remove it, or use it in a version"
            yield Problem(project.relative(folder / "prompt.yaml"), line, f"no version uses the input {name!r}", hint)


def _inputs(settings: PromptSettings, versions: Sequence[PromptVersion]) -> Mapping[str, Mapping[str, Any]]:
    if settings.inputs is not None:
        return settings.inputs
    return infer_inputs(frozenset(name for version in versions for name in version.variables))
