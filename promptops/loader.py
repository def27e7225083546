"""Prompts at run time: `promptops.load("booking")` is what the manifest serves.

Reads manifest and closures, and nothing else: no git, no network, no code of the repository. A model is asked only by
`run` and `arun`, through the client that the tests use.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from promptops.config import environment_name
from promptops.core.closure import render, request_of
from promptops.core.digest import request_digest, version_digest
from promptops.errors import OutputInvalid, Problem, ProblemsError, ProviderError, UsageError, did_you_mean
from promptops.formats import Closure, Manifest
from promptops.models import Json, Message, Pin, PlannedSample, Sample, SampleKey, Turn, Usage
from promptops.models import Reply as Answered
from promptops.project.manifest import load_manifest, manifest_path
from promptops.project.media_files import with_files
from promptops.project.released import load_closure, released_path, released_versions
from promptops.project.root import Project, load_project

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pydantic import BaseModel

    from promptops.core.contract import Contract
    from promptops.runner.serving import Served

M = TypeVar("M", bound="BaseModel")

logger = logging.getLogger("promptops")

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Reply:
    """What a model answered to a served prompt.

    `cost` is US dollars (None: price unknown), `latency` seconds, `served_by` the model that the provider says it was.
    `pinned` says that `PROMPTOPS_PIN` chose the version and not the manifest. `pin` is the model that was asked.
    `endpoint` is the provider that answered, where the pin's own failed over to it.

    `fallback` says that this is not the pinned model's output, and `fallback_reason` why: a model of
    `[tool.promptops.fallbacks]` answered, or, where `fallback_value` is true, the value that the prompt declares stands
    in for an output (`text` is then what the model wrote, empty where nothing came).

    `asked_again` is how often the model was asked again for a valid output, `earlier` its answers before that with what
    was wrong; `usage`, `cost` and `latency` are those of all requests together.

    `fingerprint`, `region` and `host` are who answered, as far as the reply says. `deviations` is what speaks against
    the pin and the prompt allows, in words: a gateway's cache or fallback, another model.

    Of a stream, `first_token` is seconds to its first token, `token_gap` the mean time from one piece to the next.
    `logprobs` are those of each token, where the version asks for them.
    """

    text: str
    prompt: str
    version: str
    pin: str
    pinned: bool
    usage: Usage
    cost: float | None
    latency: float
    served_by: str | None
    finish_reason: str | None = None
    tool_calls: tuple[Mapping[str, Json], ...] = ()
    fallback: bool = False
    endpoint: str | None = None
    first_token: float | None = None
    token_gap: float | None = None
    logprobs: tuple[Mapping[str, Json], ...] = ()
    fallback_value: bool = False
    fallback_reason: str = ""
    earlier: tuple[Turn, ...] = ()
    fingerprint: str | None = None
    region: str | None = None
    host: str | None = None
    deviations: tuple[str, ...] = ()
    _served: Served | None = field(default=None, repr=False, compare=False, kw_only=True)
    _model: type[BaseModel] | None = field(default=None, repr=False, compare=False, kw_only=True)
    _closure: Closure = field(repr=False, compare=False, kw_only=True)

    @property
    def asked_again(self) -> int:
        """How often the model was asked again."""
        return len(self.earlier)

    @cached_property
    def parsed(self) -> Json:
        """The text as JSON, validated by the output schema; the text itself where the prompt has no contract.

        Where the declared value stands in, that value. Raises `OutputInvalid`. Normalising is Python of the repository
        and not run here: see `parsed_as`.
        """
        from promptops.runner.serving import value_of

        served = self._served
        if served is not None and served.value is not None:
            return value_of(served.value)
        if served is not None and served.parsed is not None:
            return served.parsed.value
        return self._parse(_contract_of(self._closure, self._model), self.text)

    def parsed_as(self, model: type[M]) -> M:
        """The output as an object of a pydantic model of yours; raises `OutputInvalid`."""
        from promptops.core.contract import PydanticContract

        text = json.dumps(self.parsed) if self.fallback_value else self.text
        return model.model_validate(self._parse(PydanticContract(model), text))

    def _parse(self, contract: Contract, text: str) -> Json:
        found = contract.parse(text)
        if not found.valid:
            raise OutputInvalid(f"the reply of {self.prompt} {self.version}", found.problems, text=self.text)
        return found.value


@dataclass(frozen=True)
class Prompt:
    """A prompt as an environment serves it. `pin` is the model, `digest` that of everything the version is."""

    name: str
    environment: str
    version: str
    pin: str
    digest: str
    pinned: bool
    _closure: Closure = field(repr=False, compare=False, kw_only=True)
    _project: Project = field(repr=False, compare=False, kw_only=True)
    _model: type[BaseModel] | None = field(default=None, repr=False, compare=False, kw_only=True)

    def render(self, **inputs: Json | Path) -> list[Message]:
        """The messages for `inputs`, for anybody's SDK.

        A `Path` is an image or a file that the caller hands over; a text names one only in the prompt's own folder.
        An input that only other released versions use is left out, so that a rollback breaks no caller. Raises
        `TemplateRefused` for missing, mistyped and unknown inputs.
        """
        return list(self._messages(inputs))

    def _messages(self, inputs: Mapping[str, Json | Path]) -> tuple[Message, ...]:
        unknown = inputs.keys() - self._closure.inputs.keys()
        strange = bool(unknown) and not unknown <= self._other_inputs
        plain, read = with_files(self._project, self.name, inputs)
        return render(self._closure, plain, refuse_unknown=strange, read=read)

    @cached_property
    def _other_inputs(self) -> frozenset[str]:
        """The inputs of all released versions that can be read."""
        found: set[str] = set()
        for version in released_versions(self._project, self.name):
            with contextlib.suppress(ProblemsError):
                found |= load_closure(self._project, self.name, version).inputs.keys()
        return frozenset(found)

    @property
    def params(self) -> Mapping[str, Any]:
        """The model parameters of the version, such as temperature."""
        return dict(self._closure.params)

    @property
    def tools(self) -> list[Mapping[str, Any]]:
        """The tools that the model may call, as the version defines them."""
        return [dict(tool) for tool in self._closure.tools]

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema of the output, as it was at release; None where there is no contract."""
        return self._closure.output_schema

    def expecting(self, model: type[BaseModel]) -> Prompt:
        """Return the prompt with its outputs held against a pydantic model of yours, instead of its release's schema.

        By it the model is asked again and a declared value stands in; `reply.parsed` is what it dumps. Its validators
        run in the thread of promptops' event loop.
        """
        known = (self.name, self.environment, self.version, self.pin, self.digest, self.pinned)
        return Prompt(*known, _closure=self._closure, _project=self._project, _model=model)

    def run(self, **inputs: Json | Path) -> Reply:
        """Ask the model and wait for the reply; works inside a running event loop too, such as Jupyter's.

        Raises `TemplateRefused` for wrong inputs and `ProviderError` where there is no answer, and nothing declared
        that stands in for it.
        """
        steps = self._steps(inputs)
        try:
            planned = next(steps)
            while True:
                planned = steps.send(self._ask(planned).result())
        except StopIteration as done:
            return self._reply(done.value)

    async def arun(self, **inputs: Json | Path) -> Reply:
        """`run`, awaited; cancelling it cancels the request."""
        import asyncio

        steps = self._steps(inputs)
        try:
            planned = next(steps)
            while True:
                planned = steps.send(await asyncio.wrap_future(self._ask(planned)))
        except StopIteration as done:
            return self._reply(done.value)

    def _steps(self, inputs: Mapping[str, Json | Path]) -> Generator[PlannedSample, Sample, Served]:
        """What is asked, one request after the other, and how the prompt was served in the end."""
        from promptops.runner.serving import serving

        return serving(list(self._planned(inputs)), self._closure.fallback, lambda: self._contract)

    def _ask(self, planned: PlannedSample) -> Future[Sample]:
        from promptops.runner.private_loop import ask
        from promptops.runner.reasking import Rules

        rules = Rules(self._contract) if planned.reask else None
        return ask(self._project.config, planned, rules)

    @cached_property
    def _contract(self) -> Contract:
        return _contract_of(self._closure, self._model)

    def _planned(self, inputs: Mapping[str, Json | Path]) -> Iterator[PlannedSample]:
        """What is asked: the pinned model, then its fallbacks.

        Each call is a sample of its own: its number decides the seed, where a provider takes one.
        """
        from promptops.runner.serving import with_rules

        messages, number = self._messages(inputs), int.from_bytes(os.urandom(4), "big")
        for pin in dict.fromkeys([self.pin, *self._project.config.fallbacks.get(self.pin, ())]):
            request = request_of(self._closure, messages, Pin.parse(pin))
            key = SampleKey(self.name, self.version, pin, "run", number)
            yield with_rules(PlannedSample(key, request, request_digest(request), released=True), self._closure)

    def _reply(self, served: Served) -> Reply:
        sample, pin = served.sample, served.sample.key.pin
        if sample.reply is None and served.value is None:
            failure = sample.failure
            assert failure is not None
            hint = f" ({failure.hint})" if failure.hint else ""
            raise ProviderError(failure.kind, f"{self.name} {self.version} on {pin}: {failure.message}{hint}")
        if served.value is not None:
            logger.warning("%s %s: the declared fallback stands in: %s", self.name, self.version, served.logged)
        elif pin != self.pin:
            logger.warning("%s %s: %s did not answer, %s did", self.name, self.version, self.pin, pin)
        reply = sample.reply or _nothing(sample)
        return Reply(
            text=reply.text,
            prompt=self.name,
            version=self.version,
            pin=pin,
            pinned=self.pinned,
            usage=served.usage,
            cost=served.cost,
            latency=reply.latency,
            served_by=reply.served_model,
            finish_reason=reply.finish_reason,
            tool_calls=reply.tool_calls,
            fallback=served.value is not None or pin != self.pin,
            endpoint=reply.endpoint,
            first_token=reply.first_token,
            token_gap=reply.token_gap,
            logprobs=reply.logprobs,
            fallback_value=served.value is not None,
            fallback_reason=served.why.replace("\n", ": "),
            earlier=sample.earlier,
            fingerprint=reply.fingerprint,
            region=reply.region,
            host=reply.host,
            deviations=reply.deviations,
            _served=served,
            _model=self._model,
            _closure=self._closure,
        )


