"""Lines on a terminal that is narrower than they are."""

from __future__ import annotations

import pytest

from promptops.reporting.lines import Line, wrapped

LONG = "  used        124 of 240 samples, and 62 of must-pass cases before them, whatever came of them"


def test_a_long_line_is_broken_at_words_and_goes_on_further_in() -> None:
    assert [(line.text, line.style) for line in wrapped([Line(LONG, "bad")], 60)] == [
        ("  used        124 of 240 samples, and 62 of must-pass cases", "bad"),
        ("      before them, whatever came of them", "bad"),
    ]


@pytest.mark.parametrize("text", ["", "  a   table  ", "x" * 200])
def test_what_fits_or_has_no_place_to_break_stays_whole(text: str) -> None:
    assert "".join(line.text for line in wrapped([Line(text)], 80)).rstrip() == text.rstrip()
