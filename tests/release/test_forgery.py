"""Edits by somebody who knows the formats: every digest and figure fits again, and `verify` finds it still."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.core.canary import decide
from promptops.core.digest import sha256_of, version_digest
from promptops.core.measurement import measurement_digest
from promptops.core.plan import case_order
from promptops.formats import CanaryEvidence, CanarySettings, Closure, Manifest
from promptops.project.manifest import load_manifest, render_manifest
from promptops.release.verify import verify
from tests.release.conftest import Releases

EVIDENCE, BASELINE = "prompts/count/evidence/v2.json", "prompts/count/evidence/v1.json"
CLOSURE = "prompts/count/released/v2.json"
RECORDINGS = "fixtures/count/recordings/v2/test%2Fmodel-1.jsonl"
OTHER = "sha256:" + "0" * 64
MODEL = "from pydantic import BaseModel\n\n\nclass Count(BaseModel):\n    n: int\n"


class Forger:
    """Edits the files of a project and makes what else there is fit."""

    def __init__(self, releases: Releases) -> None:
        self.kit, self.releases = releases.kit, releases

    def json(self, path: str, change: Callable[[Any], Any]) -> None:
        document = json.loads(self.kit.read(path))
        change(document)
        self.kit.write(path, json.dumps(document, indent=2, sort_keys=True) + "\n")

    def manifest(self, change: Callable[[Any], Any]) -> None:
        document = load_manifest(self.releases.project).model_dump(mode="json")
        change(document["environments"])
        self.kit.write("prompts/manifest.yaml", render_manifest(Manifest.model_validate(document)))

    def entry(self, **values: Any) -> None:
        self.manifest(lambda environments: environments["production"]["prompts"]["count"].update(values))

    def before(self, **values: Any) -> None:
        self.manifest(lambda environments: environments["production"]["prompts"]["count"]["previous"][0].update(values))

    def canary(self, change: Callable[[Any], Any]) -> None:
        """Change the canary, decide again, and let the manifest name the result."""

        def forge(document: Any) -> None:
            record = document["canaries"][0]
            change(record)
            pairs: Any = {case: (pair["baseline"], pair["candidate"]) for case, pair in record["outcomes"].items()}
            settings = CanarySettings(alpha=record["alpha"], delta=record["delta"])
            again = decide(pairs, settings, attempt=record["attempt"], gates=record["gates"])
            record.update(verdict=again.verdict, p_value=again.p_value, difference=again.difference)
            record.update(interval=again.interval, order=case_order(pairs, record["seed"]))

        self.json(EVIDENCE, forge)
        self.fit()

    def fit(self) -> None:
        record = CanaryEvidence.model_validate_json(json.dumps(json.loads(self.kit.read(EVIDENCE))["canaries"][-1]))
        self.entry(evidence=sha256_of(record.model_dump(mode="json")))

    def accepted(self, case: str, /, **values: Any) -> None:
        self.json(EVIDENCE, lambda document: document["accepted"]["cases"][case].update(values))

    def closure(self, **values: Any) -> None:
        """Change the closure, and every digest of it."""
        document = json.loads(self.kit.read(CLOSURE))
        document["closure"].update(values)
        document["digest"] = digest = version_digest(Closure.model_validate(document["closure"]))
        self.kit.write(CLOSURE, json.dumps(document))
        self.json(EVIDENCE, lambda evidence: evidence["canaries"][0]["candidate"].update(digest=digest))
        self.json(EVIDENCE, lambda evidence: evidence["accepted"].update(version=digest))
        self.entry(digest=digest)
        self.fit()

    def recording(self, case: str, /, **values: Any) -> None:
        """Change a recorded sample, its line's digest, and the digest that was accepted."""
        lines = [json.loads(line) for line in self.kit.read(RECORDINGS).splitlines()]
        for line in lines:
            if line["case"] == case:
                line.update(values)
                line["digest"] = sha256_of({key: value for key, value in line.items() if key != "digest"})
                self.accepted(case, samples=[line["digest"]])
        self.kit.write(RECORDINGS, "".join(json.dumps(line) + "\n" for line in lines))

    def earlier_regress(self) -> None:
        """An earlier attempt said regress, and the one that let the version in did not say pass."""

        def forge(document: Any) -> None:
            bad = json.loads(json.dumps(document["canaries"][0]))
            for pair in bad["outcomes"].values():
                pair.update(baseline="pass", candidate="fail")
            document["canaries"].insert(0, bad)
            document["canaries"][1].update(attempt=2)
            for record in document["canaries"]:
                pairs: Any = {c: (pair["baseline"], pair["candidate"]) for c, pair in record["outcomes"].items()}
                again = decide(pairs, CanarySettings(delta=0.01), attempt=record["attempt"])
                record.update(delta=0.01, verdict=again.verdict, p_value=again.p_value, difference=again.difference)
                record.update(interval=again.interval)

        self.json(EVIDENCE, forge)
        self.fit()


