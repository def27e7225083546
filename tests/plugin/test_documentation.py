"""The outcome table of docs/pytest.md is the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops._pytest.outcomes import SHOWN, ItemStanding, exit_code

DOCS = Path(__file__).parents[2] / "docs/pytest.md"


def test_the_table_in_the_docs_is_the_one_in_the_code() -> None:
    rows = [
        f"| {standing} | `{shown.letter}` | {shown.outcome} | {shown.junit} | {shown.exit_code} |"
        for standing, shown in SHOWN.items()
    ]

    text = DOCS.read_text(encoding="utf-8")

    assert "\n".join(rows) in text
    assert text.count("exit code alone") == 1


@pytest.mark.parametrize(
    ("code", "standings", "ends"),
    [
        (0, {"passed", "known", "partial"}, 0),
        (0, {"passed", "unmeasurable"}, 10),
        (0, {"undecided"}, 11),
        (0, {"undecided", "unmeasurable"}, 10),
        (1, {"unmeasurable", "undecided"}, 1),
        (2, {"unmeasurable"}, 2),
        (4, {"unmeasurable"}, 4),
        (5, {"undecided"}, 5),
    ],
)
def test_ten_and_eleven_appear_only_where_pytest_would_end_in_nought(
    code: int, standings: set[ItemStanding], ends: int
) -> None:
    assert exit_code(code, standings) == ends


def test_every_option_is_in_the_docs(pytester: pytest.Pytester) -> None:
    helped = pytester.runpytest_inprocess("--help").stdout.str()
    options = {word.split("=")[0] for word in helped.split() if word.startswith("--promptops-") and "…" not in word}

    text = DOCS.read_text(encoding="utf-8")

    assert len(options) >= 10
    assert [option for option in sorted(options) if option not in text] == []
