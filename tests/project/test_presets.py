"""Versions that were made before the presets keep what they were made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.core.closure import build_closure, request_for
from promptops.core.digest import request_digest
from promptops.models import Pin, Reply, Sample, SampleKey
from promptops.project.prompts import load_prompt, load_version
from promptops.project.released import render_closure
from promptops.store import recordings
from promptops.testing.project import TemporaryProject

PIN = Pin("test", "model-1")
FIRST = {"temperature": 0.0}
NOW = {"temperature": 0.0, "top_p": 0.9, "max_tokens": 1024}


@pytest.fixture
def files(tmp_path: Path) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    files.prompt("p", versions={"v1": "{{ text }}", "v2": "Now: {{ text }}"}, yaml="task: extraction\n")
    files.dataset("p", [{"id": "c0", "inputs": {"text": "a"}}, {"id": "c1", "inputs": {"text": "b"}}])
    return files


def record(files: TemporaryProject, version: str, params: dict[str, float], case: str = "c1") -> None:
    found = load_prompt(files.project, "p")
    closure = build_closure(found.version(version), found.inputs, None).model_copy(update={"params": params})
    digest = request_digest(request_for(closure, {"text": {"c0": "a", "c1": "b"}[case]}))
    sample = Sample(SampleKey("p", version, str(PIN), case), digest, Reply("x"))
    recordings.write(recordings.recordings_path(files.project.fixtures_dir, "p", version, PIN), [sample])


def params_of(files: TemporaryProject) -> list[dict[str, float]]:
    found = load_prompt(files.project, "p")
    assert [load_version(files.project, "p", v.name).params for v in found.versions] == [
        v.params for v in found.versions
    ]
    return [dict(version.params) for version in found.versions]


def test_a_new_version_has_the_presets_of_its_task(files: TemporaryProject) -> None:
    assert params_of(files) == [NOW, NOW]


def test_a_version_that_was_recorded_with_the_first_presets_keeps_them(files: TemporaryProject) -> None:
    record(files, "v1", FIRST)
    assert params_of(files) == [FIRST, NOW]


def test_a_version_that_was_recorded_with_these_presets_has_them(files: TemporaryProject) -> None:
    record(files, "v1", NOW)
    assert params_of(files) == [NOW, NOW]


def test_a_version_whose_template_changed_since_has_these_presets(files: TemporaryProject) -> None:
    record(files, "v1", FIRST)
    files.prompt("p", versions={"v1": "Other: {{ text }}"})
    assert params_of(files) == [NOW, NOW]


def test_a_released_version_keeps_what_its_closure_says(files: TemporaryProject) -> None:
    found = load_prompt(files.project, "p")
    for version, params in (("v1", FIRST), ("v2", NOW)):
        closure = build_closure(found.version(version), found.inputs, None).model_copy(update={"params": params})
        files.write(f"prompts/p/released/{version}.json", render_closure(closure))
    record(files, "v2", FIRST)
    assert params_of(files) == [FIRST, NOW]


@pytest.mark.parametrize("text", ["", "{", "[]\n", '{"case": "gone", "request": "x"}\n', "\xff", "[" * 9_999])
def test_recordings_that_say_nothing_change_nothing(files: TemporaryProject, text: str) -> None:
    files.write(f"fixtures/p/recordings/v1/{PIN.file_name}.jsonl", text)
    assert params_of(files) == [NOW, NOW]


def test_what_a_version_says_itself_is_what_it_has(files: TemporaryProject) -> None:
    files.prompt("p", versions={"v1": "---\nmodel: test/model-1\nparams: {temperature: 0.1}\n---\n{{ text }}"})
    record(files, "v1", {"temperature": 0.1})
    assert params_of(files) == [{"temperature": 0.1}, NOW]
