"""The example repository as a user meets it: green as it is, and red, refused and unpromoted with a worse candidate."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The example project, committed once, in a folder of its own."""
    folder = tmp_path / "clone"
    for name in ("prompts", "fixtures", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text('[tool.promptops]\nenvironment = "production"\n', encoding="utf-8")
    (folder / ".gitignore").write_text(".promptops/\n__pycache__/\n.pytest_cache/\n", encoding="utf-8")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "The examples"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def run(folder: Path, *command: str) -> tuple[int, str]:
    """Exit code and everything that was said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr


def run_pytest(folder: Path) -> tuple[int, str]:
    return run(folder, sys.executable, "-m", "pytest", "--promptops", "prompts", "-q", "-p", "no:cacheprovider")


def promptops(folder: Path, *arguments: str) -> tuple[int, str]:
    return run(folder, sys.executable, "-m", "promptops.cli.main", *arguments)


def test_the_examples_are_green_with_their_known_failures(clone: Path) -> None:
    code, said = run_pytest(clone)
    assert code == 0, said
    assert "218 cases of 2 prompts" in said
    assert "known" in said
    assert " broke" not in said
    code, said = promptops(clone, "verify")
    assert code == 0, said


def test_a_candidate_that_only_reorders_the_examples_is_found_by_all_three_gates(clone: Path) -> None:
    code, said = run(clone, "sh", "examples/worse-candidate.sh")
    assert code == 0, said
    code, said = run_pytest(clone)
    assert code == 1, said
    assert "30 passed, 40 broke, 12 fixed, 4 known" in said
    code, said = promptops(clone, "canary", "sentiment@v3", "--mode", "replay")
    assert code == 1, said
    assert "REGRESS: " in said
    assert "86 of 86 compared: 40 broke, 12 fixed, 34 same" in said
    code, said = promptops(clone, "promote", "sentiment@v3", "--to", "production")
    assert code == 1, said
    assert "the last one says regress" in said
    code, said = run(clone, "sh", "examples/worse-candidate.sh")
    assert code == 2
    assert "exists already" in said
