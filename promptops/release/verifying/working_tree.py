"""The files people edit against what was released: a frozen version must still yield its closure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.core.closure import build_closure, closure_differences
from promptops.formats import Closure
from promptops.project.prompts import Prompt, PromptVersion, load_version
from promptops.project.released import released_path
from promptops.project.user_code import load_contract
from promptops.release.verifying.findings import Collector

#: Parts of a closure that other files decide: what is served does not change with them.
ELSEWHERE = {
    "includes": "an included template",
    "inputs": "the inputs",
    "output_schema": "the output contract",
    "reask": "output.reask",
    "fallback": "output.fallback",
    "identity": "identity",
}
_OF_PROMPT_FILE = ("reask", "fallback", "identity")


def check_working_tree(
    found: Collector, prompt: Prompt | None, closures: Mapping[str, Closure | None], served: Mapping[str, str]
) -> None:
    """Check each released version's file; `served` maps a version to the environments that serve it, in words.

    Without `prompt` (another file of it is broken) each version is read by itself, and contract and inputs are left.
    """
    for name, closure in closures.items():
        path = found.project.prompts_dir / found.prompt / f"{name}.j2"
        if not path.exists():
            _gone(found, name, served)
        elif closure is not None:
            with found.isolated(path):
                version = prompt.version(name) if prompt else load_version(found.project, found.prompt, name)
                _compare(found, prompt, version, closure)


def _gone(found: Collector, name: str, served: Mapping[str, str]) -> None:
    path = found.project.prompts_dir / found.prompt / f"{name}.j2"
    shown = found.project.relative(path)
    hint = f"restore it: git checkout <the commit before> -- {shown}"
    if name in served:
        text = f"is gone, and {served[name]} serves {found.prompt} {name}; what is served still works, by its closure"
        found.problem(path, text, hint)
    else:
        found.notice(path, f"is gone, and {found.prompt} {name} was released", hint)


def _compare(found: Collector, prompt: Prompt | None, version: PromptVersion, closure: Closure) -> None:
    inputs, schema = (prompt.inputs, _schema(prompt, closure)) if prompt else (closure.inputs, closure.output_schema)
    built = build_closure(version, inputs, schema, prompt.spec if prompt else None)
    if prompt is None:
        built = built.model_copy(update={name: getattr(closure, name) for name in _OF_PROMPT_FILE})
    parts = closure_differences(closure, built)
    edited = [part for part in parts if part.split(".")[0] not in ELSEWHERE]
    released = found.project.relative(released_path(found.project, found.prompt, version.name))
    shown = found.project.relative(version.path)
    if edited:
        verb = "differs" if len(edited) == 1 else "differ"
        found.problem(
            version.path,
            f"was edited after its release: {', '.join(edited)} {verb} from {released}, which is what is served",
            f"keep the edit as a new version (promptops bump {found.prompt}), and restore this one: "
            f"git checkout <commit before> -- {shown}",
        )
    for part in (part for part in parts if part not in edited):
        found.notice(
            _where(found, prompt, part),
            f"{ELSEWHERE[part.split('.')[0]]} changed since {version.name} was released ({part}); "
            "what is served does not change",
            f"a new version takes the change in: promptops bump {found.prompt}",
        )


def _schema(prompt: Prompt, closure: Closure) -> dict[str, Any] | None:
    """The contract's schema without running Python: a JSON file is read, a class is taken as it was at release."""
    written = prompt.spec.contract
    if written is None:
        return None
    return load_contract(prompt).schema if written.endswith(".json") else closure.output_schema


def _where(found: Collector, prompt: Prompt | None, part: str) -> str:
    """The file to look at for a part of a closure."""
    folder = f"{found.project.config.prompts}/{found.prompt}"
    if part.startswith("includes."):
        return f"{found.project.config.prompts}/{part.removeprefix('includes.')}"
    if part == "output_schema" and prompt is not None and prompt.spec.contract:
        return f"{folder}/{prompt.spec.contract.split(':')[0]}"
    return f"{folder}/prompt.yaml"