def _contract_of(closure: Closure, model: type[BaseModel] | None = None) -> Contract:
    """What an output must be: as it was at release, or what the caller expects."""
    from promptops.core.contract import JsonSchemaContract, PydanticContract, TextContract

    if model is not None:
        return PydanticContract(model)
    return TextContract() if closure.output_schema is None else JsonSchemaContract(closure.output_schema)


def _nothing(sample: Sample) -> Answered:
    """The reply where none came at last: the answers before that took their time."""
    last = sample.earlier[-1].text if sample.earlier else ""
    return Answered(last, latency=sum(turn.latency for turn in sample.earlier))


def load(name: str, *, env: str | None = None, root: str | os.PathLike[str] | None = None) -> Prompt:
    """Return the version of prompt `name` that environment `env` serves.

    `env` is else `$PROMPTOPS_ENV`, else the project's own (`production`). `root` is a folder of the project (the
    current one if left out). `$PROMPTOPS_PIN` (`booking=v2,sentiment=v1`) serves a released version instead: the
    break-glass, logged as a warning. Cheap to call again: files are read anew only when they changed.

    Raises `UsageError` where nothing is served, `ProblemsError` for a manifest or closure that is malformed or edited.
    """
    project = _project(Path(root) if root is not None else Path.cwd())
    environment = environment_name(project.config, env)
    pinned = parse_pins(os.environ.get("PROMPTOPS_PIN", "")).get(name)
    key = (str(project.root), environment, name, pinned or "")
    known = _loaded.get(key)
    if known is not None and known.stamps == _stamps(known.paths):
        return known.prompt
    loaded = _load(project, name, environment, pinned)
    _loaded[key] = loaded
    if pinned:
        logger.warning("PROMPTOPS_PIN: serving %s %s instead of what %s serves", name, pinned, environment)
    return loaded.prompt


