"""What differs between two versions: everything that is sent, and what a case renders to. Runs no Python."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from promptops.core.closure import build_closure, render
from promptops.core.media import MediaReader, shown_message
from promptops.core.strict_yaml import dump_yaml
from promptops.formats import Closure
from promptops.models import Json
from promptops.project.prompts import load_prompt
from promptops.project.released import is_released, load_closure
from promptops.project.root import Project


def closure_of(project: Project, prompt: str, version: str) -> Closure:
    """A version as it is sent: the released closure, else what its files yield (without the output contract)."""
    if is_released(project, prompt, version):
        return load_closure(project, prompt, version)
    source = load_prompt(project, prompt)
    return build_closure(source.version(version), source.inputs, None, source.spec)


def version_diff(old: Closure, new: Closure) -> list[str]:
    """A unified diff of pin, parameters, tools, inputs, template and includes; empty where nothing differs."""
    return _unified(_lines(old), _lines(new), f"{old.prompt}@{old.version}", f"{new.prompt}@{new.version}")


def rendered_diff(old: Closure, new: Closure, inputs: Mapping[str, Json], read: MediaReader | None = None) -> list[str]:
    """A unified diff of the messages that `inputs` render to; raises `TemplateRefused`."""
    texts = [[f"[{m.role}]\n{shown_message(m)}" for m in render(closure, inputs, read=read)] for closure in (old, new)]
    before, after = ("\n".join(text).splitlines() for text in texts)
    return _unified(before, after, f"{old.prompt}@{old.version}", f"{new.prompt}@{new.version}")


def _unified(before: Sequence[str], after: Sequence[str], old: str, new: str) -> list[str]:
    return list(difflib.unified_diff(before, after, old, new, lineterm=""))


def _ordered(value: Any) -> Any:
    """Keys sorted, as in a released file: an order that nobody sends is no difference."""
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _lines(closure: Closure) -> list[str]:
    """A version as text: settings first, then the template, then what it includes."""
    settings: dict[str, Any] = {"model": closure.model, "params": _ordered(closure.params)}
    for name in ("tools", "inputs"):
        if value := getattr(closure, name):
            settings[name] = _ordered(value)
    lines = ["---", *dump_yaml(settings).splitlines(), "---", *closure.template.splitlines()]
    for name, text in sorted(closure.includes.items()):
        lines += [f"--- include {name}", *text.splitlines()]
    return lines
