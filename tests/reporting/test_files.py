from __future__ import annotations

import html.parser
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from promptops.core.report import CaseRow
from promptops.errors import UsageError
from promptops.reporting.files import RunReport, check_report_path, write_report


@pytest.fixture
def report(rows: list[CaseRow]) -> RunReport:
    return RunReport("promptops <run>", rows, {"mode": "replay", "command": "pytest '\x1b[0m'"})


class Reader(html.parser.HTMLParser):
    """Collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_escapes_what_a_model_wrote(report: RunReport, tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "report.html", report)
    page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    assert "script" not in reader.tags
    assert "<script>alert(1)</script>" in "".join(reader.words)
    assert not re.search(r"[\x1b\u202e]", page)


@pytest.mark.parametrize("held", [0, 1])
def test_a_version_without_an_output_contract_has_no_count_of_invalid_outputs(
    tmp_path: Path, rows: list[CaseRow], held: int
) -> None:
    told = [replace(row, validated=held) for row in rows]
    write_report(tmp_path / "report.html", RunReport("promptops", told, {}))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (" invalid" in page, ">none<" in page) == (held == 1, held == 0)


def test_the_page_loads_nothing_from_elsewhere(report: RunReport, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)\s*=", page)
    assert "default-src 'none'" in page


def test_the_page_shows_every_case_worst_first(report: RunReport, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<details") == len(report.rows)
    assert page.index(">BROKE (1)<") < page.index(">ERROR (1)<") < page.index(">passed (3)<")


def test_json_has_everything_and_can_be_read_back(report: RunReport, tmp_path: Path) -> None:
    write_report(tmp_path / "report.json", report)
    document = json.loads((tmp_path / "report.json").read_text(encoding="ascii"))
    assert [CaseRow.from_json(case) for case in document["cases"]] == report.rows
    assert document["summaries"][0]["counts"]["broke"] == 1
    assert document["format"] == 1


def test_markdown_shows_hostile_text_in_fences_only(report: RunReport, hostile: str, tmp_path: Path) -> None:
    write_report(tmp_path / "report.md", report)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert hostile.splitlines()[2] in text
    assert "<script>" not in outside
    assert "\x1b" not in text


def test_markdown_fits_into_a_comment(row: Callable[..., CaseRow], tmp_path: Path) -> None:
    rows = [row(f"c{number}", "broke", "x" * 1_500) for number in range(200)]
    write_report(tmp_path / "report.md", RunReport("many", rows))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert len(text) < 65_536
    assert re.search(r"… and \d+ more cases", text)


def test_an_unknown_ending_is_refused_before_anything_is_written(report: RunReport, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.html, \.json, \.md"):
        check_report_path(tmp_path / "report.pdf")
    with pytest.raises(UsageError):
        write_report(tmp_path / "new" / "report.pdf", report)
    assert not (tmp_path / "new").exists()
