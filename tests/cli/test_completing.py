"""Completion in the shell: commands, options, prompts, versions, environments and pins, in bash and what others ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.cli.completing import mend_words, offered
from promptops.testing import TemporaryProject

PROMPTOPS = [sys.executable, "-m", "promptops.cli.main"]
TEMPLATE = "---\nmodel: acme/{}-2026-01-01\n---\n{{{{ text }}}}"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    files = TemporaryProject(tmp_path)
    files.prompt("booking", versions={"v2": TEMPLATE.format("large"), "v10": TEMPLATE.format("small")})
    files.prompt("bookmark", versions={"v1": TEMPLATE.format("small")})
    files.prompt("greet", versions={"v1": "no front matter at all"}, yaml="not: [YAML")
    manifest = (
        "format: 1\nenvironments:\n  production:\n    require: run\n    prompts: {}\n  staging:\n    prompts: {}\n"
    )
    (files.path / "prompts/manifest.yaml").write_text(manifest, encoding="utf-8")
    return files.path


@pytest.mark.parametrize(
    ("metavar", "incomplete", "found"),
    [
        ("NAME", "boo", ["booking", "bookmark"]),
        ("NAME@vN", "booking", ["booking@v2", "booking@v10"]),
        ("NAME[@vN]", "booking", ["booking", "booking@v2", "booking@v10"]),
        ("NAME[@vN|@ENV]", "booking@s", ["booking@staging"]),
        ("SELECTOR", "c", ["candidate"]),
        ("SELECTOR", "env:", ["env:production", "env:staging"]),
        ("SELECTOR", "booking@p", ["booking@production"]),
        ("ENV", "", ["production", "staging"]),
        ("REF", "sta", ["staging"]),
        ("PIN", "acme/", ["acme/large-2026-01-01", "acme/small-2026-01-01"]),
        ("PIN,PIN…", "acme/large-2026-01-01,acme/s", ["acme/large-2026-01-01,acme/small-2026-01-01"]),
        ("new|replay|record", "re", ["replay", "record"]),
        ("SCHEDULER", "k", ["kubernetes"]),
        ("USD", "", []),
        ("PATH", "", []),
    ],
)
def test_what_is_offered_fits_the_place(place: Path, metavar: str, incomplete: str, found: list[str]) -> None:
    assert offered(metavar, incomplete, start=place / "prompts") == found


def test_a_broken_project_and_none_at_all_offer_what_can_be_read(place: Path, tmp_path: Path) -> None:
    (place / "pyproject.toml").write_text("[tool.promptops]\nprompts = 3\n[", encoding="utf-8")
    assert offered("NAME", "", start=place) == []
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    assert offered("SELECTOR", "", start=Path("/nonexistent")) == []


@pytest.mark.parametrize(
    ("words", "mended", "prefix"),
    [
        (["run", "boo"], ["run", "boo"], ""),
        (["run", "booking", "@", "v"], ["run", "booking@v"], "booking@"),
        (["run", "booking", "@"], ["run", "booking@"], "booking@"),
        (["run", "env", ":", "pro"], ["run", "env:pro"], "env:"),
        (["promote", "booking", "@", "v2", "--to", "p"], ["promote", "booking@v2", "--to", "p"], ""),
        (["promote", "--to", "=", "p"], ["promote", "--to=p"], "--to="),
        (["run", "booking@v"], ["run", "booking@v"], ""),
        (["run", "booking", "@", "v2", ""], ["run", "booking@v2", ""], ""),
    ],
)
def test_words_that_bash_breaks_are_put_together(words: list[str], mended: list[str], prefix: str) -> None:
    line = ["promptops", *words]
    environ = {
        "_PROMPTOPS_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(line),
        "COMP_CWORD": str(len(line) - 1),
    }
    assert mend_words(environ) == prefix
    assert environ["COMP_WORDS"].split("\n") == ["promptops", *mended]
    assert environ["COMP_CWORD"] == str(len(mended))


def in_bash(place: Path, *words: str) -> list[str]:
    """What bash is given for the last of these words, by the script that `--show-completion` prints."""
    source = subprocess.run(
        PROMPTOPS, env={**os.environ, "_PROMPTOPS_COMPLETE": "source_bash"}, capture_output=True, text=True, check=True
    ).stdout
    (place / "bin").mkdir()
    program = place / "bin/promptops"
    program.write_text("#!/bin/sh\nexec " + " ".join(f"'{part}'" for part in PROMPTOPS) + ' "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in ("promptops", *words))
    script = f"""{source}
COMP_WORDS=({quoted}); COMP_CWORD={len(words)}
_promptops_completion promptops
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environ = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=place, env=environ, capture_output=True, text=True, check=True
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ca"], ["cache", "canary"]),
        (["run", "--budget-"], ["--budget-tokens", "--budget-requests"]),
        (["canary", "booking", "@", "v1"], ["v10"]),
        (["promote", "booking", "@", "v10", "--to", "sta"], ["staging"]),
        (["drift", "sta"], ["status"]),
        (["drift", "book"], ["booking", "bookmark", *(f"booking@{n}" for n in ("v2", "v10", "production", "staging"))]),
        (["judge", "cal"], ["calibrate"]),
        (["run", "--mode", "rep"], ["replay"]),
    ],
)
def test_in_bash(place: Path, words: list[str], found: list[str]) -> None:
    assert sorted(word for word in in_bash(place, *words) if not word.startswith("bookmark@")) == sorted(found)


@pytest.mark.parametrize(
    ("shell", "more", "found"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "promptops canary booking@v1"}, "_arguments '*: :((\"booking@v10\"))'"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "promptops run env:s"}, r"""_arguments '*: :(("env\\:staging"))'"""),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "promptops canary booking@v1", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "booking@v10",
        ),
    ],
)
def test_what_other_shells_are_told(place: Path, shell: str, more: dict[str, str], found: str) -> None:
    environ = {**os.environ, "_PROMPTOPS_COMPLETE": f"complete_{shell}", **more}
    done = subprocess.run(PROMPTOPS, cwd=place, env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == found


def test_completing_imports_nothing_heavy(place: Path) -> None:
    heavy = ("httpx", "jinja2", "git", "scipy", "numpy", "yaml", "sqlite3")
    code = "import sys; from promptops.cli.main import main\ntry: main([])\nexcept SystemExit: pass\n"
    code += f"print([m for m in {heavy} if m in sys.modules])"
    environ = {
        **os.environ,
        "_PROMPTOPS_COMPLETE": "complete_bash",
        "COMP_WORDS": "promptops\nverify\n",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
