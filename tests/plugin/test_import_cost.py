"""A plain pytest run does not notice that promptops is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"httpx", "pydantic", "jinja2", "git", "deepdiff", "sqlalchemy", "yaml", "rich", "typer", "jsonschema"}
PROBE = """
import json, sys
def pytest_unconfigure(config):
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def modules_of(folder: Path, *arguments: str) -> set[str]:
    """Run pytest plainly in `folder`; return what it has loaded at the end."""
    (folder / "conftest.py").write_text(PROBE, encoding="utf-8")
    (folder / "test_it.py").write_text("def test_it(): pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cov", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads((folder / "modules.json").read_text(encoding="utf-8")))


def test_a_plain_run_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    assert not {name.split(".")[0] for name in modules_of(tmp_path)} & HEAVY


def test_a_plain_run_loads_at_most_ten_more_modules(tmp_path: Path) -> None:
    with_plugin = modules_of(tmp_path)
    without = modules_of(tmp_path, "-p", "no:promptops")

    assert "promptops.pytest_plugin" in with_plugin - without
    assert len(with_plugin - without) <= 10


def test_a_plain_run_says_nothing_of_promptops(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")

    result = pytester.runpytest_subprocess("-q")

    assert "promptops" not in result.stdout.str().lower()
    assert result.ret == 0