def parse_pins(text: str) -> dict[str, str]:
    """Read `booking=v2,sentiment=v1`; raises `UsageError` where it is anything else."""
    from promptops.core.select import parse_selector

    pins: dict[str, str] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        name, equals, version = part.partition("=")
        try:
            selector = parse_selector(f"{name.strip()}@{version.strip()}")
        except UsageError:
            selector = None
        if not equals or selector is None or selector.kind != "version" or selector.prompt in pins:
            raise UsageError(f"PROMPTOPS_PIN={text!r}: {part!r} is wrong: write booking=v2,sentiment=v1")
        pins[selector.prompt] = selector.version
    return pins


@dataclass(frozen=True)
class _Loaded:
    prompt: Prompt
    paths: tuple[Path, ...]
    stamps: tuple[Stamp | None, ...]


_loaded: dict[tuple[str, str, str, str], _Loaded] = {}
_projects: dict[Path, tuple[Project, Stamp | None]] = {}


def _project(start: Path) -> Project:
    """The project of a folder; its pyproject.toml is read anew when it changed."""
    known = _projects.get(start)
    if known is not None and known[1] == _stamp(known[0].root / "pyproject.toml") and known[0].prompts_dir.is_dir():
        return known[0]
    project = load_project(start)
    _projects[start] = (project, _stamp(project.root / "pyproject.toml"))
    return project


