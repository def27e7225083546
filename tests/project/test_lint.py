"""Lint finds what is wrong with prompts, datasets and params, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.project.lint import lint, undecided
from promptops.testing.project import TemporaryProject


def test_a_clean_project_has_no_problem(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"})
    project.dataset("p", [{"id": "c1", "inputs": {"text": "x"}}])
    assert lint(project.project, ["p"]) == []


def test_prompts_and_datasets_are_told_together(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("a", versions={"v1": "{{ text|no }}"})
    project.prompt("b", versions={"v1": "{{ text }}"})
    project.dataset("b", [{"id": "c1", "inputs": {"txt": "x"}}])
    found = lint(project.project, ["b", "a"])
    assert {problem.path for problem in found} == {"prompts/a/v1.j2", "fixtures/b/cases.jsonl"}
    assert any("did you mean 'text'" in problem.message for problem in found)


def test_a_temperature_that_works_against_the_task_is_told(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    hot = "---\nmodel: test/model-1\nparams: {temperature: 0.9}\n---\n{{ text }}"
    project.prompt("a", versions={"v1": hot, "v2": "{{ text }}"}, yaml="task: extraction\n")
    project.prompt("b", versions={"v1": hot}, yaml="task: creative\n")
    (found,) = lint(project.project, ["a", "b"])
    assert (found.path, found.line, found.level) == ("prompts/a/v1.j2", 3, "error")
    assert found.message == "temperature 0.9 makes extraction vary from sample to sample"


def test_a_provider_that_nobody_knows_is_told_where_it_is_written(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    text = "---\nparams:\n  temperature: 0\nmodel: opnai/model-1\n---\n{{ text }}"
    project.prompt("p", versions={"v1": text})
    (found,) = lint(project.project, ["p"], providers=["openai", "local"])
    assert (found.path, found.line) == ("prompts/p/v1.j2", 4)
    assert found.message == "no provider is called 'opnai', did you mean 'openai'? (known: openai, local)"


@pytest.mark.parametrize(
    ("cases", "told"),
    [(4, "on 4 cases can say nothing at all"), (58, "can PASS only a candidate that does better on them"), (59, None)],
)
def test_a_suite_that_is_too_small_to_decide_is_warned_of(tmp_path: Path, cases: int, told: str | None) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"})
    project.dataset("p", [{"id": f"c{n}", "inputs": {"text": f"x{n}"}} for n in range(cases)])
    found = list(undecided(project.project, ["p"]))
    if told is None:
        assert not found
    else:
        (warning,) = found
        assert (warning.path, warning.level) == ("fixtures/p/cases.jsonl", "warning")
        assert told in warning.message
        assert "59 cases" in warning.message


def test_four_cases_that_could_pass_a_better_candidate_are_not_called_useless(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"}, yaml="canary: {delta: 0.2}\n")
    project.dataset("p", [{"id": f"c{n}", "inputs": {"text": f"x{n}"}} for n in range(4)])
    (warning,) = undecided(project.project, ["p"])
    assert "can never say REGRESS, and PASS only a candidate that does better on them" in warning.message


def test_cases_that_are_others_once_more_are_named_unless_one_cluster_holds_them(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"})
    rows = [{"id": f"c{n}", "inputs": {"text": f"x{n // 2}"}} for n in range(120)]
    project.dataset("p", rows)
    (warning,) = undecided(project.project, ["p"])
    assert (
        warning.message == "60 of 120 cases are others once more, and a canary counts each: c1 (c0), c3 (c2), c5 (c4) …"
    )
    project.dataset("p", [{**row, "cluster": f"d{n // 2}"} for n, row in enumerate(rows)])
    assert not [found for found in undecided(project.project, ["p"]) if "once more" in found.message]


def test_clusters_count_once_where_a_suite_is_too_small_for_a_pass(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"}, yaml="canary: {delta: 0.1}\n")
    rows = [{"id": f"c{n}", "inputs": {"text": f"x{n}"}, "cluster": f"d{n // 3}"} for n in range(84)]
    project.dataset("p", rows)  # as single cases they were enough
    (warning,) = undecided(project.project, ["p"])
    assert "a canary on 84 cases can PASS only a candidate that does better on them" in warning.message


def test_a_wider_margin_needs_fewer_cases_and_broken_prompts_are_left_out(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    project.prompt("p", versions={"v1": "{{ text }}"}, yaml="canary: {delta: 0.2}\n")
    project.dataset("p", [{"id": f"c{n}", "inputs": {"text": f"x{n}"}} for n in range(20)])
    project.prompt("q", versions={"v1": "{{ text|no }}"})
    assert list(undecided(project.project, ["p", "q"])) == []


def test_few_clusters_and_settings_that_name_nothing_are_told(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    yaml = "canary: {delta: 0.3, must_pass: [c1, 'tag:x', c99], guardrails: {validation: {}}}\n"
    project.prompt("p", versions={"v1": "{{ text }}"}, yaml=yaml)
    rows = [{"id": f"c{n}", "inputs": {"text": f"x{n}"}, "tags": ["x"], "cluster": f"d{n % 4}"} for n in range(40)]
    project.dataset("p", rows)
    told = [problem.message for problem in undecided(project.project, ["p"])]
    assert told == [
        "a canary on 4 clusters can never say PASS: it takes 20",
        "canary.must_pass: 'c99' is no case",
        "canary: validation is measured by an output contract",
    ]


def test_metrics_that_nobody_could_measure_are_told(tmp_path: Path) -> None:
    project = TemporaryProject(tmp_path)
    yaml = "canary: {delta: 0.3, guardrails: {cost: {}, distance: {}}}\n"
    project.prompt("p", versions={"v1": "{{ text }}"}, yaml=yaml)
    rows = [{"id": f"c{n}", "inputs": {"text": f"x{n}"}, **({"expected": "x"} if n else {})} for n in range(40)]
    project.dataset("p", rows)
    told = [(problem.message, problem.level) for problem in undecided(project.project, ["p"])]
    assert told == [
        ("canary: distance is measured to what is expected; cases that expect nothing count as lost: c0", "warning"),
        ("canary: the price of test/model-1 is not known, so its cost is not measured", "error"),
    ]
