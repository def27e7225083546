from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from promptops.errors import GitError, ProblemsError, PromotionRefused, UsageError
from promptops.project.evidence import evidence_digest, load_evidence
from promptops.project.manifest import load_manifest
from promptops.project.released import load_closure
from tests.release.conftest import Releases


def served(releases: Releases, environment: str = "production", name: str = "count") -> str:
    return load_manifest(releases.project).environments[environment].prompts[name].version


def test_a_promotion_writes_closure_accepted_outcomes_and_manifest_in_one_commit(releases: Releases) -> None:
    record = releases.canary("v2", "v1")
    done = releases.promote("v2")
    entry = load_manifest(releases.project).environments["production"].prompts["count"]
    assert (entry.version, entry.how, entry.evidence) == ("v2", "promoted", evidence_digest(record))
    assert [item.version for item in entry.previous] == ["v1"]
    assert load_closure(releases.project, "count", "v2").version == "v2"
    accepted = load_evidence(releases.project, "count", "v2").accepted
    assert accepted is not None
    assert [case for case, item in accepted.cases.items() if item.outcome == "fail"] == ["c8"]
    assert releases.status() == ""
    assert releases.kit.git("rev-parse", "HEAD").strip() == done.commit
    changed = releases.kit.git("show", "--name-only", "--format=", "HEAD").split()
    assert changed == [
        "prompts/count/evidence/v2.json",
        "prompts/count/released/v2.json",
        "prompts/manifest.yaml",
    ]


def test_the_commit_names_digest_evidence_and_verdict_in_trailers(releases: Releases) -> None:
    record = releases.canary("v2", "v1")
    releases.promote("v2")
    message = releases.kit.git("log", "-1", "--format=%B")
    assert message.startswith("Promote count v2 to production\n\nIt replaces v1 (")
    trailers = releases.kit.git("log", "-1", "--format=%(trailers:only,unfold)")
    assert f"Promptops-Digest: {record.candidate.digest}" in trailers
    assert f"Promptops-Evidence: {evidence_digest(record)}" in trailers
    assert re.search(r"Promptops-Verdict: \w+ \(attempt 1\)", trailers)


def test_without_evidence_it_is_refused_with_the_next_command_and_nothing_changes(releases: Releases) -> None:
    with pytest.raises(PromotionRefused) as caught:
        releases.promote("v2")
    assert caught.value.exit_code == 1
    assert caught.value.missing == ("a canary of count@v2 against v1: there is none yet",)
    assert caught.value.command == "promptops canary count@v2"
    assert (served(releases), releases.status()) == ("v1", "")


def test_evidence_of_another_template_does_not_count(releases: Releases) -> None:
    releases.canary("v2", "v1")
    releases.edit("prompts/count/v2.j2", "Version 2", "Version two")
    releases.commit()
    with pytest.raises(PromotionRefused, match="was never measured"):
        releases.promote("v2")


def test_evidence_of_an_older_dataset_does_not_count(releases: Releases) -> None:
    releases.canary("v2", "v1")
    rows = releases.kit.read("fixtures/count/cases.jsonl")
    releases.kit.write(
        "fixtures/count/cases.jsonl", rows + '{"id": "new", "inputs": {"text": "x"}, "expected": {"n": 1}}\n'
    )
    releases.commit()
    with pytest.raises(PromotionRefused, match="dataset, checks or contract changed since the last one"):
        releases.promote("v2")


def test_a_baseline_replaced_since_the_canary_is_refused(releases: Releases) -> None:
    releases.canary("v3", "v1")
    releases.canary("v2", "v1")
    releases.promote("v2")
    with pytest.raises(PromotionRefused, match=r"the last one was against v1 .*, and production serves v2"):
        releases.promote("v3", acknowledged=("c1",))


def test_broken_cases_are_acknowledged_by_id_and_recorded(releases: Releases) -> None:
    releases.canary("v3", "v1")
    with pytest.raises(PromotionRefused, match="broken case c1: mend it, or acknowledge it with --ack c1") as caught:
        releases.promote("v3")
    assert caught.value.command == "promptops promote count@v3 --to production --ack c1"
    releases.promote("v3", acknowledged=("c1",))
    assert load_manifest(releases.project).environments["production"].prompts["count"].acknowledged == ["c1"]
    assert "Promptops-Acknowledged: c1" in releases.kit.git("log", "-1", "--format=%B")


def test_an_override_goes_without_evidence_and_stays_visible(releases: Releases) -> None:
    done = releases.promote("v2", override="the vendor\nretires the model")
    entry = load_manifest(releases.project).environments["production"].prompts["count"]
    assert (entry.how, entry.evidence, entry.reason) == ("override", None, "the vendor\nretires the model")
    assert "Promptops-Override: the vendor retires the model" in releases.kit.git("log", "-1", "--format=%B")
    assert done.commit


def test_a_dry_run_decides_and_writes_nothing(releases: Releases) -> None:
    releases.canary("v2", "v1")
    before = releases.status()
    done = releases.promote("v2", dry_run=True)
    assert (done.served.version, done.commit) == ("v2", None)
    assert (served(releases), releases.status()) == ("v1", before)
    with pytest.raises(PromotionRefused):
        releases.promote("v3", dry_run=True)


def test_no_commit_writes_the_files_only(releases: Releases) -> None:
    releases.canary("v2", "v1")
    head = releases.kit.git("rev-parse", "HEAD")
    assert releases.promote("v2", commit=False).commit is None
    assert served(releases) == "v2"
    assert releases.kit.git("rev-parse", "HEAD") == head


