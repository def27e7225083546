"""`output` at length: the contract, how often the model is asked again, and what stands in at run time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptops.core.closure import build_closure, closure_differences
from promptops.core.digest import version_digest
from promptops.errors import ProblemsError
from promptops.formats import Closure, Fallback
from promptops.project.prompts import load_prompt
from promptops.project.released import parse_closure, render_closure
from promptops.runner.session import Session
from promptops.testing import TemporaryProject

SCHEMA = '{"type": "object", "required": ["n"], "properties": {"n": {"type": ["integer", "null"]}}}'
MODEL = "from pydantic import BaseModel\n\nclass Count(BaseModel):\n    n: int\n"


def prompt(path: Path, output: str) -> TemporaryProject:
    files = TemporaryProject(path)
    yaml = f"inputs: {{text: string}}\noutput:{output}\n"
    files.prompt("count", versions={"v1": "{{ text }}"}, yaml=yaml, files={"schema.json": SCHEMA, "schema.py": MODEL})
    return files


@pytest.mark.parametrize(
    ("output", "contract", "reask", "fallback"),
    [
        (" schema.json", "schema.json", 0, None),
        (" {schema: schema.json}", "schema.json", 0, None),
        (" {schema: schema.py:Count, reask: 2}", "schema.py:Count", 2, None),
        (" {schema: schema.json, fallback: {n: null}}", "schema.json", 0, Fallback(value={"n": None})),
        ("\n  schema: schema.json\n  reask: 1\n  fallback: {n: 1}", "schema.json", 1, Fallback(value={"n": 1})),
    ],
)
def test_the_short_and_the_long_form(
    tmp_path: Path, output: str, contract: str, reask: int, fallback: Fallback | None
) -> None:
    spec = load_prompt(prompt(tmp_path, output).project, "count").spec
    assert (spec.contract, spec.reask, spec.fallback) == (contract, reask, fallback)


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (" {reask: 2}", "the key 'schema' is missing"),
        (" {schema: schema.json, reask: 6}", "output.reask: must be at most 5, not 6"),
        (" {schema: schema.json, reasks: 1}", "output.reasks: unknown key, did you mean 'reask'?"),
        (" {schema: other.json}", "other.json"),
        (
            " {schema: schema.json, fallback: {n: one}}",
            "output.fallback does not satisfy the output contract: n: 'one'",
        ),
        ("\n  schema: schema.json\n  fallback: null", "prompt.yaml:4: output.fallback does not satisfy"),
    ],
)
def test_what_is_wrong_is_found_when_the_prompt_is_read(tmp_path: Path, output: str, problem: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_prompt(prompt(tmp_path, output).project, "count")
    assert problem in str(caught.value)


def test_a_fallback_is_held_against_a_class_where_python_runs(tmp_path: Path) -> None:
    files = prompt(tmp_path, " {schema: schema.py:Count, fallback: {n: one}}")
    load_prompt(files.project, "count")
    with pytest.raises(ProblemsError, match=r"prompt\.yaml:2: output\.fallback does not satisfy"):
        Session(files.project, "replay", {}).target("count", "v1")


def test_the_closure_has_what_becomes_of_replies(tmp_path: Path) -> None:
    files = prompt(tmp_path, " {schema: schema.json, reask: 2, fallback: {n: null}}\nidentity: {allow: [cache]}")
    closure = Session(files.project, "replay", {}).target("count", "v1").closure
    text = render_closure(closure)
    assert json.loads(text)["closure"]["fallback"] == {"value": {"n": None}}
    assert parse_closure(text, path="v1.json", prompt="count", version="v1").closure == closure
    assert json.loads(text)["closure"]["identity"] == {"allow": ["cache"]}


def test_a_closure_without_them_is_what_it_was(tmp_path: Path) -> None:
    files = prompt(tmp_path, " {schema: schema.json, reask: 0}")
    source = load_prompt(files.project, "count")
    closure = build_closure(source.version("v1"), source.inputs, None, source.spec)
    assert closure.model_dump(mode="json").keys().isdisjoint({"reask", "fallback", "identity"})
    before = Closure.model_validate(closure.model_dump(mode="json"))
    assert version_digest(before) == version_digest(closure)


def test_a_change_of_them_is_told_by_name(tmp_path: Path) -> None:
    source = load_prompt(prompt(tmp_path, " schema.json").project, "count")
    old = build_closure(source.version("v1"), source.inputs, None, source.spec)
    new = old.model_copy(update={"reask": 1, "fallback": Fallback(value={"n": 1})})
    assert closure_differences(old, new) == ["reask", "fallback"]
