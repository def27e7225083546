"""Two processes at once, and what is left when one is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptops.errors import PromotionRefused
from promptops.project.manifest import load_manifest
from promptops.release.publishing import Publication, manifest_bytes, publish
from promptops.release.verify import verify
from tests.release.conftest import Releases

PROMPTOPS = [sys.executable, "-m", "promptops.cli.main"]


def start(releases: Releases, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROMPTOPS, *arguments], cwd=releases.kit.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(releases: Releases) -> None:
    """A hook holds the first commit up: the second decides on the manifest before it or after it."""
    releases.canary("v2", "v1")
    releases.canary("v3", "v1")
    hook = releases.kit.write(".git/hooks/pre-commit", "#!/bin/sh\nsleep 3\n")
    hook.chmod(0o755)
    both = [
        start(releases, "promote", "count@v2", "--to", "production"),
        start(releases, "promote", "count@v3", "--to", "production", "--ack", "c1"),
    ]
    ends = [(process.communicate(timeout=120), process.returncode) for process in both]
    codes = sorted(code for _, code in ends)
    assert codes == [0, 1], ends
    errors = next(err for (_, err), code in ends if code == 1)
    told = ("another promotion or edit changed the manifest at the same time", "the last one was against v1")
    assert any(words in errors for words in told), errors
    assert "Traceback" not in errors
    winner = "v2" if ends[0][1] == 0 else "v3"
    assert load_manifest(releases.project).environments["production"].prompts["count"].version == winner
    assert releases.kit.git("log", "--format=%s", "-1").strip() == f"Promote count {winner} to production"
    assert verify(releases.project).problems == ()
    assert "released" not in releases.status()


def test_a_decision_on_a_manifest_that_changed_since_writes_nothing(releases: Releases) -> None:
    before = manifest_bytes(releases.project)
    path = releases.kit.path / "prompts/manifest.yaml"
    path.write_text("# changed\n" + path.read_text())
    with pytest.raises(PromotionRefused, match="changed the manifest at the same time"):
        publish(releases.project, Publication(files={path: "format: 1\n"}, before=before, words=None))
    assert path.read_text().startswith("# changed\n")


def test_promotions_of_two_prompts_at_once_both_hold_when_they_are_run_again(releases: Releases) -> None:
    """They share the manifest: the one that comes second is told, and is simply run again."""
    releases.add("other", count=5)
    releases.record("v1", name="other")
    releases.commit()
    releases.canary("v2", "v1")
    commands = (["promote", "count@v2", "--to", "production"], ["adopt", "other@v1"])
    both = [start(releases, *command) for command in commands]
    for process in both:
        process.communicate(timeout=120)
    assert {process.returncode for process in both} <= {0, 1}
    for command in commands:
        done = subprocess.run([*PROMPTOPS, *command], cwd=releases.kit.path, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    prompts = load_manifest(releases.project).environments["production"].prompts
    assert {name: entry.version for name, entry in prompts.items()} == {"count": "v2", "other": "v1"}
    assert (verify(releases.project).problems, releases.status()) == ((), "")


def test_a_promotion_killed_while_it_commits_can_be_done_again(releases: Releases) -> None:
    releases.canary("v2", "v1")
    hook = releases.kit.write(".git/hooks/pre-commit", "#!/bin/sh\ntouch reached\nsleep 60\n")
    hook.chmod(0o755)
    process = start(releases, "promote", "count@v2", "--to", "production")
    while not (releases.kit.path / "reached").exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    hook.unlink()
    Path(releases.kit.path / ".git/index.lock").unlink(missing_ok=True)
    releases.kit.git("checkout", "-q", "--", "prompts/manifest.yaml")
    done = subprocess.run(
        [*PROMPTOPS, "promote", "count@v2", "--to", "production"],
        cwd=releases.kit.path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert verify(releases.project).problems == ()
