from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chart import draw
from benchmarks.report import page, replaced, table


def found() -> dict[str, Any]:
    def row(name: str, kind: str, wall: float) -> dict[str, Any]:
        figures = {"wall": wall, "ratio": wall / 2, "cpu": wall / 3, "rss": 50 * 1024 * 1024, "first": 0.5}
        return {"name": name, "kind": kind, "version": "1.0", "problem": "", "requests": 1000, "peak": 32, **figures}

    missing = {"name": "<absent> & co", "kind": "peer", "version": "", "problem": "not installed", "runs": []}
    rows = [row("aiohttp", "bare", 2.0), row("ours", "ours", 2.5), row("in turn", "peer", 58.0), missing]
    limits = {"limit": 1.4, "unit": "times", "at_least": False}
    return {
        "date": "2026-01-02",
        "machine": {"processor": "A", "cores": 2, "system": "Linux 6", "python": "3.12.1", "load": 0.1},
        "options": {"latency": "50ms"},
        "goals": [
            {"title": "live", "value": 1.25, "held": True, **limits},
            {"title": "x", "value": None, "held": None, **limits},
        ],
        "sections": [
            {
                "key": "side by side",
                "cases": 1000,
                "concurrency": 32,
                "yardstick": "aiohttp",
                "server": 0.123,
                "rows": rows,
            }
        ],
    }


def test_the_table_has_a_line_for_each_contestant_and_each_goal() -> None:
    lines = table(found()).splitlines()
    assert lines[0] == "side by side: 1,000 cases, 32 in flight"
    assert [line.split()[0] for line in lines[2:6]] == ["aiohttp", "ours", "in", "<absent>"]
    assert "58.00" in lines[4]
    assert lines[5].endswith("not installed")
    assert lines[6] == "The server used at most 12% of a core."
    assert lines[-2].split() == ["live", "1.25", "×", "≤", "1.4", "×", "held"]  # noqa: RUF001
    assert lines[-1].endswith("not measured")


def test_the_page_has_the_same_figures_as_tables() -> None:
    text = page(found())
    assert "Measured on 2026-01-02: A, 2 cores, Linux 6, Python 3.12.1." in text
    assert "| live | 1.25 × | ≤ 1.4 × | held |" in text  # noqa: RUF001
    assert "| in turn | 1.0 | 58.00 | 29.00 | 19.33 | 50 | 1,000 | 32 |  |" in text


def test_the_chart_is_xml_that_says_in_words_what_it_draws() -> None:
    root = ET.fromstring(draw(found()))
    space = {"svg": "http://www.w3.org/2000/svg"}
    assert root.get("role") == "img"
    assert root.findtext("svg:title", namespaces=space) == "1,000 cases of 50ms, 32 in flight"
    described = root.findtext("svg:desc", namespaces=space)
    assert described is not None
    assert "aiohttp 2.0 s and 0.67 CPU s, ours 2.5 s" in described
    bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if bar.get("class") != "page"]
    assert [bar.get("class") for bar in bars] == ["bare", "ours", "peer"] * 2
    assert max(float(bar.get("width", 0)) for bar in bars) < 300


def test_the_page_of_the_docs_shows_what_its_figures_say() -> None:
    docs = Path(__file__).parents[2] / "docs"
    figures = json.loads((docs / "benchmarks.json").read_text(encoding="utf-8"))
    text = (docs / "benchmarks.md").read_text(encoding="utf-8")
    assert text == replaced(text, figures), "run: make bench ARGS='--docs docs'"
    assert (docs / "benchmarks.svg").read_text(encoding="utf-8") == draw(figures)


def test_a_page_without_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="has no <!-- figures"):
        replaced("# Benchmarks\n", found())


def test_nothing_measured_still_draws() -> None:
    assert "Nothing was measured" in draw({**found(), "sections": []})


@pytest.mark.parametrize("scheme", ["prefers-color-scheme: dark", ".page { fill: #ffffff }"])
def test_the_chart_reads_on_dark_and_on_light_pages(scheme: str) -> None:
    assert scheme in draw(found())
