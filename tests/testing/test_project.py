from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from promptops.config import parse_config
from promptops.testing import TemporaryProject


def test_a_prompt_is_written_as_the_files_a_user_would_write(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path / "shop")
    folder = project.prompt(
        "greet", versions={"v1": "Hi {{ name }}"}, yaml="task: writing\n", files={"tools.json": "[]"}
    )
    assert folder == tmp_path / "shop" / "prompts" / "greet"
    assert sorted(path.name for path in folder.iterdir()) == ["prompt.yaml", "tools.json", "v1.j2"]
    assert (folder / "v1.j2").read_text() == "---\nmodel: test/model-1\n---\nHi {{ name }}"


def test_front_matter_of_the_caller_is_kept(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("greet", versions={"v1": "---\nmodel: acme/a\n---\nHi"})
    assert project.read("prompts/greet/v1.j2") == "---\nmodel: acme/a\n---\nHi"


def test_a_dataset_is_one_json_object_a_line(tmp_path: Path) -> None:
    rows = [{"id": "a", "inputs": {"text": "é"}}, {"id": "b", "inputs": {}}]
    path = TemporaryProject(tmp_path).dataset("greet", rows)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == rows


def test_configuration_keys_land_in_the_table_even_after_a_provider(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.config('environment = "staging"')
    project.provider("acme", "http://127.0.0.1:1/v1", concurrency=32)
    project.config("budget = 2.5\n\n[tool.other]\nx = 1")
    text = project.read("pyproject.toml")
    config = parse_config(text)
    assert (config.environment, config.budget) == ("staging", 2.5)
    assert config.providers["acme"].concurrency == 32
    assert tomllib.loads(text)["tool"]["other"] == {"x": 1}


def test_an_existing_pyproject_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.promptops]\nbudget = 1.0\n")
    assert parse_config(TemporaryProject(tmp_path).read("pyproject.toml")).budget == 1.0


def test_git_begins_with_one_clean_commit_and_takes_more(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    first = project.git_init()
    assert project.git("status", "--porcelain") == ""
    project.write("prompts/x/v1.j2", "hi")
    second = project.commit("Add x")
    assert project.git("rev-list", "HEAD").split() == [second, first]


def test_a_failing_git_says_what_git_said(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"git log ended in 128"):
        TemporaryProject(tmp_path).git("log")
