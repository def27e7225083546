"""Reads what a target needs from the project: prompt, closure, dataset, contract, evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops.core.baseline import Baseline, Layer
from promptops.core.closure import build_closure, closure_differences
from promptops.core.digest import version_digest
from promptops.core.document import Document
from promptops.core.judging import Asked, Judge, measured
from promptops.core.measurement import dataset_digest, measurement_of
from promptops.core.select import served_versions
from promptops.core.wire.problems import params_problems
from promptops.errors import GitError, Problem, ProblemsError
from promptops.formats import Closure, Manifest, Measurement
from promptops.models import Case, Pin
from promptops.project.datasets import Dataset, dataset_of
from promptops.project.evidence import load_evidence
from promptops.project.judges import load_judges
from promptops.project.media_files import media_reader
from promptops.project.prompts import Prompt, PromptVersion, load_readable, version_names
from promptops.project.released import is_released, load_closure
from promptops.project.user_code import check_fallback, check_sources, contract_source, load_contract
from promptops.runner.targets import Frozen, Target
from promptops.store.recordings import recordings_path

if TYPE_CHECKING:
    from promptops.core.contract import Contract
    from promptops.project.root import Project

_SILENT = frozenset({"includes", "output_schema", "inputs", "reask", "fallback", "identity"})
"""Parts of a closure that other files decide: a change there is a notice, what is served is not touched by it."""


class TargetFiles:
    """Loads targets; prompts, datasets and contracts are read once."""

    def __init__(self, project: Project, manifest: Manifest, environment: str) -> None:
        self.project, self.manifest, self.environment = project, manifest, environment
        self._prompts: dict[str, Prompt] = {}
        self._contracts: dict[str, Contract] = {}
        self._datasets: dict[str, Dataset | None] = {}
        self._measurements: dict[str, Measurement] = {}
        self._asked: dict[str, Mapping[Asked, Judge]] = {}

    def versions(self) -> dict[str, tuple[str, ...]]:
        """The versions of each prompt, as files say, in numeric order."""
        return {name: tuple(version_names(self.project, name)) for name in self.project.prompt_names()}

    def redact_patterns(self, prompt: str) -> Sequence[str]:
        """The `redact:` patterns of a prompt."""
        return self.prompt(prompt).spec.redact

    def prompt(self, name: str) -> Prompt:
        """One prompt, with every version that can be read."""
        if name not in self._prompts:
            self._prompts[name] = load_readable(self.project, name)
        return self._prompts[name]

    def contract(self, name: str) -> Contract:
        """The output contract of a prompt; loads Python of the repository."""
        if name not in self._contracts:
            self._contracts[name] = load_contract(self.prompt(name))
        return self._contracts[name]

    def target(
        self,
        prompt: str,
        version: str,
        pin: Pin | None,
        choose: Callable[[Sequence[Case]], Sequence[Case]],
        samples: int | None,
    ) -> Target:
        """Read one target; raises `ProblemsError` for what is wrong with it, whatever is wrong with its siblings."""
        source = self.prompt(prompt)
        released = is_released(self.project, prompt, version)
        working = self._working(source, version, released=released)
        contract = self.contract(prompt)
        built = build_closure(working, source.inputs, contract.schema, source.spec) if working else None
        closure = built if built is not None and not released else load_closure(self.project, prompt, version)
        if not released:
            check_fallback(self.project, source, contract)
        dataset = self.dataset(source)
        cases = dataset.cases if dataset else ()
        own_pin = pin or Pin.parse(closure.model)
        if str(own_pin) != closure.model:
            self._require_params_taken(own_pin, closure)
        digest = version_digest(closure)
        target = Target(
            source=source,
            prompt=prompt,
            version=version,
            pin=own_pin,
            closure=closure,
            digest=digest,
            released=released,
            served=version in served_versions(self.manifest, prompt),
            spec=source.spec,
            cases=choose(cases),
            total=len(cases),
            samples=samples or source.spec.samples,
            checks=source.checks,
            contract=contract,
            measurement=self._measurement(source, contract, dataset),
            recordings_path=recordings_path(self.project.fixtures_dir, prompt, version, own_pin),
            read=media_reader(self.project, prompt, dataset.path if dataset else None),
            baseline=self._baseline(prompt, version, digest),
            judges=self._judges(source, dataset),
        )
        return self._compared(target, built, working) if released else target

    def _require_params_taken(self, pin: Pin, closure: Closure) -> None:
        """Raise `ProblemsError` where another model than the version's own does not take its params."""
        path = self.project.relative(self.project.prompts_dir / closure.prompt / f"{closure.version}.j2")
        if found := params_problems(pin, closure.params, self.project.config, Document(None), path=path):
            raise ProblemsError(found)

    def _working(self, source: Prompt, version: str, *, released: bool) -> PromptVersion | None:
        """The version's file; None where only its release can be read."""
        if released:
            return next((found for found in source.versions if found.name == version), None)
        return source.version(version)

    def dataset(self, source: Prompt) -> Dataset | None:
        """The dataset of a prompt, checked once; None where it has none."""
        if source.name not in self._datasets:
            self._datasets[source.name] = dataset_of(self.project, source)
        return self._datasets[source.name]

    def _measurement(self, source: Prompt, contract: Contract, dataset: Dataset | None) -> Measurement:
        if source.name not in self._measurements:
            digest, own = (dataset.digest, dataset.python) if dataset else (dataset_digest(()), frozenset[str]())
            python, code = check_sources(source, own), contract_source(source)
            judges = measured(self._judges(source, dataset))
            self._measurements[source.name] = measurement_of(
                digest, source.checks, contract.schema, python, code, judges
            )
        return self._measurements[source.name]

    def _judges(self, source: Prompt, dataset: Dataset | None) -> Mapping[Asked, Judge]:
        if source.name not in self._asked:
            self._asked[source.name] = load_judges(self.project, source, dataset)
        return self._asked[source.name]

    def _baseline(self, prompt: str, version: str, digest: str) -> Baseline:
        """A version's own accepted outcomes, over those of what the environment in force serves.

        What was accepted for an earlier text of the version (another digest) does not count for this one.
        """
        layers = []
        own = load_evidence(self.project, prompt, version).accepted
        if own is not None and own.version == digest:
            layers.append(Layer(version, own))
        environment = self.manifest.environments.get(self.environment)
        entry = environment.prompts.get(prompt) if environment else None
        if entry is not None and entry.version != version:
            served = load_evidence(self.project, prompt, entry.version).accepted
            layers += [Layer(entry.version, served)] if served else []
        return Baseline(tuple(layers))

    def _compared(self, target: Target, built: Closure | None, working: PromptVersion | None) -> Target:
        """Say what a released version's files would yield today."""
        name = target.name
        if broken := target.source.broken.get(target.version):
            return replace(target, frozen=Frozen(("file",), self._unreadable(target, broken[0])))
        if built is None or working is None:
            path = self.project.relative(self.project.prompts_dir / target.prompt / f"{target.version}.j2")
            hint = (
                f"bring it back with `git restore {path}`; what is served is prompts/…/released/{target.version}.json"
            )
            return replace(
                target, frozen=Frozen(("file",), Problem(path, 0, f"{name} is released and its file is gone", hint))
            )
        parts = closure_differences(target.closure, built)
        edited = tuple(part for part in parts if part.split(".")[0] not in _SILENT)
        notices = tuple(
            f"{name}: {part} would be different today; what is served, {name} as released, does not change"
            for part in parts
            if part not in edited
        )
        frozen = Frozen(edited, self._edited(target, working, edited)) if edited else None
        return replace(target, notices=notices, frozen=frozen)

    def _unreadable(self, target: Target, problem: Problem) -> Problem:
        by = f" by {who}" if (who := self._editor(self.project.root / problem.path)) else ""
        return Problem(
            problem.path,
            problem.line,
            f"{target.name} is released and frozen, and cannot be read since it was edited{by}: {problem.message}",
            f"bring it back with `git restore {problem.path}`; what is served, {target.name} as released, is tested",
        )

    def _edited(self, target: Target, working: PromptVersion, parts: Sequence[str]) -> Problem:
        path = self.project.relative(working.path)
        by = f" by {who}" if (who := self._editor(working.path)) else ""
        return Problem(
            path,
            0,
            f"{target.name} is released and frozen, and its file was edited{by}: {', '.join(parts)}",
            f"keep the edit as a new version (`promptops bump {target.prompt}`) and bring this one back from git, "
            f"as it was when released/{target.version}.json was written",
        )

    def _editor(self, path: Path) -> str:
        """The commit that touched a file last, in words; empty where git cannot say."""
        from promptops.store.git import Repo

        try:
            repo = Repo.open(self.project.root)
            found = None if repo.dirty([path]) else repo.last_commit_of(path)
        except GitError:
            return ""
        return f"{found.sha[:10]} ({found.author}, {found.date}: {found.subject})" if found else "an uncommitted change"
