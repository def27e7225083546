"""Which versions a run tests: the selectors, and what changed. Read once, by the controller where there is xdist."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from promptops.core.select import default_selection, resolve, served_versions
from promptops.formats import VERSION_PATTERN, Manifest
from promptops.project.manifest import load_manifest

if TYPE_CHECKING:
    from promptops._pytest.options import Options
    from promptops.project.root import Project

Pair = tuple[str, str]  # prompt, version


class Selection(Struct, frozen=True):
    """`pairs` are the selected versions, `gone` served versions without a file by prompt.

    `narrowed`: an option selects less than the default. `changed` are the prompts that `--promptops-changed`
    found, and `since` words what it compared with; None where it was not given.
    """

    pairs: frozenset[Pair]
    versions: Mapping[str, Sequence[str]]
    gone: Mapping[str, Sequence[str]]
    manifest: Manifest
    narrowed: bool = False
    changed: frozenset[str] | None = None
    since: str | None = None

    @property
    def prompts(self) -> set[str]:
        """The names of the selected prompts."""
        return {prompt for prompt, _ in self.pairs}

    def resolve(self, selectors: Sequence[str]) -> list[Pair]:
        """What a marker names; only what is selected too, where the run is narrowed."""
        pairs = resolve(selectors, self.versions, self.manifest)
        return [pair for pair in pairs if not self.narrowed or pair in self.pairs]


def select(
    project: Project, options: Options, changed: frozenset[str] | None = None, since: str | None = None
) -> Selection:
    """Resolve the selectors; `changed` (None: all) leaves only prompts of these names.

    Raises `UsageError` for a selector that names nothing, `ProblemsError` for a malformed manifest.
    """
    versions = version_files(project.prompts_dir, project.prompt_names())
    manifest = load_manifest(project)
    pairs = resolve(options.select, versions, manifest) if options.select else default_selection(versions, manifest)
    if changed is not None:
        pairs = [(prompt, version) for prompt, version in pairs if prompt in changed]
    gone = {
        prompt: [version for version in served_versions(manifest, prompt) if version not in names]
        for prompt, names in versions.items()
    }
    narrowed = bool(options.select) or changed is not None
    return Selection(frozenset(pairs), versions, gone, manifest, narrowed, changed, since)


def version_files(prompts_dir: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """The versions that each prompt has as files, in numeric order."""
    found = {}
    for name in names:
        stems = [path.stem for path in (prompts_dir / name).glob("v*.j2")]
        found[name] = sorted((s for s in stems if re.fullmatch(VERSION_PATTERN, s)), key=lambda stem: int(stem[1:]))
    return found
