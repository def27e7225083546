"""A plain pytest run does not notice that promptops is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HEAVY = {"httpx", "pydantic", "jinja2", "git", "deepdiff", "yaml", "rich", "typer", "jsonschema"}
PROBE = """
import json, sys
def pytest_unconfigure(config):
    with open("modules.json", "w") as file:
        json.dump(sorted(sys.modules), file)
"""


def plain_run(folder: Path, *arguments: str) -> tuple[set[str], str]:
    """Run pytest plainly in `folder`; return what it has loaded at the end, and what it wrote."""
    (folder / "conftest.py").write_text(PROBE, encoding="utf-8")
    (folder / "test_it.py").write_text("def test_it(): pass\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:randomly", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(json.loads((folder / "modules.json").read_text(encoding="utf-8"))), done.stdout + done.stderr


def test_a_plain_run_does_not_notice_promptops(tmp_path: Path) -> None:
    with_plugin, said = plain_run(tmp_path)
    without, _ = plain_run(tmp_path, "-p", "no:promptops")

    assert "promptops.pytest_plugin" in with_plugin - without
    assert len(with_plugin - without) <= 10
    assert not {name.split(".")[0] for name in with_plugin} & HEAVY
    assert "promptops" not in said.lower()
