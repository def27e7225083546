"""Every command block of README and docs is run, in a clone of this repository, page by page from top to bottom.

A block is fenced as `console`. `$ ` starts a command; what follows must be in its output, in that order, where `…`
stands for anything. A command ends in exit code 0 unless `# exit N` is written behind it. Set-up commands (make, pip,
git clone) are what CI itself does, and are only checked for existing targets.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = ("make ", "pip install ", "git clone ", "pipx ", "cd ")


@dataclass(frozen=True)
class Command:
    text: str
    code: int
    output: tuple[str, ...]


def commands_of(block: str) -> list[Command]:
    found: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            text, _, note = line[2:].partition("  # exit ")
            found.append(Command(text.strip(), int(note or 0), ()))
        elif found and line.strip():
            last = found.pop()
            found.append(Command(last.text, last.code, (*last.output, line.strip())))
    return found


def page_commands(page: Path) -> list[Command]:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [command for language, block in blocks if language == "console" for command in commands_of(block)]


def shows(output: str, expected: tuple[str, ...]) -> str:
    """The first expected line that `output` does not show in order; empty where all are there."""
    position = 0
    for line in expected:
        pattern = re.compile(re.escape(line).replace("…", ".*?"))
        match = pattern.search(output, position)
        if not match:
            return line
        position = match.end()
    return ""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a new user has after `git clone`: the files git knows, as they are here, committed once."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    folder = tmp_path / "promptops"
    for name in filter(None, names):
        if (ROOT / name).is_file() and name.split("/")[0] in {"prompts", "fixtures", "examples", "pyproject.toml"}:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".gitignore").write_text(".promptops/\n__pycache__/\n.pytest_cache/\n", encoding="utf-8")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "The examples"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.timeout(600)
def test_every_command_of_the_page_does_what_the_page_says(page: Path, clone: Path) -> None:
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:randomly",
    }
    for command in page_commands(page):
        if command.text.startswith(SET_UP):
            continue
        done = subprocess.run(
            command.text,
            shell=True,
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == command.code, f"{page.name}: $ {command.text}\n{output}"
        assert not shows(output, command.output), (
            f"{page.name}: $ {command.text}\nshows no {shows(output, command.output)!r}\n{output}"
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_the_page_names_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {c.text.split()[1] for c in page_commands(page) if c.text.startswith("make ")}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_yaml_block_is_yaml(page: Path) -> None:
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "yaml":
            assert yaml.safe_load(block) is not None


def test_the_reader_of_blocks_reads_commands_codes_and_output() -> None:
    block = "$ promptops list\nbooking …\n\n$ false  # exit 1\n"
    assert commands_of(block) == [Command("promptops list", 0, ("booking …",)), Command("false", 1, ())]
    assert shows("a booking v1\nb", ("booking …", "b")) == ""
    assert shows("b\na", ("a", "b")) == "b"
