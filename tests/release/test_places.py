"""Where and when people promote: odd repositories, refusals by git, and processes that are killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.errors import GitError
from promptops.project.manifest import load_manifest
from promptops.release.rollback import rollback
from promptops.release.verify import verify
from promptops.testing import TemporaryProject
from tests.release.conftest import Releases

PROMPTOPS = [sys.executable, "-m", "promptops.cli.main"]
PROMOTE = ["promote", "count@v2", "--to", "production"]


def served(releases: Releases) -> str:
    return load_manifest(releases.project).environments["production"].prompts["count"].version


def detached(releases: Releases) -> Releases:
    releases.kit.git("checkout", "-q", "--detach")
    return releases


def worktree(releases: Releases) -> Releases:
    path = releases.kit.path.parent / f"{releases.kit.path.name}-worktree"
    releases.kit.git("worktree", "add", "-q", "-b", "other", str(path))
    return Releases(path)


def shallow(releases: Releases) -> Releases:
    path = releases.kit.path.parent / f"{releases.kit.path.name}-shallow"
    releases.kit.git("clone", "-q", "--depth", "1", f"file://{releases.kit.path}", str(path))
    found = Releases(path)
    for key, value in {"user.name": "Test", "user.email": "test@example.invalid"}.items():
        found.kit.git("config", key, value)
    return found


def subfolder(releases: Releases) -> Releases:
    """The project is a folder of a larger repository, which has its own files staged."""
    root = releases.kit.path
    shutil.rmtree(root / ".git")
    inner = root / "services" / "desk app"
    inner.mkdir(parents=True)
    for path in list(root.iterdir()):
        if path.name != "services":
            shutil.move(path, inner / path.name)
    outer = TemporaryProject(root)
    outer.git_init()
    outer.write("unrelated.txt", "mine")
    outer.git("add", "unrelated.txt")
    return Releases(inner)


@pytest.mark.parametrize("place", [detached, worktree, shallow, subfolder])
def test_promoting_and_going_back_work_in(releases: Releases, place: Callable[[Releases], Releases]) -> None:
    there = place(releases)
    staged = there.status()
    there.canary("v2", "v1")
    done = there.promote("v2")
    assert there.kit.git("rev-parse", "HEAD").strip() == done.commit
    assert there.kit.git("show", "--name-only", "--format=", "-z", "HEAD").count("\0") == 3
    assert (served(there), there.status()) == ("v2", staged)
    assert verify(there.project).problems == ()
    rollback(there.project, "count", "production", at="2026-11-25T00:00:00Z")
    assert (served(there), there.status()) == ("v1", staged)
    assert verify(there.project).problems == ()


def test_the_first_commit_of_a_repository_can_be_an_adoption_only_after_the_files(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.record("v1")
    releases.kit.git("init", "-q", "-b", "main")
    done = subprocess.run([*PROMPTOPS, "adopt", "count@v1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "these files have changes that are not committed" in done.stderr
    assert "git add" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "prompts/manifest.yaml").exists()


def no_signature(releases: Releases) -> None:
    for key, value in {"commit.gpgsign": "true", "gpg.program": "/bin/false", "user.signingkey": "none"}.items():
        releases.kit.git("config", key, value)


def no_identity(releases: Releases) -> None:
    for key in ("user.name", "user.email"):
        releases.kit.git("config", "--unset", key)
    releases.kit.git("config", "user.useConfigOnly", "true")


def locked_index(releases: Releases) -> None:
    releases.kit.write(".git/index.lock", "")


def unwritable_message(releases: Releases) -> None:
    releases.kit.write(".git/hooks/commit-msg", "#!/bin/sh\necho 'no ticket' >&2; exit 1\n").chmod(0o755)


@pytest.mark.parametrize(
    ("obstacle", "words"),
    [
        (no_signature, "gpg failed to sign"),
        (no_identity, "no name was given|unable to auto-detect|user.useConfigOnly|Please tell me who you are"),
        (locked_index, "index.lock"),
        (unwritable_message, "no ticket"),
    ],
)
def test_where_git_refuses_everything_stays_as_it_was(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, obstacle: Callable[[Releases], None], words: str
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    releases.canary("v2", "v1")
    releases.kit.write("mine.txt", "mine")
    releases.kit.git("add", "mine.txt")
    before = (releases.status(), releases.kit.read("prompts/manifest.yaml"))
    obstacle(releases)
    with pytest.raises(GitError, match=words):
        releases.promote("v2")
    (releases.kit.path / ".git/index.lock").unlink(missing_ok=True)
    assert (releases.status(), releases.kit.read("prompts/manifest.yaml")) == before
    assert not (releases.kit.path / "prompts/count/released/v2.json").exists()


KILLED = """
import os, signal, sys
from promptops.release import publishing
count, write = {count}, publishing.write_bytes
def dying(path, data):
    global count
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    count -= 1
    write(path, data)
publishing.write_bytes = dying
from promptops.cli.main import run
sys.exit(run({arguments!r}))
"""


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_promotion_killed_between_two_files_can_be_done_again(releases: Releases, count: int) -> None:
    """Closure, evidence, manifest are written in this order: what is served is told last."""
    releases.canary("v2", "v1")
    code = KILLED.format(count=count, arguments=PROMOTE)
    killed = subprocess.run([sys.executable, "-c", code], cwd=releases.kit.path, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert served(releases) == "v1"
    hints = [item.hint for item in verify(releases.project).problems]
    assert (len(hints), all("promote the version" in hint for hint in hints)) == (min(count, 1), True)
    done = subprocess.run([*PROMPTOPS, *PROMOTE], cwd=releases.kit.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (verify(releases.project).problems, releases.status()) == ((), "")