def _load(project: Project, name: str, environment: str, pinned: str | None) -> _Loaded:
    manifest_file = manifest_path(project)
    stamp = _stamp(manifest_file)
    version, digest = (pinned, None) if pinned else _served(project, load_manifest(project), name, environment)
    path = released_path(project, name, version)
    stamps = (stamp, _stamp(path))
    if pinned and stamps[1] is None:
        known = ", ".join(released_versions(project, name)) or "none"
        raise UsageError(f"PROMPTOPS_PIN: {name} has no released version {pinned!r} (released: {known})")
    closure = load_closure(project, name, version)
    actual = version_digest(closure)
    if digest not in (None, actual):
        shown = project.relative(manifest_file)
        message = f"says {digest} for {name} in {environment}, and {project.relative(path)} has {actual}"
        raise ProblemsError([Problem(shown, 0, message, "promptops verify says more, promptops rollback mends it")])
    prompt = Prompt(name, environment, version, closure.model, actual, bool(pinned), _closure=closure, _project=project)
    return _Loaded(prompt, (manifest_file, path), stamps)


def _served(project: Project, manifest: Manifest, name: str, environment: str) -> tuple[str, str]:
    """The version that an environment serves, and its digest."""
    shown = project.relative(manifest_path(project))
    if environment not in manifest.environments:
        near = did_you_mean(environment, manifest.environments)
        listed = ", ".join(sorted(manifest.environments)) or "none yet"
        first = "" if manifest.environments else f"; begin with: promptops adopt {name}@vN --env {environment}"
        raise UsageError(f"{shown} has no environment {environment!r}{near} (there is: {listed}){first}")
    prompts = manifest.environments[environment].prompts
    if name not in prompts:
        near, listed = did_you_mean(name, prompts), ", ".join(sorted(prompts)) or "nothing"
        raise UsageError(f"{environment} serves no prompt {name!r}{near} (it serves: {listed})")
    return prompts[name].version, prompts[name].digest


def _stamps(paths: tuple[Path, ...]) -> tuple[Stamp | None, ...]:
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> Stamp | None:
    """What changes when a file is replaced or written: time, size and inode; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
