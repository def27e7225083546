"""git: read and committed through the git program, in repositories of every shape."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import GitError
from promptops.store.git import Commit, Repo
from tests.store.repositories import git, hook, put, save

# --- opening ----------------------------------------------------------------------------------------------------------


def test_the_head_is_known(project: Path) -> None:
    repo = Repo.open(project)
    assert repo.head() == git(project, "rev-parse", "HEAD")
    assert not repo.is_shallow()


def test_a_folder_in_no_repository_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is not in a git repository: run `git init`"):
        Repo.open(tmp_path)


def test_a_folder_that_does_not_exist_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is not a folder"):
        Repo.open(tmp_path / "nowhere")


def test_a_repository_without_commits_is_told_so(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    repo = Repo.open(tmp_path)
    with pytest.raises(GitError, match="has no commits yet"):
        repo.head()
    with pytest.raises(GitError, match="has no commits yet"):
        repo.changed_since()
    assert repo.commits_of([tmp_path]) == []


@pytest.mark.parametrize("place", ["bare", ".git"])
def test_a_repository_without_files_is_told_so(project: Path, tmp_path: Path, place: str) -> None:
    folder = project / ".git"
    if place == "bare":
        folder = tmp_path / "bare"
        git(tmp_path, "clone", "--quiet", "--bare", str(project), str(folder))
    with pytest.raises(GitError, match="no files are checked out"):
        Repo.open(folder)


OPEN = """
import sys
import threading
from pathlib import Path
from promptops.errors import GitError
from promptops.store.git import Repo
try:
    Repo.open(Path(sys.argv[1]))
except GitError as error:
    print(error)
