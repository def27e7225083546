from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.core.digest import sha256_of
from promptops.errors import PromotionRefused
from promptops.project.evidence import evidence_digest
from promptops.release.rollback import rollback
from promptops.release.verify import verify
from promptops.release.verifying.findings import VerifyReport
from tests.release.conftest import Releases

CLOSURE, EVIDENCE, MANIFEST = (
    "prompts/count/released/v2.json",
    "prompts/count/evidence/v2.json",
    "prompts/manifest.yaml",
)
RECORDINGS = "fixtures/count/recordings/v2/test%2Fmodel-1.jsonl"


def told(report: VerifyReport) -> str:
    return "\n".join(
        f"{item.path}:{item.line}: {item.message} | {item.hint} | {item.commit}" for item in report.problems
    )


def change_json(releases: Releases, path: str, change: Callable[[Any], None]) -> None:
    document = json.loads(releases.kit.read(path))
    change(document)
    releases.kit.write(path, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def test_what_the_tool_wrote_holds(shipped: Releases) -> None:
    report = verify(shipped.project)
    assert (told(report), report.notices) == ("", ())
    assert report.prompts == ("count",)
    assert any("80 accepted outcomes from the recordings" in line for line in report.recomputed)
    assert not report.skipped


def test_what_the_tool_wrote_holds_after_a_rollback_and_a_second_promotion(shipped: Releases) -> None:
    rollback(shipped.project, "count", "production", at="2026-11-23T00:00:00Z")
    assert told(verify(shipped.project)) == ""
    shipped.canary("v3", "v1")
    shipped.promote("v3", acknowledged=("c1",))
    assert told(verify(shipped.project)) == ""


def outcome(case: str, side: str, value: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document["canaries"][0]["outcomes"][case][side] = value

    return change


def canary(**values: Any) -> Callable[[Any], None]:
    return lambda document: document["canaries"][0].update(values)


def remove(*keys: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


def accept(case: str, **values: Any) -> Callable[[Any], None]:
    return lambda document: document["accepted"]["cases"][case].update(values)


EDITED_JSON: list[tuple[str, str, Callable[[Any], None], str]] = [
    ("the template of a closure", CLOSURE, lambda d: d["closure"].update(template="Hi"), "was edited: its content"),
    ("the digest of a closure", CLOSURE, lambda d: d.update(digest="sha256:" + "0" * 64), "was edited: its content"),
    ("the parameters of a closure", CLOSURE, lambda d: d["closure"].update(params={"temperature": 1}), "was edited"),
    ("an outcome of the canary", EVIDENCE, outcome("c7", "candidate", "fail"), "which environments.production"),
    ("the verdict", EVIDENCE, canary(verdict="regress"), "says verdict regress, and its outcomes give"),
    ("the p value", EVIDENCE, canary(p_value=0.0001), "says p = 0.0001, and its outcomes give"),
    ("the difference", EVIDENCE, canary(difference=0.9), "says a difference of 0.9"),
    ("the interval", EVIDENCE, canary(interval=[0.0, 0.1]), "says an interval of"),
    ("the attempt", EVIDENCE, canary(attempt=3), "says attempt 3, and is number 1"),
    ("the order", EVIDENCE, canary(order=["c1"]), "its order is not the one that seed 7 gives"),
    ("the seed", EVIDENCE, canary(seed=8), "its order is not the one that seed 8 gives"),
    ("the time", EVIDENCE, canary(finished_at="2020-01-01T00:00:00Z"), "holds no record with digest"),
    ("a record taken out", EVIDENCE, remove("canaries", 0), "holds no record with digest"),
    (
        "an accepted pass made a known failure",
        EVIDENCE,
        accept("c3", outcome="fail", passes=0),
        "c3 (fail 0/1 accepted, pass 1/1 now)",
    ),
    (
        "an accepted failure made a pass",
        EVIDENCE,
        accept("c8", outcome="pass", passes=1),
        "c8 (pass 1/1 accepted, fail 0/1 now)",
    ),
    (
        "the digest of an accepted sample",
        EVIDENCE,
        accept("c3", samples=["sha256:" + "1" * 64]),
        "no longer holds the samples",
    ),
    (
        "the content outcomes were accepted for",
        EVIDENCE,
        lambda d: d["accepted"].update(version="sha256:" + "2" * 64),
        "of another content or pin",
    ),
]


@pytest.mark.parametrize(
    ("path", "change", "words"), [row[1:] for row in EDITED_JSON], ids=[row[0] for row in EDITED_JSON]
)
def test_an_edited_file_is_found_with_the_file_and_the_commit(
    shipped: Releases, path: str, change: Callable[[Any], None], words: str
) -> None:
    change_json(shipped, path, change)
    sha = shipped.commit("Tidy up")
    report = verify(shipped.project)
    assert words in told(report)
    assert all(item.prompt == "count" for item in report.problems)
    blamed = " ".join(item.commit + item.hint for item in report.problems)
    assert re.search(rf"{sha[:10]} by Test on \d{{4}}-\d\d-\d\d: Tidy up", blamed)


EDITED_MANIFEST = [
    ("the digest", r"(    count:\n.*?digest: \"?sha256:)\w{8}", r"\g<1>00000000", "says digest 00000000"),
    ("the pin", r"pin: test/model-1", "pin: test/model-2", "says pin test/model-2, and"),
    ("the version", r"(count:\n +version: )v2", r"\1v1", "says digest"),
    ("the evidence", r"(evidence: \"?sha256:)\w{8}", r"\g<1>00000000", "holds no record with digest 00000000"),
    ("evidence taken out", r" +evidence: .*\n", "", "was promoted, and names no evidence"),
    ("how it got there", r"how: promoted", "how: adopted", "names evidence, and was not promoted"),
    ("an override without a reason", r" +evidence: .*\n +how: promoted", "        how: override", "gives no reason"),
    (
        "a rollback that never was",
        r" +evidence: .*\n +how: promoted",
        "        how: rolled-back",
        "was not served before",
    ),
    (
        "an adoption over another",
        r" +evidence: .*\n +how: promoted",
        "        how: adopted",
        "was adopted, and replaced v1",
    ),
    ("an acknowledged case", r"(how: promoted\n)", r"\1        acknowledged: [c1]\n", "acknowledged, and not broken"),
    ("what was served before", r"(?s)        previous:.*", "", "nothing was served before"),
    (
        "the digest before",
        r"(?s)(previous:.*?digest: \"?sha256:)\w{8}",
        r"\g<1>00000000",
        "the baseline was replaced since",
    ),
]


@pytest.mark.parametrize(
    ("pattern", "by", "words"), [row[1:] for row in EDITED_MANIFEST], ids=[row[0] for row in EDITED_MANIFEST]
)
def test_an_edited_manifest_entry_is_found(shipped: Releases, pattern: str, by: str, words: str) -> None:
    text, count = re.subn(pattern, by, shipped.kit.read(MANIFEST), count=1, flags=re.DOTALL if "(?s)" in pattern else 0)
    if not count:
        text, count = re.subn(pattern, by, shipped.kit.read(MANIFEST), count=1, flags=re.DOTALL)
    assert count, shipped.kit.read(MANIFEST)
    shipped.kit.write(MANIFEST, text)
    report = verify(shipped.project)
    assert words in told(report), told(report)
    assert any("a change that is not committed" in item.commit + item.hint for item in report.problems)


def test_a_baseline_replaced_since_the_canary_is_found(shipped: Releases) -> None:
    """v3 was compared with v1 on a branch, and the merge puts it on top of v2."""
    text = shipped.kit.read(MANIFEST)
    rollback(shipped.project, "count", "production", at="2026-11-23T00:00:00Z")
    shipped.canary("v3", "v1")
    shipped.promote("v3", acknowledged=("c1",))
    head, _, _ = shipped.kit.read(MANIFEST).partition("        previous:\n")
    shipped.kit.write(MANIFEST, f"{head}        previous:\n{_as_previous(text)}")
    assert "the baseline was replaced since the canary, which was against v1" in told(verify(shipped.project))


def test_an_entry_let_in_after_a_regress_that_no_later_canary_took_back_is_found(releases: Releases) -> None:
    """`promote` refuses this, so the entry is written by hand; the order of the records does not matter."""
    for before, after in (("regress", "inconclusive"), ("inconclusive", "regress")):
        releases.kit.git("reset", "-q", "--hard", "HEAD")
        (releases.kit.path / EVIDENCE).unlink(missing_ok=True)
        records = [releases.canary("v2", "v1", verdict=verdict) for verdict in (before, after)]
        with pytest.raises(PromotionRefused, match="regress"):
            releases.promote("v2")
        releases.promote("v2", override="none", commit=False)
        let_in = next(record for record in records if record.verdict == "inconclusive")
        text = releases.kit.read(MANIFEST)
        text = text.replace("how: override", f"evidence: {evidence_digest(let_in)}\n        how: promoted")
        releases.kit.write(MANIFEST, text.replace("        reason: none\n", ""))
        assert "let in by a canary that said inconclusive, although attempt" in told(verify(releases.project))


def _as_previous(text: str) -> str:
    """The entry of a manifest as one item of `previous`."""
    fields = re.findall(r"(?m)^        (version|pin|digest|evidence|how|at): (.*)$", text)[:6]
    return "          -\n" + "".join(f"            {key}: {value}\n" for key, value in fields)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (CLOSURE, f"{CLOSURE}:0: is gone, and environments.production.prompts.count serves or served v2"),
        (EVIDENCE, f"{EVIDENCE}:0: is gone, and with it the record"),
        ("prompts/count/v2.j2", "prompts/count/v2.j2:0: is gone, and production serves count v2"),
        (RECORDINGS, "no longer holds the samples that these cases were accepted with: c0, c1"),
        ("prompts/count/released/v1.json", "previous[0] serves or served v1"),
    ],
)
def test_a_deleted_file_is_found_with_the_commit_that_deleted_it(shipped: Releases, path: str, words: str) -> None:
    (shipped.kit.path / path).unlink()
    sha = shipped.commit("Remove what nobody needs")
    report = verify(shipped.project)
    assert words in told(report)
    assert any(sha[:10] in item.commit for item in report.problems if item.path == path)


def test_a_whole_prompt_folder_that_is_gone_is_found(shipped: Releases) -> None:
    shutil.rmtree(shipped.kit.path / "prompts/count")
    assert "is gone" in told(verify(shipped.project))


def test_an_edited_recording_is_found_with_its_line(shipped: Releases) -> None:
    lines = shipped.kit.read(RECORDINGS).splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if '"c8"' in line)
    lines[number] = lines[number].replace("-1", "8", 1)
    shipped.kit.write(RECORDINGS, "".join(lines))
    report = verify(shipped.project)
    assert f"{RECORDINGS}:{number + 1}: was edited after it was recorded" in told(report)


