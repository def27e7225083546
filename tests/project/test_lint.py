"""Lint finds what is wrong with prompts, datasets and params, all at once."""

from __future__ import annotations

from pathlib import Path

from promptops.project.lint import lint
from promptops.testing.project import TemporaryProject


def test_a_clean_project_has_no_problem(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"})
    project.dataset("p", [{"id": "c1", "inputs": {"text": "x"}}])
    assert lint(project.project, ["p"]) == []


def test_prompts_and_datasets_are_told_together(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("a", versions={"v1": "{{ text|no }}"})
    project.prompt("b", versions={"v1": "{{ text }}"})
    project.dataset("b", [{"id": "c1", "inputs": {"txt": "x"}}])
    found = lint(project.project, ["b", "a"])
    assert {problem.path for problem in found} == {"prompts/a/v1.j2", "fixtures/b/cases.jsonl"}
    assert any("did you mean 'text'" in problem.message for problem in found)


def test_a_temperature_that_works_against_the_task_is_told(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    hot = "---\nmodel: test/model-1\nparams: {temperature: 0.9}\n---\n{{ text }}"
    project.prompt("a", versions={"v1": hot, "v2": "{{ text }}"}, yaml="task: extraction\n")
    project.prompt("b", versions={"v1": hot}, yaml="task: creative\n")
    (found,) = lint(project.project, ["a", "b"])
    assert (found.path, found.level) == ("prompts/a/v1.j2", "error")
    assert found.message == "temperature 0.9 makes extraction vary from sample to sample"
