"""Every figure of the page for developers is one that the proof has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "statistics-for-developers.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def rows(page: str, cells: int) -> list[tuple[str, ...]]:
    """The rows of all tables with that many cells in a page of the proof, without what formats them."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    found = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines if line.startswith("| ")]
    return [row for row in found if len(row) == cells]


def test_the_table_of_cases_is_that_of_the_proof() -> None:
    told = [row for row in rows("statistics-for-developers.md", 7) if row[0].isdigit()]
    assert len(told) >= 7
    assert [row for row in told if row not in rows("proof/cases.md", 7)] == []


def test_a_wide_margin_takes_as_many_cases_as_in_the_proof() -> None:
    (wide,) = (row for row in rows("proof/cases.md", 4) if row[0] == "10 points")
    assert f"With a margin of 10 points {wide[1]} to {wide[3]} cases do" in WORDS
    (usual,) = (row for row in rows("proof/cases.md", 4) if row[0] == "5 points")
    assert "From 10 % flips to 2 % is worth more than twice the cases" in WORDS
    assert int(usual[3]) > 2 * int(usual[1])


@pytest.mark.parametrize(
    ("cases", "said", "share"), [("200", "one in ten with 200", 0.1), ("1000", "one in five", 0.2)]
)
def test_what_stopping_without_spending_costs_is_measured(cases: str, said: str, share: float) -> None:
    (row,) = (row for row in rows("proof/regress.md", 6) if row[:3] == ("pass or fail", cases, "0.1"))
    assert said in WORDS
    assert float(row[5]) == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(
    ("tier", "named"),
    [("1a, tiny", "`tiny`"), ("1a, standard", "`standard`"), ("1b, standard", "border inputs"), ("2", "texts,")],
)
def test_what_a_year_of_the_watch_costs_is_that_of_the_proof(tier: str, named: str) -> None:
    ((calls, cost),) = {(row[1], row[4]) for row in rows("proof/real-model.md", 7) if row[0] == tier and "$" in row[4]}
    (told,) = (row for row in rows("statistics-for-developers.md", 3) if named in row[0] and row[2].startswith("$"))
    asked = int(told[1].split()[0])
    assert float(told[2][1:]) == pytest.approx(float(cost[1:]) * asked / int(calls), abs=0.006)


def test_asking_again_is_bounded_as_proven() -> None:
    bound = re.search(r"π²/6 · alpha = (0\.\d+)", (DOCS / "proof/pass.md").read_text(encoding="utf-8"))
    assert bound is not None
    assert f"at most about {100 * float(bound[1]):.1f} times in a hundred" in WORDS


def test_false_alarms_of_a_year_are_those_measured() -> None:
    shares = [float(row[3].split()[0]) for row in rows("proof/nightly.md", 5) if re.match(r"\.\d", row[3])]
    assert "4 or 5 in a hundred years are what was measured" in WORDS
    assert {round(100 * share) for share in shares} <= {4, 5}
