from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from promptops.errors import GitError, PromotionRefused, UsageError
from promptops.project.manifest import load_manifest
from promptops.release.rollback import rollback
from tests.release.conftest import Releases

AT = "2026-11-23T00:00:00Z"


@pytest.fixture
def shipped(releases: Releases) -> Releases:
    releases.canary("v2", "v1")
    releases.promote("v2")
    return releases


def served(releases: Releases) -> str:
    return load_manifest(releases.project).environments["production"].prompts["count"].version


def test_a_rollback_changes_and_commits_the_manifest_alone(shipped: Releases) -> None:
    done = rollback(shipped.project, "count", "production", at=AT, reason="wrong numbers")
    entry = load_manifest(shipped.project).environments["production"].prompts["count"]
    assert (entry.version, entry.how, entry.reason, entry.at) == ("v1", "rolled-back", "wrong numbers", AT)
    assert (done.served.version, done.replaced.version) == ("v1", "v2")
    assert shipped.kit.git("show", "--name-only", "--format=", "HEAD").split() == ["prompts/manifest.yaml"]
    message = shipped.kit.git("log", "-1", "--format=%B")
    assert message.startswith("Roll count back to v1 in production\n\nwrong numbers\n\nPromptops-Digest: sha256:")
    assert shipped.status() == ""


def test_it_needs_no_evidence_no_prompt_files_and_no_fixtures(shipped: Releases) -> None:
    for path in ("prompts/count/evidence", "fixtures"):
        shutil.rmtree(shipped.kit.path / path)
    for name in ("v1.j2", "v2.j2", "prompt.yaml", "schema.json"):
        shipped.kit.write(f"prompts/count/{name}", "{% broken")
    rollback(shipped.project, "count", "production", at=AT)
    assert served(shipped) == "v1"


def test_outside_git_the_manifest_is_written_and_it_says_so(shipped: Releases) -> None:
    shutil.rmtree(shipped.kit.path / ".git")
    done = rollback(shipped.project, "count", "production", at=AT)
    assert served(shipped) == "v1"
    assert (done.commit, "not in a git repository" in done.why_no_commit) == (None, True)


def test_it_works_in_a_shallow_clone(shipped: Releases, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shipped.kit.git("clone", "-q", "--depth=1", f"file://{shipped.kit.path}", str(clone))
    from promptops.testing import TemporaryProject

    kit = TemporaryProject(clone)
    kit.git("config", "user.name", "Test")
    kit.git("config", "user.email", "test@example.invalid")
    assert rollback(kit.project, "count", "production", at=AT).commit


def test_a_hook_that_refuses_leaves_the_manifest_as_it_was(shipped: Releases) -> None:
    shipped.kit.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n").chmod(0o755)
    with pytest.raises(GitError):
        rollback(shipped.project, "count", "production", at=AT)
    assert (served(shipped), shipped.status()) == ("v2", "")
    rollback(shipped.project, "count", "production", at=AT, commit=False)
    assert served(shipped) == "v1"


@pytest.mark.parametrize("damage", ["missing", "edited"])
def test_a_closure_that_cannot_be_served_is_refused(shipped: Releases, damage: str) -> None:
    path = "prompts/count/released/v1.json"
    if damage == "missing":
        (shipped.kit.path / path).unlink()
    else:
        shipped.edit(path, "Version 1", "Version one")
    with pytest.raises(PromotionRefused, match=r"count v1 cannot be served again: nothing was changed\n  - .*v1.json"):
        rollback(shipped.project, "count", "production", at=AT)
    assert served(shipped) == "v2"


def test_a_version_that_was_never_served_is_refused(shipped: Releases) -> None:
    with pytest.raises(UsageError, match="did not serve count v3 among its last 10"):
        rollback(shipped.project, "count", "production", at=AT, to="v3")


def test_a_dry_run_writes_nothing(shipped: Releases) -> None:
    assert rollback(shipped.project, "count", "production", at=AT, dry_run=True).served.version == "v1"
    assert (served(shipped), shipped.status()) == ("v2", "")


def test_it_loads_no_client_no_template_engine_and_no_database(shipped: Releases) -> None:
    code = (
        "import sys; from promptops.cli.main import run; code = run(['rollback', 'count']); "
        "print(code, [m for m in ('httpx', 'jinja2', 'deepdiff', 'sqlite3', 'jsonschema') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=shipped.kit.path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"
