"""git: commits of exactly the named files, through hooks and signing, whole or not at all."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from promptops.errors import GitError
from promptops.store.git import Repo
from tests.store.repositories import git, hook, put, save

# --- committing -------------------------------------------------------------------------------------------------------


def test_only_the_named_paths_are_committed_and_what_was_staged_stays_staged(project: Path) -> None:
    put(project / "prompts/b.txt", "staged by the user")
    put(project / "added.txt", "staged by the user")
    git(project, "add", "--all")
    put(project / "loose.txt", "untracked")
    changed, new = put(project / "prompts/a.txt", "ours"), put(project / "evidence/v1.json", "{}")
    Repo.open(project).commit([changed, new], "Promote")
    assert git(project, "show", "--name-only", "--format=", "HEAD").split() == ["evidence/v1.json", "prompts/a.txt"]
    assert git(project, "status", "--porcelain", "-uall").split("\n") == [
        "A  added.txt",
        "M  prompts/b.txt",
        "?? loose.txt",
    ]


def test_a_deleted_file_can_be_committed(project: Path) -> None:
    path = project / "prompts/a.txt"
    path.unlink()
    repo = Repo.open(project)
    assert repo.show(repo.commit([path], "Remove"), path) is None


def test_the_first_commit_of_a_repository_can_be_made(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    repo = Repo.open(tmp_path)
    put(tmp_path / "loose.txt", "x")
    assert repo.commit([put(tmp_path / "a.txt", "x")], "Begin") == repo.head()
    assert git(tmp_path, "ls-files") == "a.txt"


def test_an_executable_file_stays_executable(project: Path) -> None:
    path = put(project / "run.sh", "#!/bin/sh\n")
    path.chmod(0o755)
    Repo.open(project).commit([path], "Add a script")
    assert git(project, "ls-files", "--stage", "run.sh").startswith("100755")


def test_message_and_trailers_are_written_as_git_reads_them(project: Path) -> None:
    trailers = {"Promptops-Version": "booking@v3", "Promptops-Reason": "two\nlines: \x00kept on one"}
    put(project / "prompts/a.txt", "new")
    Repo.open(project).commit([project / "prompts/a.txt"], "Promote booking\n\n# not a comment, Grüße", trailers)
    assert git(project, "log", "-1", "--format=%B").strip().split("\n") == [
        "Promote booking",
        "",
        "# not a comment, Grüße",
        "",
        "Promptops-Version: booking@v3",
        "Promptops-Reason: two lines: kept on one",
    ]
    assert git(project, "log", "-1", "--format=%(trailers:key=Promptops-Version,valueonly)").strip() == "booking@v3"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "1x", "a\nb"])
def test_a_trailer_that_git_would_not_read_is_refused(project: Path, name: str) -> None:
    put(project / "prompts/a.txt", "new")
    with pytest.raises(ValueError, match="trailer"):
        Repo.open(project).commit([project / "prompts/a.txt"], "x", {name: "value"})


def test_a_hook_that_refuses_leaves_the_index_as_it_was_and_is_quoted(project: Path) -> None:
    hook(project, "pre-commit", "echo 'no TODO allowed'; echo 'see the guide' >&2; exit 1")
    put(project / "prompts/b.txt", "staged")
    git(project, "add", "--all")
    changed, new = put(project / "prompts/a.txt", "ours"), put(project / "evidence/v1.json", "{}")
    before = git(project, "status", "--porcelain", "-uall"), git(project, "rev-parse", "HEAD")
    with pytest.raises(GitError, match=r"(?s)git commit failed:\n.*no TODO allowed.*see the guide"):
        Repo.open(project).commit([changed, new], "Promote")
    assert (git(project, "status", "--porcelain", "-uall"), git(project, "rev-parse", "HEAD")) == before
    assert git(project, "ls-files", "--stage") == git(project, "ls-files", "--stage", "prompts")
    assert new.read_text() == "{}"


def test_hooks_see_the_message_the_files_and_the_locale_of_the_user(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.delenv("GIT_LITERAL_PATHSPECS", raising=False)
    hook(project, "commit-msg", 'echo "Signed: by-hook" >> "$1"')
    hook(project, "pre-commit", f"(echo $LC_ALL; git diff --cached --name-only -- '*.txt') > {tmp_path}/seen")
    put(project / "prompts/b.txt", "staged")
    git(project, "add", "--all")
    put(project / "prompts/a.txt", "ours")
    Repo.open(project).commit([project / "prompts/a.txt"], "Promote")
    assert (tmp_path / "seen").read_text() == "C.UTF-8\nprompts/a.txt\n"
    assert git(project, "log", "-1", "--format=%B").strip().endswith("Signed: by-hook")


def test_signing_applies_and_its_failure_leaves_the_index_as_it_was(project: Path, tmp_path: Path) -> None:
    signer = put(tmp_path / "signer", f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
    signer.chmod(0o755)
    git(project, "config", "commit.gpgSign", "true")
    git(project, "config", "gpg.program", str(signer))
    new = put(project / "new.txt", "x")
    with pytest.raises(GitError, match="failed to sign"):
        Repo.open(project).commit([new], "Signed")
    assert (tmp_path / "asked").exists()
    assert git(project, "status", "--porcelain") == "?? new.txt"


def test_nothing_to_commit_is_told_so(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    repo = Repo.open(project)
    for paths in ([], [project / "prompts/a.txt"], [project / "never.txt"]):
        with pytest.raises(GitError, match="there is nothing to commit"):
            repo.commit(paths, "Nothing")
    assert git(project, "rev-parse", "HEAD") == head


def test_an_ignored_file_is_not_committed_by_force(project: Path) -> None:
    put(project / ".gitignore", "*.json\n")
    save(project)
    changed, ignored = put(project / "prompts/a.txt", "new"), put(project / "evidence.json", "{}")
    with pytest.raises(GitError, match=r"ignored by one of your \.gitignore files"):
        Repo.open(project).commit([changed, ignored], "Promote")
    assert git(project, "status", "--porcelain") == " M prompts/a.txt"


def test_a_merge_that_is_not_finished_is_not_committed_into(project: Path) -> None:
    git(project, "checkout", "--quiet", "-b", "side")
    put(project / "side.txt", "x")
    save(project)
    git(project, "checkout", "--quiet", "main")
    put(project / "main.txt", "x")
    save(project)
    git(project, "merge", "--quiet", "--no-commit", "side")
    put(project / "prompts/a.txt", "ours")
    with pytest.raises(GitError, match="during a merge"):
        Repo.open(project).commit([project / "prompts/a.txt"], "Promote")


def test_a_locked_index_is_quoted_from_git(project: Path) -> None:
    put(project / ".git/index.lock", "")
    put(project / "prompts/a.txt", "ours")
    with pytest.raises(GitError, match=r"index\.lock"):
        Repo.open(project).commit([project / "prompts/a.txt"], "Promote")


def test_without_a_name_for_the_author_git_says_how_to_set_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Path(os.environ["HOME"]) / ".gitconfig"
    config.write_text("[user]\n\tuseConfigOnly = true\n")
    put(project / "prompts/a.txt", "ours")
    with pytest.raises(GitError, match=r"git config --global user\.email"):
        Repo.open(project).commit([project / "prompts/a.txt"], "Promote")


def test_of_two_commits_at_once_each_is_made_whole_or_told_why_not(project: Path) -> None:
    repo = Repo.open(project)
    for n in range(3):
        new = put(project / f"evidence/{n}.json", "{}")
        refused: list[str] = []

        def promote(path: Path = new, refused: list[str] = refused) -> None:
            try:
                repo.commit([path], "Promote")
            except GitError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=promote) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1
        assert "there is nothing to commit" in refused[0]
        assert git(project, "status", "--porcelain", "-uall") == ""
        assert repo.show("HEAD", new) == b"{}"


ODD_CONFIG = """
[user]\n\tname = Test\n\temail = test@example.invalid
[color]\n\tui = always
[core]\n\tquotePath = true\n\tpager = false\n\teditor = false\n\tuntrackedCache = true
[status]\n\tshort = true\n\tbranch = true\n\tshowUntrackedFiles = no\n\trelativePaths = true
[diff]\n\trenames = copies\n\tmnemonicPrefix = true\n\texternal = false\n\tcolorMoved = zebra\n\trelative = true
[log]\n\tshowSignature = true\n\tdecorate = full\n\tfollow = true\n\tdate = relative\n\tabbrevCommit = true
[format]\n\tpretty = fuller
[commit]\n\tverbose = true\n\tcleanup = strip\n\tstatus = true
[submodule]\n\trecurse = true
[alias]\n\tstatus = log\n\tcommit = log
"""


def test_no_setting_of_the_user_changes_what_is_read_and_committed(project: Path) -> None:
    (Path(os.environ["HOME"]) / ".gitconfig").write_text(ODD_CONFIG)
    folder = project / "prompts"
    repo = Repo.open(folder)
    before = repo.head()
    changed, new = put(folder / "a.txt", "changed"), put(folder / "grüße.txt", "new")
    assert repo.dirty([folder]) == [changed, new]
    assert repo.changed_since("HEAD") == {changed, new}
    sha = repo.commit([changed, new], "Subject\n\n# kept")
    assert repo.changed_since(before) == {changed, new}
    assert [(c.sha, c.subject) for c in repo.commits_of([new])] == [(sha, "Subject")]
    assert "# kept" in git(project, "cat-file", "commit", sha)
    assert repo.merge_base() == sha


def test_a_folder_that_vanished_is_an_error_and_nothing_runs_elsewhere(project: Path) -> None:
    repo = Repo.open(project)
    shutil.rmtree(project)
    with pytest.raises(GitError):
        repo.head()
