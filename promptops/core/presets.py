"""What a task sets by itself: sampling and the length of an answer, where a version does not say.

A version that was released or recorded before these presets keeps the first ones (`FIRST`), with which it was made:
its closure and its request digests stay what they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from promptops.models import Json, Pin


class Preset(Struct, frozen=True):
    """What a task sets, and the ranges (both ends allowed) outside of which a version contradicts it.

    `max_tokens` is of the answer: what such an answer hardly ever needs, and no more.
    """

    temperature: float
    temperatures: tuple[float, float]
    top_p: float
    top_ps: tuple[float, float]
    max_tokens: int


PRESETS: Final[Mapping[str, Preset]] = {
    "extraction": Preset(0.0, (0.0, 0.2), 0.9, (0.0, 0.9), 1_024),
    "classification": Preset(0.0, (0.0, 0.0), 0.9, (0.0, 0.9), 256),
    "writing": Preset(0.7, (0.6, 0.8), 0.95, (0.9, 1.0), 2_048),
    "creative": Preset(1.0, (0.9, 1.0), 1.0, (0.95, 1.0), 4_096),
}
FIRST: Final[Mapping[str, Mapping[str, Json]]] = {
    "extraction": {"temperature": 0.0},
    "classification": {"temperature": 0.0},
    "writing": {"temperature": 0.7},
    "creative": {"temperature": 1.0},
}

# Models that think before they answer: they refuse sampling parameters, and their thoughts count as `max_tokens`.
# Sources: https://developers.openai.com/api/docs/guides/reasoning,
# https://platform.claude.com/docs/en/about-claude/models/migration-guide (Opus 4.7 and later)
_THINKING: Final = re.compile(
    r"(?:o\d|gpt-[56](?![\w.]*-chat)|codex-|claude-opus-4-[78]|claude-(?:opus|sonnet|haiku)-[5-9]|claude-(?:fable|mythos))"
)
# Models that take a temperature or a top_p, not both. Source: the same guide (Opus 4.1 and later).
_ONE_OF_TWO: Final = re.compile(r"claude-(?:opus-4-[156]|sonnet-4-[56]|haiku-4-5)")


def with_presets(params: Mapping[str, Any], task: str | None, pin: Pin | None = None) -> dict[str, Any]:
    """Return the params in force: what the task sets, then what the version sets.

    A task sets nothing that the model is known to refuse.
    """
    preset = PRESETS.get(task or "")
    name = pin.model.rpartition("/")[2].lower() if pin else ""
    if preset is None or _THINKING.match(name):
        return dict(params)
    found: dict[str, Any] = {"temperature": preset.temperature, "top_p": preset.top_p, "max_tokens": preset.max_tokens}
    if _ONE_OF_TWO.match(name):
        del found["temperature" if "top_p" in params else "top_p"]
    return {**found, **params}


def with_first_presets(params: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    """Return the params as they were in force before there were presets for more than the temperature."""
    return {**FIRST.get(task or "", {}), **params}


def contradictions(params: Mapping[str, Any], task: str | None) -> Iterator[tuple[str, bool, str, str]]:
    """Yield (parameter, whether plainly so, what is wrong, what to do) for params that work against the task."""
    preset = PRESETS.get(task or "")
    if preset is None:
        return
    for name, (low, high), usual in (
        ("temperature", preset.temperatures, preset.temperature),
        ("top_p", preset.top_ps, preset.top_p),
    ):
        value = params.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or low - 1e-9 <= value <= high + 1e-9:
            continue
        effect = f"makes {task} vary from sample to sample" if value > high else f"makes {task} say the same each time"
        plainly = name == "temperature" and (value - high > _PLAINLY or low - value > _PLAINLY)
        wanted = f"{low:g}" if low == high else f"at least {low:g}" if value < low else f"at most {high:g}"
        hint = f"leave it out ({task} sets {usual:g}; {wanted} fits), or choose another task"
        yield name, plainly, f"{name} {value:g} {effect}", hint


_PLAINLY: Final = 0.3  # of temperature beyond a range