"""


def test_without_a_git_program_the_error_says_what_to_install(project: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(project)]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith("git is not installed: install it")


def test_a_git_program_that_does_not_run_is_an_error_of_ours(project: Path, tmp_path: Path) -> None:
    put(tmp_path / "git", "#!/bin/sh\necho 'no developer tools' >&2; exit 1\n").chmod(0o755)
    command = [sys.executable, "-c", OPEN, str(project)]
    done = subprocess.run(command, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "no developer tools" in done.stdout


def test_importing_the_module_does_not_import_gitpython() -> None:
    program = "import sys, promptops.store.git; assert 'git' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_repository_of_another_user_names_the_setting(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError, match=r"git config --global --add safe\.directory"):
        Repo.open(project)


def test_a_detached_head_can_be_committed_to(project: Path) -> None:
    git(project, "checkout", "--quiet", "--detach")
    repo = Repo.open(project)
    put(project / "prompts/a.txt", "new")
    assert repo.commit([project / "prompts/a.txt"], "Change") == repo.head()


# --- shapes of repositories -------------------------------------------------------------------------------------------


def a_monorepo(project: Path, tmp_path: Path) -> Path:
    save_in = project / "services" / "bot"
    put(save_in / "prompts" / "a.txt", "one\n")
    save(project)
    return save_in


def a_worktree(project: Path, tmp_path: Path) -> Path:
    git(project, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    return tmp_path / "side"


def a_submodule(project: Path, tmp_path: Path) -> Path:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(project), "inner")
    save(outer)
    return outer / "inner"


def a_linked_folder(project: Path, tmp_path: Path) -> Path:
    (tmp_path / "link").symlink_to(project)
    return tmp_path / "link"


def an_odd_name(project: Path, tmp_path: Path) -> Path:
    return project.rename(tmp_path / "odd näme\nwith [a] *")


@pytest.mark.parametrize("shape", [a_monorepo, a_worktree, a_submodule, a_linked_folder, an_odd_name])
def test_reading_and_committing_work_in_every_shape_of_repository(project: Path, tmp_path: Path, shape: Any) -> None:
    folder = shape(project, tmp_path)
    repo = Repo.open(folder)
    before = repo.head()
    changed, new = put(folder / "prompts/a.txt", "changed\n"), put(folder / "prompts/new.txt", "new\n")
    assert repo.dirty([folder / "prompts"]) == [changed, new]
    assert repo.changed_since(before) == {changed, new}
    sha = repo.commit([changed, new], "Change a, add new")
    assert git(folder, "rev-parse", "HEAD") == sha
    assert repo.dirty([folder]) == []
    assert repo.changed_since(before) == {changed, new}
    assert repo.show(before, changed) == b"one\n"
    assert repo.show(sha, changed) == b"changed\n"
    last = repo.last_commit_of(new)
    assert last is not None
    assert (last.sha, last.author, last.subject) == (sha, "Test", "Change a, add new")


def test_in_a_monorepo_only_the_opened_folder_counts_as_changed(project: Path, tmp_path: Path) -> None:
    folder = a_monorepo(project, tmp_path)
    put(project / "prompts/a.txt", "changed")
    put(project / "elsewhere.txt", "new")
    mine = put(folder / "prompts/mine.txt", "new")
    assert Repo.open(folder).changed_since("HEAD") == {mine}


def test_a_path_outside_of_the_repository_is_refused(project: Path, tmp_path: Path) -> None:
    repo = Repo.open(project)
    for path in (tmp_path / "other.txt", project / ".." / "other.txt"):
        with pytest.raises(GitError, match="outside of the git repository"):
            repo.dirty([path])


def test_relative_paths_are_relative_to_the_opened_folder(project: Path) -> None:
    put(project / "prompts/a.txt", "changed")
    assert Repo.open(project / "prompts").dirty([Path("a.txt"), Path("b.txt")]) == [project / "prompts/a.txt"]


@pytest.mark.parametrize("inherited", ["another", "broken"])
def test_what_a_hook_of_another_repository_inherits_is_not_used(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inherited: str
) -> None:
    other = tmp_path / "other"
    put(other / "x.txt", "x")
    git(other, "init", "--quiet")
    other_head = save(other)
    head = git(project, "rev-parse", "HEAD")
    where = other / ".git" if inherited == "another" else tmp_path / "nowhere"
    monkeypatch.setenv("GIT_DIR", str(where))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(where / "index"))
    repo = Repo.open(project)
    assert repo.head() == head
    new = put(project / "prompts/new.txt", "new")
    repo.commit([new], "New")
    monkeypatch.undo()
    assert git(project, "rev-parse", "HEAD~") == head
    assert git(other, "rev-parse", "HEAD") == other_head


def test_inside_a_pre_commit_hook_the_project_reads_as_usual(project: Path, tmp_path: Path) -> None:
    script = put(
        tmp_path / "look.py",
        "from pathlib import Path; from promptops.store.git import Repo\n"
        f"repo = Repo.open(Path({str(project)!r}))\n"
        f"Path({str(tmp_path / 'seen')!r}).write_text(repr(sorted(p.name for p in repo.changed_since('HEAD'))))\n",
    )
    hook(project, "pre-commit", f"{sys.executable} {script}")
    put(project / "prompts/a.txt", "changed")
    put(project / "prompts/new.txt", "new")
    git(project, "commit", "--quiet", "--only", "--message", "x", "--", "prompts/a.txt")
    assert (tmp_path / "seen").read_text() == "['a.txt', 'new.txt']"


# --- what changed -----------------------------------------------------------------------------------------------------


def test_every_kind_of_change_since_the_merge_base_counts(project: Path) -> None:
    for name in ("staged", "unstaged", "both", "gone", "reverted", "mode", "ignored", "moved"):
        put(project / f"{name}.txt", f"{name}\n")
    put(project / ".gitignore", "*.log\n")
    save(project)
    git(project, "checkout", "--quiet", "-b", "work")
    put(project / "committed.txt", "x")
    save(project)
    put(project / "staged.txt", "new")
    git(project, "add", "staged.txt")
    put(project / "unstaged.txt", "new")
    (project / "gone.txt").unlink()
    put(project / "reverted.txt", "new")
    git(project, "add", "reverted.txt")
    put(project / "reverted.txt", "reverted\n")
    (project / "mode.txt").chmod(0o755)
    os.utime(project / "both.txt", (1, 1))
    put(project / "ignored.log", "x")
    put(project / "untracked/new.txt", "x")
    git(project, "mv", "moved.txt", "away.txt")
    found = {path.relative_to(project).as_posix() for path in Repo.open(project).changed_since()}
    assert found == {
        "committed.txt", "staged.txt", "unstaged.txt", "gone.txt", "reverted.txt", "untracked/new.txt", "moved.txt",
        "away.txt",
    }  # fmt: skip


def test_a_committed_mode_is_no_change(project: Path) -> None:
    git(project, "checkout", "--quiet", "-b", "work")
    (project / "prompts/a.txt").chmod(0o755)
    save(project)
    assert Repo.open(project).changed_since() == set()


def test_what_the_main_branch_did_meanwhile_is_no_change_of_ours(project: Path) -> None:
    base = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "--quiet", "-b", "work")
    mine = put(project / "mine.txt", "x")
    save(project)
    git(project, "checkout", "--quiet", "main")
    put(project / "theirs.txt", "x")
    save(project)
    git(project, "checkout", "--quiet", "work")
    repo = Repo.open(project)
    assert repo.merge_base() == base
    assert repo.changed_since() == repo.changed_since("main") == {mine}


NAMES = [
    "with space.txt",
    "grüße.txt",
    "new\nline.txt",
    'quo"te.txt',
    "-dash.txt",
    "[a]*.txt",
    ":colon.txt",
    "tab\t.txt",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_any_characters_is_only_that_name(project: Path, name: str) -> None:
    repo = Repo.open(project)
    odd, near = put(project / name, "x"), put(project / "a.txt", "x")
    assert repo.dirty([odd]) == [odd]
    assert repo.changed_since("HEAD") == {odd, near}
    sha = repo.commit([odd], "Odd")
    assert repo.show(sha, odd) == b"x"
    last = repo.last_commit_of(odd)
    assert last is not None
    assert last.sha == sha
    assert repo.dirty([project]) == [near]


@pytest.mark.parametrize("rev", ["nowhere", "", "-x", "--all", "HEAD:prompts", "deadbeef", "a b", "x\0y"])
def test_an_unknown_revision_is_named_with_what_to_do(project: Path, rev: str) -> None:
    with pytest.raises(GitError, match=r"is not a commit in .*: fetch it"):
        Repo.open(project).changed_since(rev)


def test_without_a_main_branch_the_names_that_were_tried_are_listed(project: Path) -> None:
    git(project, "branch", "--move", "trunk")
    with pytest.raises(GitError, match=r"no main branch is known here \(looked for origin/HEAD, origin/main"):
        Repo.open(project).merge_base()


def test_the_remote_main_branch_comes_before_the_local_one(project: Path, tmp_path: Path) -> None:
    base = git(project, "rev-parse", "HEAD")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(project), str(clone))
    save(clone)
    assert Repo.open(clone).merge_base() == base
    git(clone, "remote", "set-head", "origin", "--delete")
    assert Repo.open(clone).merge_base() == base
    git(clone, "tag", "main", "HEAD")
    assert Repo.open(clone).merge_base() == base, "a tag of that name is not the branch"


def test_histories_without_a_common_ancestor_are_told_so(project: Path) -> None:
    git(project, "checkout", "--quiet", "--orphan", "other")
    save(project)
    with pytest.raises(GitError, match="no common ancestor: name another base"):
        Repo.open(project).changed_since()


def test_a_shallow_clone_says_how_to_deepen_it(project: Path, tmp_path: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    git(project, "checkout", "--quiet", "-b", "work")
    put(project / "prompts/a.txt", "newer")
    save(project)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", f"file://{project}", str(clone))
    repo = Repo.open(clone)
    assert repo.is_shallow()
    for ask in (lambda: repo.merge_base("origin/main"), lambda: repo.changed_since(first)):
        with pytest.raises(GitError, match="git fetch --unshallow"):
            ask()
    with pytest.raises(GitError, match="git fetch --unshallow"):
        repo.last_commit_of(clone / "prompts/b.txt")


# --- what was committed -----------------------------------------------------------------------------------------------


def test_commits_of_a_file_are_listed_newest_first(project: Path) -> None:
    path = put(project / "prompts/a.txt", "three")
    environment = {**os.environ, "GIT_AUTHOR_DATE": "2026-11-22T07:15:00+01:00", "GIT_AUTHOR_NAME": "Ada Löv"}
    git(project, "commit", "--quiet", "--all", "--message", "Ünicode | subject\n\nbody", env=environment)
    repo = Repo.open(project)
    newest, oldest = repo.commits_of([path])
    assert newest == Commit(repo.head(), "Ada Löv", "2026-11-22T07:15:00+01:00", "Ünicode | subject")
    assert oldest.subject == "Begin"
    assert repo.commits_of([path], limit=1) == [newest] == [repo.last_commit_of(path)]
    assert repo.last_commit_of(project / "never.txt") is None


def test_what_a_commit_does_not_hold_is_none(project: Path) -> None:
    repo = Repo.open(project)
    assert repo.show("HEAD", project / "never.txt") is None
    with pytest.raises(GitError, match="cat-file"):
        repo.show("HEAD", project / "prompts")


def test_bytes_come_as_they_are_stored(project: Path) -> None:
    path = project / "raw.bin"
    path.write_bytes(b"\r\n\0\xff\n\n")
    assert Repo.open(project).show(save(project), path) == b"\r\n\0\xff\n\n"