def test_a_recording_edited_with_its_digest_made_to_fit_is_found(shipped: Releases) -> None:
    lines = [json.loads(line) for line in shipped.kit.read(RECORDINGS).splitlines()]
    for line in lines:
        if line["case"] == "c8":
            line["text"] = '{"n": 8}'
    for line in lines:
        line["digest"] = sha256_of({key: value for key, value in line.items() if key != "digest"})
    shipped.kit.write(RECORDINGS, "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
    assert "no longer holds the samples that these cases were accepted with: c8" in told(verify(shipped.project))


def test_an_edited_released_version_fails_for_that_prompt_alone_and_names_the_commit(shipped: Releases) -> None:
    shipped.add("other")
    shipped.record("v1", name="other")
    shipped.commit()
    shipped.adopt("v1", name="other")
    shipped.edit("prompts/count/v2.j2", "Version 2", "Version two")
    sha = shipped.commit("Reword")
    report = verify(shipped.project)
    assert [(item.prompt, item.path) for item in report.problems] == [("count", "prompts/count/v2.j2")]
    assert "was edited after its release: template differs from" in report.problems[0].message
    assert report.problems[0].commit.startswith(sha[:10])
    assert "promptops bump count" in report.problems[0].hint
    assert verify(shipped.project, ["other"]).problems == ()


def test_an_edited_include_or_contract_is_a_notice(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    releases.kit.write("prompts/_shared/tone.j2", "Be kind.")
    releases.edit("prompts/count/v1.j2", "{{ text }}", '{% include "_shared/tone.j2" %}{{ text }}')
    releases.record("v1")
    releases.kit.git_init()
    releases.adopt("v1")
    releases.edit("prompts/_shared/tone.j2", "kind", "brief")
    releases.edit("prompts/count/schema.json", '"integer"', '"number"')
    report = verify(releases.project)
    assert told(report) == ""
    notices = {item.path: item.message for item in report.notices}
    assert "an included template changed since v1 was released" in notices["prompts/_shared/tone.j2"]
    assert "the output contract changed since v1 was released" in notices["prompts/count/schema.json"]
    assert any("checks or contract changed since" in line for line in report.skipped)


def test_evidence_older_than_the_dataset_is_a_notice_with_the_number_of_cases(shipped: Releases) -> None:
    rows = shipped.kit.read("fixtures/count/cases.jsonl")
    more = "".join(f'{{"id": "n{n}", "inputs": {{"text": "x"}}, "expected": {{"n": {n}}}}}\n' for n in range(12))
    shipped.kit.write("fixtures/count/cases.jsonl", rows + more)
    report = verify(shipped.project)
    assert report.problems == ()
    assert "evidence older than the dataset (+12 cases)" in {item.message for item in report.notices}


def test_a_broken_candidate_breaks_nothing_that_is_served(shipped: Releases) -> None:
    shipped.kit.write("prompts/count/v4.j2", "---\nmodel: test/model-1\n---\n{% user %}{{ text }")
    report = verify(shipped.project)
    assert report.problems == ()
    assert any(item.path == "prompts/count/v4.j2" for item in report.notices)
    shipped.edit("prompts/count/v2.j2", "Version 2", "Version two")
    assert "was edited after its release" in told(verify(shipped.project))


MARKER = "import pathlib\npathlib.Path(__file__).with_name('ran').write_text('x')\n"
MODEL = "from pydantic import BaseModel\n\nclass Count(BaseModel):\n    n: int\n"


def test_no_python_of_the_repository_runs(tmp_path: Path) -> None:
    releases = Releases(tmp_path, output="schema.py:Count")
    releases.kit.write("prompts/count/schema.py", MODEL)
    releases.kit.write("prompts/count/checks.py", "def polite(output, case):\n    return True\n")
    releases.edit("prompts/count/prompt.yaml", "output", "checks: [matches, {python: 'checks.py:polite'}]\noutput")
    releases.record("v1")
    releases.kit.git_init()
    releases.adopt("v1")
    for name in ("schema.py", "checks.py"):
        releases.kit.write(f"prompts/count/{name}", MARKER + releases.kit.read(f"prompts/count/{name}"))
    releases.kit.write("conftest.py", MARKER)
    report = verify(releases.project)
    assert told(report) == ""
    assert not list(tmp_path.rglob("ran"))
    assert any("accepted outcomes, because" in line for line in report.skipped)


def test_a_changed_contract_class_is_a_notice_and_its_evidence_does_not_count(tmp_path: Path) -> None:
    """How a class normalises is in no JSON Schema."""
    releases = Releases(tmp_path, output="schema.py:Count")
    releases.kit.write("prompts/count/schema.py", MODEL)
    for version in ("v1", "v2"):
        releases.record(version)
    releases.kit.git_init()
    releases.adopt("v1")
    releases.canary("v2", "v1")
    releases.kit.write("prompts/count/schema.py", MODEL + "    # rounds since today\n")
    releases.commit()
    assert "evidence older than the checks or the contract" in {
        item.message for item in verify(releases.project).notices
    }
    with pytest.raises(PromotionRefused, match="dataset, checks or contract changed since the last one"):
        releases.promote("v2")


def test_an_override_is_no_problem_and_stays_visible(releases: Releases) -> None:
    releases.promote("v2", override="the vendor retires the model")
    report = verify(releases.project)
    assert told(report) == ""
    assert any("let in without evidence: the vendor retires" in item.message for item in report.notices)


def test_without_git_it_works_and_names_no_commit(shipped: Releases) -> None:
    shutil.rmtree(shipped.kit.path / ".git")
    change_json(shipped, CLOSURE, lambda document: document["closure"].update(template="Hi"))
    report = verify(shipped.project)
    assert report.problems
    assert {item.commit for item in report.problems} == {""}


def test_a_malformed_manifest_hides_no_edited_closure(shipped: Releases) -> None:
    shipped.kit.write(MANIFEST, "format: 1\nenvironments: [")
    change_json(shipped, CLOSURE, lambda document: document["closure"].update(template="Hi"))
    paths = {item.path for item in verify(shipped.project).problems}
    assert paths >= {MANIFEST, CLOSURE}
