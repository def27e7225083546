"""What is wrong with a version's params for the model that it pins: found when the version is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptops.config import Config
from promptops.core.document import Document
from promptops.core.presets import with_presets
from promptops.core.wire.endpoints import settings_of, spec_of
from promptops.core.wire.takes import kept, refusals
from promptops.errors import Problem, did_you_mean
from promptops.models import Pin

CHOICES = ("auto", "none", "required")


def params_problems(
    pin: Pin, params: Mapping[str, Any], config: Config, document: Document, *, path: str
) -> list[Problem]:
    """Return the params that the endpoint of `pin` does not take, each with its line.

    Nothing is found for a provider that is unknown. With `drop_unsupported` only what is missing is a problem.
    """
    if (spec := spec_of(pin, config)) is None:
        return []
    settings = settings_of(pin.provider, config)
    dropped = settings is not None and settings.drop_unsupported
    hint = f"take it out, or let it be left out: drop_unsupported = true for the provider {pin.provider}"
    return [
        Problem(
            path,
            document.line("params", refusal.param),
            f"{refusal} ({refusal.page})",
            f"write params: {{{refusal.param}: …}}" if refusal.missing else hint,
        )
        for refusal in refusals(spec, pin.model, params)
        if refusal.missing or not dropped
    ]


def params_in_force(pin: Pin, params: Mapping[str, Any], task: str | None, config: Config) -> dict[str, Any]:
    """Return the params of a version, and those that its task sets where the endpoint takes them."""
    merged = with_presets(params, task, pin)
    if (spec := spec_of(pin, config)) is None:
        return merged
    taken = kept(spec, pin.model, merged)
    return {name: value for name, value in merged.items() if name in params or name in taken}


def unused_tools(
    pin: Pin, tools: Sequence[Mapping[str, Any]], config: Config, *, path: str, line: int = 0
) -> list[Problem]:
    """Return that the model takes no tools, where there are some and it is known to be so."""
    spec = spec_of(pin, config) if tools else None
    if spec is None or spec.tools:
        return []
    return [Problem(path, line, f"{pin} takes no tools, and would answer as if there were none", "take `tools:` out")]


def tool_problems(
    params: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], *, path: str, line: int = 0
) -> list[Problem]:
    """Return what is wrong with `tool_choice` and `parallel_tool_calls` for the tools that there are."""
    names = [str(tool["function"]["name"]) for tool in tools]
    found = [
        Problem(path, line, f"{param} needs tools", "tools: tools.json")
        for param in ("tool_choice", "parallel_tool_calls")
        if param in params and not names
    ]
    choice = params.get("tool_choice")
    if names and isinstance(choice, str) and choice not in (*CHOICES, *names):
        known = ", ".join((*CHOICES, *names))
        message = f"tool_choice: no tool is called {choice!r}{did_you_mean(choice, (*CHOICES, *names))}"
        found.append(Problem(path, line, message, f"known: {known}"))
    return found