def test_what_is_served_already_is_left_alone(releases: Releases) -> None:
    assert releases.promote("v1").already
    assert releases.promote("v1").notices == ()
    assert releases.status() == ""


def test_what_is_served_and_not_committed_is_told(releases: Releases) -> None:
    releases.canary("v2", "v1")
    releases.promote("v2", commit=False)
    assert "not committed yet: git add prompts/count/evidence/v2.json" in releases.promote("v2").notices[0]


def test_a_released_version_is_frozen(releases: Releases) -> None:
    path = "prompts/count/released/v2.json"
    releases.canary("v2", "v1")
    releases.promote("v2")
    releases.edit("prompts/count/v2.j2", "Version 2", "Version two")
    releases.commit()
    with pytest.raises(ProblemsError, match="is released and frozen, and its file was edited"):
        releases.promote("v2", environment="production")
    assert json.loads(releases.kit.read(path))["closure"]["version"] == "v2"


def test_uncommitted_sources_are_named_and_nothing_is_swept_up(releases: Releases) -> None:
    releases.kit.write("prompts/count/prompt.yaml", releases.kit.read("prompts/count/prompt.yaml") + "owner: ada\n")
    releases.canary("v2", "v1")
    with pytest.raises(PromotionRefused, match="not committed") as caught:
        releases.promote("v2")
    assert caught.value.missing == ("prompts/count/prompt.yaml",)
    assert served(releases) == "v1"


def test_an_uncommitted_manifest_is_not_swept_up(releases: Releases) -> None:
    releases.canary("v2", "v1")
    releases.kit.write("prompts/manifest.yaml", "# a remark\n" + releases.kit.read("prompts/manifest.yaml"))
    with pytest.raises(PromotionRefused, match="not committed") as caught:
        releases.promote("v2")
    assert caught.value.missing == ("prompts/manifest.yaml",)


def test_what_the_user_staged_stays_staged_and_out_of_the_commit(releases: Releases) -> None:
    releases.canary("v2", "v1")
    releases.kit.write("other.txt", "mine")
    releases.kit.git("add", "other.txt")
    releases.promote("v2")
    assert releases.status() == "A  other.txt\n"


def test_new_recordings_of_the_version_are_committed_along(releases: Releases) -> None:
    path = releases.record("v2", wrong=("c5",))
    releases.canary("v2", "v1", verdict="pass")
    releases.promote("v2", acknowledged=("c5",))
    assert path.name in releases.kit.git("show", "--name-only", "--format=", "HEAD").replace("%25", "%")
    assert releases.status() == ""


def hook(releases: Releases, script: str) -> None:
    path = releases.kit.write(".git/hooks/pre-commit", f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_hook_that_refuses_leaves_everything_as_it_was(releases: Releases) -> None:
    releases.canary("v2", "v1")
    before = (releases.status(), releases.kit.read("prompts/count/evidence/v2.json"))
    hook(releases, "echo 'not on a Friday' >&2; exit 1")
    with pytest.raises(GitError, match="not on a Friday"):
        releases.promote("v2")
    assert (releases.status(), releases.kit.read("prompts/count/evidence/v2.json")) == before
    assert served(releases) == "v1"
    assert not (releases.kit.path / "prompts/count/released/v2.json").exists()


def test_hooks_run_on_a_promotion(releases: Releases) -> None:
    releases.canary("v2", "v1")
    hook(releases, "echo ran > hook-ran")
    releases.promote("v2")
    assert releases.kit.read("hook-ran") == "ran\n"


def test_outside_git_it_says_how_to_go_on(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.record("v1")
    with pytest.raises(GitError, match=r"not in a git repository.*\n--no-commit writes the files"):
        releases.adopt("v1")
    assert not (tmp_path / "prompts/manifest.yaml").exists()
    releases.adopt("v1", commit=False)
    assert served(releases) == "v1"


def test_staging_comes_first_where_the_policy_says_after(releases: Releases) -> None:
    text = (
        releases.kit.read("prompts/manifest.yaml").replace("  production:\n", "  production:\n    after: staging\n")
        + "  staging:\n    require: run\n"
    )
    releases.kit.write("prompts/manifest.yaml", text)
    releases.commit()
    releases.canary("v2", "v1")
    releases.run("v2")
    with pytest.raises(PromotionRefused, match="staging must serve count@v2 first") as caught:
        releases.promote("v2")
    assert caught.value.command == "promptops promote count@v2 --to staging"
    with pytest.raises(PromotionRefused, match="failing case c8") as refused:
        releases.promote("v2", environment="staging")
    releases.promote("v2", environment="staging", acknowledged=("c8",))
    releases.promote("v2")
    assert refused.value.command.endswith("--ack c8")
    assert served(releases) == served(releases, "staging") == "v2"


def test_a_prompt_without_a_dataset_is_told_to_be_adopted(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.kit.prompt("bare", versions={"v1": "Hello {{ name }}"})
    releases.kit.git_init()
    with pytest.raises(PromotionRefused, match="a dataset") as caught:
        releases.promote("v1", name="bare")
    assert caught.value.command == "promptops adopt bare@v1 --env production"
    releases.adopt("v1", name="bare")
    assert load_evidence(releases.project, "bare", "v1").accepted is None


def test_a_misspelt_environment_makes_no_new_one(releases: Releases) -> None:
    with pytest.raises(UsageError, match="did you mean 'production'"):
        releases.promote("v2", environment="prodction")
