from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.repositories import git, put, save


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit of two files on `main`."""
    folder = tmp_path / "project"
    put(folder / "prompts" / "a.txt", "one\n")
    put(folder / "prompts" / "b.txt", "two\n")
    git(folder, "init", "--quiet")
    save(folder, "Begin")
    return folder
