"""A project is found from any folder in it, and its folders stay inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.errors import ConfigError, UsageError
from promptops.project.root import find_root, load_project
from promptops.testing.project import TemporaryProject


def test_the_nearest_pyproject_with_our_table_is_the_root(tmp_path: Path) -> None:
    outer = TemporaryProject(tmp_path / "outer")
    inner = TemporaryProject(tmp_path / "outer" / "inner")
    outer.write("inner/deep/pyproject.toml", "[project]\nname = 'x'\n")
    assert find_root(inner.path / "deep") == inner.path
    assert find_root(outer.path) == outer.path
    assert find_root(outer.write("a/b.txt", "")) == outer.path


def test_without_the_table_a_folder_with_prompts_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "prompts" / "booking").mkdir(parents=True)
    assert find_root(tmp_path / "prompts" / "booking") == tmp_path
    assert load_project(tmp_path).config.prompts == "prompts"


@pytest.mark.parametrize(
    "header", ["[tool.promptops]", "[ tool . promptops ]", "[tool.promptops.providers.x]", '[tool."promptops"]']
)
def test_every_spelling_of_the_table_counts(tmp_path: Path, header: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"{header}\nbase_url = 'x'\n")
    (tmp_path / "sub" / "prompts").mkdir(parents=True)
    assert find_root(tmp_path / "sub") == tmp_path


def test_no_project_is_a_usage_error_that_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="promptops init"):
        find_root(tmp_path)


@pytest.mark.parametrize("key", ["prompts", "fixtures", "store"])
@pytest.mark.parametrize("value", ["../other", "/etc", "", ".", "a/../..", "nul\\u0000"])
def test_folders_outside_of_the_project_are_refused(tmp_path: Path, key: str, value: str) -> None:
    project = TemporaryProject(tmp_path / "p")
    project.config(f'{key} = "{value}"')
    with pytest.raises(ConfigError, match=f"tool.promptops.{key}"):
        load_project(project.path)


@pytest.mark.parametrize(
    "content", [b"[tool.promptops]\nx = ", b"[tool.promptops]\nenvironmet = 'x'", b"[tool.promptops]\n\xff"]
)
def test_a_malformed_pyproject_is_a_config_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        load_project(tmp_path)


def test_prompts_are_folders_with_a_template_or_a_prompt_yaml(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("b", versions={"v1": "x"})
    project.write("prompts/a/prompt.yaml", "")
    for other in ("_shared/v1.j2", ".git/v1.j2", "notes/readme.md", "file.j2"):
        project.write(f"prompts/{other}", "x")
    assert project.project.prompt_names() == ["a", "b"]
    assert project.project.relative(project.project.prompts_dir / "a") == "prompts/a"


def test_no_prompts_folder_is_no_prompt(tmp_path: Path) -> None:
    assert TemporaryProject(tmp_path).project.prompt_names() == []
