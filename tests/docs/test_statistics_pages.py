"""The figures of the statistics pages are those that the repository computes."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from promptops.core.canary import pass_level
from promptops.core.statistics.planning import NOISE, cases_to_pass
from proof import sizes
from proof.real import bench
from proof.tasks import done

DOCS = Path(__file__).parents[2] / "docs"
DEVELOPERS = (DOCS / "statistics-for-developers.md").read_text("utf-8")
STATISTICIANS = (DOCS / "statistics.md").read_text("utf-8")
ROWS = re.findall(r"^\| [\d,]+ \| \d+ points \|.*$", DEVELOPERS, re.MULTILINE)


def test_how_many_cases_is_the_table_of_the_proof() -> None:
    kept = (DOCS / "proof" / "cases.md").read_text("utf-8").splitlines()
    assert len(ROWS) == 7
    assert [row for row in ROWS if row not in kept] == []


@pytest.mark.parametrize("cases", [30, 59, 100])
def test_a_row_of_it_is_what_the_simulation_says(cases: int) -> None:
    (row,) = sizes.suite_table([sizes.suite(cases, sizes.ROUNDS)]).splitlines()[2:]
    assert row in ROWS


def test_what_a_margin_of_ten_points_takes() -> None:
    needed = [cases_to_pass(noise=noise, margin=0.1) for noise in NOISE]
    assert f"With a margin of 10 points {needed[0]} to {needed[-1]} cases do" in DEVELOPERS


def test_what_asking_again_adds_up_to() -> None:
    total = math.pi**2 / 6 * 0.05
    summed = sum(pass_level(0.05, attempt) for attempt in range(1, 100_000))
    assert summed == pytest.approx(total, rel=1e-4)
    assert f"about {100 * total:.1f} times in a hundred" in DEVELOPERS
    assert f"π²/6 · alpha = {total:.4f}".replace("0.", ".") in STATISTICIANS


def test_what_a_year_of_drift_costs() -> None:
    costs = {cost.method: f"${cost.dollars:.2f} |" for cost in done(bench.costs())}
    lines = DEVELOPERS.splitlines()
    for method, words in (("1a tiny", "`tiny`"), ("1a", "`standard`"), ("1b", "| border inputs"), ("2", "| texts")):
        assert [line for line in lines if words in line and line.endswith(costs[method])], method


def test_the_first_page_links_the_second_and_both_the_proof() -> None:
    assert "(statistics.md)" in DEVELOPERS
    assert "(statistics-for-developers.md)" in STATISTICIANS
    for page in (DEVELOPERS, STATISTICIANS):
        for target in re.findall(r"\]\(([^)#]+)", page):
            assert (DOCS / target).is_file(), target
