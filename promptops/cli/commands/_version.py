"""One version by its selector, as a closure: the file in the working tree, or what an environment serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.formats import Closure
    from promptops.project.prompts import Prompt
    from promptops.project.root import Project


class Chosen(Struct, frozen=True):
    """A version; `source` says in words where it was read, `prompt` is its working tree (None: there is none)."""

    name: str
    closure: Closure
    source: str
    prompt: Prompt | None


def choose(project: Project, text: str) -> Chosen:
    """Return what `booking`, `booking@v3` or `booking@production` names.

    `booking` is its newest version. A version is read from its file, from `released/` where there is no file; what an
    environment serves always from `released/`. Raises `UsageError` and `ProblemsError`.
    """
    from promptops.core.closure import build_closure
    from promptops.core.select import parse_selector, resolve
    from promptops.project.manifest import load_manifest
    from promptops.project.prompts import load_readable, version_names
    from promptops.project.released import is_released, load_closure, released_path

    selector = parse_selector(text)
    if selector.kind not in ("prompt", "version", "served"):
        raise UsageError(f"{text!r} does not name one version: write booking, booking@v3 or booking@production")
    name = selector.prompt
    files = version_names(project, name)
    if selector.kind == "served":
        versions = {prompt: version_names(project, prompt) for prompt in project.prompt_names()}
        ((_, version),) = resolve([selector], versions, load_manifest(project))
    else:
        version = selector.version or next(reversed(files), "")
    if selector.kind == "served" or (version not in files and version and is_released(project, name, version)):
        closure = load_closure(project, name, version)
        prompt = load_readable(project, name) if files and selector.kind != "served" else None
        return Chosen(f"{name}@{version}", closure, project.relative(released_path(project, name, version)), prompt)
    prompt = load_readable(project, name)
    found = prompt.version(version)
    return Chosen(
        f"{name}@{version}",
        build_closure(found, prompt.inputs, None, prompt.spec),
        project.relative(found.path),
        prompt,
    )
