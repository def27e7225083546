"""Selectors: `booking`, `booking@v3`, `booking@production`, `env:production`, `candidate`, `all`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from promptops.errors import UsageError, did_you_mean
from promptops.formats import PROMPT_NAME_PATTERN, VERSION_PATTERN, Manifest

Kind = Literal["prompt", "version", "served", "environment", "candidate", "all"]
#: The versions that each prompt has as files, in numeric order: `{"booking": ("v1", "v2")}`.
Versions: TypeAlias = Mapping[str, Sequence[str]]

FORMS = "booking, booking@v3, booking@production, env:production, candidate or all"


class Selector(Struct, frozen=True):
    """One selector as written (`text`), and what it names: a prompt, a version or an environment."""

    text: str
    kind: Kind
    prompt: str = ""
    version: str = ""
    environment: str = ""


def parse_selector(text: str) -> Selector:
    """Read one selector; raises `UsageError` where it has none of the known forms."""
    if text in ("candidate", "all"):
        return Selector(text, "candidate" if text == "candidate" else "all")
    if text.startswith("env:"):
        return Selector(text, "environment", environment=_name(text, text.removeprefix("env:")))
    prompt, at, rest = text.partition("@")
    if not at:
        return Selector(text, "prompt", prompt=_name(text, prompt))
    if re.match(VERSION_PATTERN, rest) and not rest.endswith("\n"):
        return Selector(text, "version", prompt=_name(text, prompt), version=rest)
    return Selector(text, "served", prompt=_name(text, prompt), environment=_name(text, rest))


def resolve(
    selectors: Sequence[str | Selector], versions: Versions, manifest: Manifest | None, environment: str = ""
) -> list[tuple[str, str]]:
    """Return what the selectors name as (prompt, version), each once, by prompt and number.

    Without a selector that is the default selection: what any environment serves, and the newest version of every
    prompt. With `environment` only what that one serves counts as served. Raises `UsageError` for a prompt, version
    or environment that does not exist.
    """
    manifest = manifest or Manifest()
    found: set[tuple[str, str]] = set()
    for item in selectors or [*map(str, versions)]:
        selector = parse_selector(item) if isinstance(item, str) else item
        found.update(_resolve_one(selector, versions, manifest, environment))
    return sorted(found, key=lambda pair: (pair[0], number_of(pair[1])))


def default_selection(versions: Versions, manifest: Manifest | None, environment: str = "") -> list[tuple[str, str]]:
    """What is tested when nothing is selected: the served versions and the newest one of every prompt."""
    return resolve((), versions, manifest, environment)


def number_of(version: str) -> int:
    """`v12` → 12."""
    return int(version[1:])


def served_versions(manifest: Manifest | None, prompt: str, environment: str = "") -> list[str]:
    """The versions of `prompt` that environments serve (only `environment`, where one is named), each once."""
    environments = (manifest or Manifest()).environments
    found = {
        env.prompts[prompt].version
        for name, env in environments.items()
        if prompt in env.prompts and environment in ("", name)
    }
    return sorted(found, key=number_of)


def _resolve_one(
    selector: Selector, versions: Versions, manifest: Manifest, environment: str
) -> Iterator[tuple[str, str]]:
    if selector.prompt:
        _known("prompt", selector.prompt, _prompts(versions, manifest))
    if selector.environment:
        _known("environment", selector.environment, manifest.environments)
    match selector.kind:
        case "prompt":
            served = served_versions(manifest, selector.prompt, environment)
            yield from ((selector.prompt, name) for name in [*served, *versions.get(selector.prompt, ())[-1:]])
        case "version":
            _known(
                f"version of {selector.prompt!r}", selector.version, _all_versions(selector.prompt, versions, manifest)
            )
            yield selector.prompt, selector.version
        case "served":
            entry = manifest.environments[selector.environment].prompts.get(selector.prompt)
            if entry is None:
                raise UsageError(f"{selector.environment!r} serves no version of {selector.prompt!r}")
            yield selector.prompt, entry.version
        case "environment":
            prompts = manifest.environments[selector.environment].prompts
            yield from ((name, entry.version) for name, entry in prompts.items())
        case "candidate":
            for prompt, names in versions.items():
                if names and names[-1] not in served_versions(manifest, prompt, environment):
                    yield prompt, names[-1]
        case "all":
            yield from ((prompt, name) for prompt, names in versions.items() for name in names)


def _prompts(versions: Versions, manifest: Manifest) -> set[str]:
    return {*versions, *(name for env in manifest.environments.values() for name in env.prompts)}


def _all_versions(prompt: str, versions: Versions, manifest: Manifest) -> list[str]:
    names = {*versions.get(prompt, ()), *served_versions(manifest, prompt)}
    return sorted(names, key=number_of)


def _known(what: str, name: str, choices: Mapping[str, object] | Sequence[str] | set[str]) -> None:
    if name not in choices:
        listed = ", ".join(choices if isinstance(choices, list) else sorted(choices)) or "none yet"
        raise UsageError(f"there is no {what} named {name!r}{did_you_mean(name, choices)} (there is: {listed})")


def _name(text: str, part: str) -> str:
    if not re.fullmatch(PROMPT_NAME_PATTERN.strip("^$"), part):
        raise UsageError(f"{text!r} is not a selector: write {FORMS}")
    return part
