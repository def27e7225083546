from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.manifest import serve
from promptops.errors import ProblemsError
from promptops.formats import Environment, Manifest, Served
from promptops.project.manifest import parse_manifest, render_manifest
from promptops.testing import TemporaryProject

D = "sha256:" + "0" * 64
PATH = "prompts/manifest.yaml"


def served(version: str, *, evidence: str | None = D, reason: str = "", ack: tuple[str, ...] = ()) -> Served:
    return Served(
        version=version,
        digest="sha256:" + version[1:].rjust(64, "a"),
        pin="openai/gpt-4.1-mini-2025-04-14",
        evidence=evidence,
        acknowledged=list(ack),
        how="promoted",
        reason=reason,
        at="2026-11-22T10:00:00Z",
    )


def manifest(
    *, environments: tuple[str, ...] = ("production",), prompts: tuple[str, ...] = ("a", "b", "c")
) -> Manifest:
    found = Manifest(environments={"staging": Environment(require="run", after=None)})
    for environment in environments:
        for prompt in prompts:
            for version in ("v1", "v2"):
                found = serve(found, environment, prompt, served(version))
    return found


def test_a_manifest_reads_back_as_it_was_written() -> None:
    original = serve(
        manifest(), "production", "b", served("v3", reason='odd: "quoted" #text\nno', ack=("c1", "no", "1e3"))
    )
    assert parse_manifest(render_manifest(original), path=PATH) == original


@given(reason=st.text(max_size=40), cases=st.lists(st.from_regex(r"\A[A-Za-z0-9][\w.\-]{0,8}\Z"), max_size=3))
def test_any_reason_and_case_id_survives(reason: str, cases: list[str]) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in reason):
        return
    original = serve(Manifest(), "production", "b", served("v1", reason=reason, ack=tuple(cases)))
    assert parse_manifest(render_manifest(original), path=PATH) == original


def test_the_same_manifest_has_one_text_whatever_order_it_was_made_in() -> None:
    one = manifest(environments=("staging", "production"), prompts=("a", "b"))
    other = manifest(environments=("production", "staging"), prompts=("b", "a"))
    assert render_manifest(one) == render_manifest(other)


def promote_on(project: TemporaryProject, branch: str, prompt: str, *, base: str = "main") -> None:
    project.git("checkout", "-q", "-b", branch, base)
    current = parse_manifest(project.read(PATH), path=PATH)
    project.write(PATH, render_manifest(serve(current, "production", prompt, served("v3"))))
    project.commit(f"Promote {prompt}")


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("b", "c"), ("a", "c"), ("c", "b")])
def test_promotions_of_two_prompts_on_two_branches_merge_in_git(tmp_path: Path, one: str, other: str) -> None:
    project = TemporaryProject(tmp_path)
    project.write(PATH, render_manifest(manifest()))
    project.git_init()
    promote_on(project, "one", one)
    promote_on(project, "other", other)
    project.git("merge", "-q", "one", "-m", "Merge")
    merged = parse_manifest(project.read(PATH), path=PATH).environments["production"].prompts
    assert {name for name, entry in merged.items() if entry.version == "v3"} == {one, other}
    assert render_manifest(parse_manifest(project.read(PATH), path=PATH)) == project.read(PATH)


def test_promotions_of_the_same_prompt_conflict_and_no_side_wins_silently(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.write(PATH, render_manifest(manifest()))
    project.git_init()
    promote_on(project, "one", "a")
    project.git("checkout", "-q", "-b", "other", "main")
    current = parse_manifest(project.read(PATH), path=PATH)
    project.write(PATH, render_manifest(serve(current, "production", "a", served("v4"))))
    project.commit("Promote another")
    done = subprocess.run(["git", "merge", "one"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode != 0
    with pytest.raises(ProblemsError):
        parse_manifest(project.read(PATH), path=PATH)


ENTRY = f"{{version: v1, digest: '{D}', pin: a/b, how: promoted, at: now}}"

MALFORMED = [
    ("", 0, "is empty"),
    ("# nothing\n", 0, "is empty"),
    ("[]", 1, ""),
    ("text", 1, ""),
    ("format: 2\n", 1, "format"),
    ("format: '1'\n", 1, "format"),
    ("formatt: 1\n", 1, "did you mean 'format'"),
    ("format: 1\nformat: 1\n", 2, "format"),
    ("format: 1\nenvironments: []\n", 2, "environments"),
    ("format: 1\nenvironments:\n  Production: {}\n", 3, "Production"),
    ("format: 1\nenvironments:\n  production: []\n", 3, "production"),
    ("format: 1\nenvironments:\n  production:\n    require: strict\n", 4, "require"),
    ("format: 1\nenvironments:\n  production:\n    requires: run\n", 4, "did you mean 'require'"),
    ("format: 1\nenvironments:\n  production:\n    after: 1\n", 4, "after"),
    ("format: 1\nenvironments:\n  production:\n    prompts: {booking: v1}\n", 4, "booking"),
    ("format: 1\nenvironments:\n  production:\n    prompts:\n      ../x: {}\n", 5, "../x"),
    ("format: 1\nenvironments: &a {}\n", 2, "anchor"),
    ("format: 1\nenvironments: *a\n", 2, ""),
    ("format: 1\n\tenvironments: {}\n", 2, ""),
    ("<<<<<<< HEAD\nformat: 1\n=======\nformat: 1\n>>>>>>> other\n", 1, "unsettled merge"),
    ("\x00", 0, ""),
    ("format: 1\nenvironments: {production: {prompts: {b: " + ENTRY.replace("v1", "1") + "}}}\n", 2, "version"),
    ("format: 1\nenvironments: {production: {prompts: {b: " + ENTRY.replace(D, "md5:1") + "}}}\n", 2, "digest"),
    ("format: 1\nenvironments: {production: {prompts: {b: " + ENTRY.replace("promoted", "magic") + "}}}\n", 2, "how"),
    ("format: 1\nenvironments: {production: {prompts: {b: " + ENTRY.replace("pin", "pins") + "}}}\n", 2, "pin"),
    ("format: 1\nenvironments: {production: {prompts: {b: " + "[" * 200 + "]" * 200 + "}}}\n", 2, ""),
]


@pytest.mark.parametrize(("text", "line", "words"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_manifest_is_a_problem_with_file_and_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_manifest(text, path=PATH)
    problems = caught.value.problems
    assert any(line in (0, problem.line) and words in problem.message + problem.hint for problem in problems), problems
    assert all(problem.path == PATH for problem in problems)