def other_dataset(record: Any) -> None:
    parts = record["measurement"]
    parts.update(dataset=OTHER, digest=measurement_digest(OTHER, parts["checks"], parts["contract"]))


def first_to(how: str) -> Callable[[Forger], None]:
    return lambda f: f.entry(how=how, evidence=None, reason="x", previous=[])


FORGED: list[tuple[str, Callable[[Forger], Any], str]] = [
    ("served before its evidence", lambda f: f.entry(at="2020-01-01T00:00:00Z"), "before its evidence was finished"),
    ("served at no time", lambda f: f.entry(at="yesterday"), "which is no time"),
    ("a reason for a promotion", lambda f: f.entry(reason="trust me"), "which only the other ways do"),
    (
        "an adoption in place of a promotion",
        first_to("adopted"),
        "v1.json:0: was released, and no environment says that it serves or served v1",
    ),
    (
        "acknowledged cases of an override",
        lambda f: f.entry(how="override", evidence=None, reason="x", acknowledged=["c1"]),
        "names acknowledged cases, and was not promoted (override)",
    ),
    (
        "what was served before: its evidence",
        lambda f: f.before(evidence=OTHER),
        "previous[0]: names evidence, and was not promoted",
    ),
    (
        "what was served before: how",
        lambda f: f.before(how="promoted"),
        "previous[0]: was promoted, and names no evidence",
    ),
    (
        "what was served before: acknowledged",
        lambda f: f.before(acknowledged=["c1"]),
        "previous[0]: names acknowledged",
    ),
    (
        "what was served before: since when",
        lambda f: f.before(at="2030-01-01T00:00:00Z"),
        "and replaced what is served since 2030",
    ),
    (
        "an entry taken out",
        lambda f: f.manifest(lambda e: e["production"]["prompts"].clear()),
        "no environment says that it serves or served v2: its entry was removed",
    ),
    ("the manifest taken out", lambda f: (f.kit.path / "prompts/manifest.yaml").unlink(), "its entry was removed"),
    (
        "an environment that is not there",
        lambda f: f.manifest(lambda e: e["production"].update(after="staging")),
        "`after` names 'staging', which is no environment",
    ),
    (
        "a closure nobody served",
        lambda f: shutil.copy(f.kit.path / CLOSURE, f.kit.path / CLOSURE.replace("v2", "v3")),
        "v3",
    ),
    ("the template of a closure", lambda f: f.closure(template="Hi"), "v2.j2:0: was edited after its release"),
    ("the parameters of a closure", lambda f: f.closure(params={"temperature": 1.0}), "was edited after its release"),
    ("the finish of a canary", lambda f: f.canary(lambda c: c.update(finished_at="soon")), "'soon', which is no time"),
    (
        "a canary after the promotion",
        lambda f: f.canary(lambda c: c.update(finished_at="2030-01-01T00:00:00Z")),
        "before its evidence was finished (2030",
    ),
    ("attempts", lambda f: f.canary(lambda c: c.update(attempt=10_000)), "says attempt 10000, and is number 1"),
    (
        "the candidate's outcome",
        lambda f: f.canary(lambda c: c["outcomes"]["c8"].update(candidate="pass")),
        "record behind the promotion replayed: c8 (fail accepted, pass seen)",
    ),
    (
        "the baseline's outcome",
        lambda f: f.canary(lambda c: c["outcomes"]["c7"].update(baseline="pass")),
        "v1.json:0: accepted outcomes differ from what the canary of v2 replayed: c7 (fail accepted, pass seen)",
    ),
    ("a case taken out", lambda f: f.canary(lambda c: c["outcomes"].pop("c8")), "left cases out: c8"),
    (
        "a case made up",
        lambda f: f.canary(lambda c: c["outcomes"].update(zz={"baseline": "pass", "candidate": "pass"})),
        "cases of the record behind the promotion were not accepted: zz",
    ),
    (
        "a part of the measurement",
        lambda f: f.canary(lambda c: c["measurement"].update(dataset=OTHER)),
        "its measurement digest is not that of its dataset",
    ),
    ("the measurement", lambda f: f.canary(other_dataset), "were measured differently"),
    ("an earlier regress", Forger.earlier_regress, "although attempt 1 said regress"),
    ("no accepted outcomes", lambda f: f.json(EVIDENCE, lambda e: e.update(accepted=None)), "has no accepted outcomes"),
    ("counts of a pass", lambda f: f.accepted("c3", passes=5), "contradict their own counts: c3"),
    ("counts of a failure", lambda f: f.accepted("c3", outcome="fail"), "contradict their own counts: c3"),
    ("the number of samples", lambda f: f.accepted("c3", of=3), "contradict their own counts: c3"),
    (
        "samples of another case",
        lambda f: f.json(
            EVIDENCE, lambda e: e["accepted"]["cases"]["c3"].update(samples=e["accepted"]["cases"]["c4"]["samples"])
        ),
        "no longer holds the samples that these cases were accepted with: c3",
    ),
    ("the content of a case", lambda f: f.accepted("c3", case=OTHER), "not of the dataset that their digest names"),
    (
        "when outcomes were accepted",
        lambda f: f.json(EVIDENCE, lambda e: e["accepted"].update(accepted_at="soon")),
        "'soon', which is no time",
    ),
    (
        "what a sample answers",
        lambda f: f.recording("c3", request=OTHER),
        "holds samples of other requests than count@v2 makes: c3",
    ),
]


