"""The closure of a version: what goes in, what it renders, and how two of them differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from promptops.core.closure import build_closure, closure_differences, render, request_for
from promptops.core.digest import version_digest
from promptops.errors import TemplateRefused
from promptops.formats import Closure
from promptops.models import Message, Pin

PIN = Pin("openai", "gpt-4.1-mini-2025-04-14")


@dataclass(frozen=True)
class Version:
    template: str
    prompt: str = "booking"
    name: str = "v2"
    pin: Pin = PIN
    params: dict[str, Any] = field(default_factory=lambda: {"temperature": 0.0})
    tools: tuple[dict[str, Any], ...] = ()
    includes: dict[str, str] = field(default_factory=dict)


INPUTS: dict[str, dict[str, Any]] = {"text": {"type": "string"}, "tone": {"type": "string", "default": "kind"}}


def test_a_closure_keeps_what_its_version_uses_and_nothing_else() -> None:
    version = Version("{% include 'a' %}{{ text }}", includes={"a": "A ", "unused": "{{ tone }}"})
    closure = build_closure(version, INPUTS, {"type": "object"})
    assert closure.inputs == {"text": {"type": "string"}}
    assert closure.includes == {"a": "A "}
    assert closure.output_schema == {"type": "object"}
    assert render(closure, {"text": "x"}) == (Message("user", "A x"),)


def test_an_input_that_a_newer_version_brings_does_not_change_an_older_one() -> None:
    version = Version("{{ text }}")
    before = build_closure(version, {"text": {"type": "string"}}, None)
    assert version_digest(build_closure(version, INPUTS, None)) == version_digest(before)


def test_without_declared_inputs_the_template_says_what_it_takes() -> None:
    assert build_closure(Version("{{ b }}{{ a }}"), None, None).inputs == {"a": {}, "b": {}}


def test_a_closure_survives_its_file() -> None:
    closure = build_closure(Version("{{ text }}{{ tone }}"), INPUTS, None)
    assert version_digest(Closure.model_validate_json(closure.model_dump_json())) == version_digest(closure)


def test_rendering_fills_in_defaults_and_leaves_out_what_other_versions_use() -> None:
    closure = build_closure(Version("{{ text }} {{ tone }}"), INPUTS, None)
    assert render(closure, {"text": "x", "other": 1}) == (Message("user", "x kind"),)
    with pytest.raises(TemplateRefused, match="unknown input 'txt', did you mean 'text'"):
        render(closure, {"text": "x", "txt": 1}, refuse_unknown=True)


@pytest.mark.parametrize(
    ("inputs", "words"), [({}, "'text' is missing"), ({"text": 3}, "'text' must be a string, not 3")]
)
def test_missing_and_mistyped_inputs_are_refused_before_rendering(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateRefused, match=words):
        render(build_closure(Version("{{ text }}"), INPUTS, None), inputs)


def test_a_request_holds_what_is_sent_and_may_go_to_another_pin() -> None:
    closure = build_closure(Version("{{ text }}", tools=({"type": "function"},)), INPUTS, None)
    request = request_for(closure, {"text": "x"})
    assert request.pin == Pin("openai", "gpt-4.1-mini-2025-04-14")
    assert (request.messages, request.params) == ((Message("user", "x"),), {"temperature": 0.0})
    assert request.tools == ({"type": "function"},)
    assert request_for(closure, {"text": "x"}, pin=Pin("local", "m")).pin == Pin("local", "m")


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({}, []),
        ({"template": "{{ text }}!"}, ["template"]),
        ({"pin": Pin("openai", "other-1")}, ["model"]),
        ({"params": {"temperature": 0}}, ["params.temperature"]),
        ({"params": {"top_p": 1}}, ["params.temperature", "params.top_p"]),
        ({"template": "{{ text }}{{ tone }}", "name": "v3"}, ["version", "inputs.tone", "template"]),
    ],
)
def test_differences_are_named_part_by_part(changed: dict[str, Any], names: list[str]) -> None:
    old = build_closure(Version("{{ text }}"), INPUTS, None)
    new = build_closure(Version(**{"template": "{{ text }}", **changed}), INPUTS, None)
    assert closure_differences(old, new) == names
    assert (version_digest(old) == version_digest(new)) == (not names)