@pytest.mark.parametrize(("forge", "words"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED])
def test_a_consistent_forgery_is_found(shipped: Releases, forge: Callable[[Forger], Any], words: str) -> None:
    assert not verify(shipped.project).problems
    forge(Forger(shipped))
    problems = verify(shipped.project).problems
    told = "\n".join(f"{item.path}:{item.line}: {item.message}" for item in problems)
    assert words in told, told
    assert all(item.hint and item.commit for item in problems if words in f"{item.path}:{item.line}: {item.message}")


NOTICED: list[tuple[str, Callable[[Forger], Any], str]] = [
    ("an override", lambda f: f.entry(how="override", evidence=None, reason="x"), "let in without evidence: x"),
    (
        "how a canary decided",
        lambda f: f.canary(lambda c: c.update(delta=0.3)),
        "decided with alpha 0.05 and delta 0.3",
    ),
    ("samples not named", lambda f: f.accepted("c3", samples=[]), "without naming the recordings that there are: c3"),
    ("evidence of what was adopted", lambda f: (f.kit.path / BASELINE).unlink(), "holds no accepted outcomes of v1"),
]


@pytest.mark.parametrize(("forge", "words"), [row[1:] for row in NOTICED], ids=[row[0] for row in NOTICED])
def test_what_may_have_a_reason_is_noticed(shipped: Releases, forge: Callable[[Forger], Any], words: str) -> None:
    assert not verify(shipped.project).notices
    forge(Forger(shipped))
    assert words in "\n".join(item.message for item in verify(shipped.project).notices)


@pytest.fixture(scope="module")
def python_contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A promoted version whose outcomes only Python of the repository could judge."""
    found = Releases(tmp_path_factory.mktemp("python") / "project", output="schema.py:Count")
    found.kit.write("prompts/count/schema.py", MODEL)
    found.record("v1", wrong=("c7", "c8"))
    found.record("v2", wrong=("c8",))
    found.kit.git_init()
    found.adopt("v1")
    found.canary("v2", "v1", mode="replay", baseline_source="recorded")
    found.promote("v2")
    return found.kit.path


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (lambda f: f.accepted("c3", outcome="fail", passes=0), "c3 (fail accepted, pass seen)"),
        (
            lambda f: (f.recording("c8", text='{"n": 8}'), f.accepted("c8", outcome="pass", passes=1)),
            "c8 (pass accepted, fail seen)",
        ),
        (lambda f: f.recording("c3", request=OTHER), "other requests than count@v2 makes: c3"),
    ],
)
def test_what_needs_python_to_judge_is_compared_with_what_was_replayed(
    python_contract: Path, tmp_path: Path, forge: Callable[[Forger], Any], words: str
) -> None:
    shutil.copytree(python_contract, tmp_path, dirs_exist_ok=True)
    releases = Releases(tmp_path)
    assert not verify(releases.project).problems
    forge(Forger(releases))
    assert words in "\n".join(item.message for item in verify(releases.project).problems)


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_of_two_promotions_that_git_merged_the_lost_one_is_found(releases: Releases, side: str) -> None:
    """Both branches promoted over v1; whichever entry the merge keeps, the other version was compared with nothing."""
    kit = releases.kit
    releases.canary("v2", "v1")
    releases.canary("v3", "v1")
    kit.commit("Canaries")
    kit.git("checkout", "-q", "-b", "feature")
    releases.promote("v3", acknowledged=("c1",))
    kit.git("checkout", "-q", "main")
    releases.promote("v2")
    kit.git("merge", "-q", "-X", side, "-m", "Merge feature", "feature")
    found = {item.path: item for item in verify(releases.project).problems}
    lost = "prompts/count/released/v3.json" if side == "ours" else CLOSURE
    assert "its entry was removed, or lost in a merge" in found[lost].message
    assert "what replaced it needs a canary against it" in found[lost].hint
