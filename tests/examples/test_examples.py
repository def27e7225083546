"""The example prompts: the normaliser of bookings, and datasets that are what they say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

ROOT = Path(__file__).parents[2]


def _schema() -> Any:
    spec = importlib.util.spec_from_file_location("example_booking_schema", ROOT / "prompts/booking/schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = _schema()


def cases(prompt: str) -> list[dict[str, Any]]:
    lines = (ROOT / "fixtures" / prompt / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def booking(**fields: str) -> dict[str, str]:
    found = SCHEMA.Booking(**{"name": "Ann Lee", "date": "03-05", "time": "12:00", **fields}).model_dump(mode="json")
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2:30pm", "14:30:00"),
        ("2.30 p.m.", "14:30:00"),
        ("7 pm", "19:00:00"),
        ("11:15 AM", "11:15:00"),
        ("12 pm", "12:00:00"),
        ("12:15 am", "00:15:00"),
        ("noon", "12:00:00"),
        ("Midnight", "00:00:00"),
        ("14:30", "14:30:00"),
        ("14:30:00", "14:30:00"),
        ("19h30", "19:30:00"),
        ("20h", "20:00:00"),
        ("1400 hours", "14:00:00"),
        ("7 am sharp", "07:00:00"),
        ("8 in the evening", "20:00:00"),
        ("ten in the morning", "10:00:00"),
        ("half past six in the evening", "18:30:00"),
        ("quarter past two in the afternoon", "14:15:00"),
        ("quarter to five pm", "16:45:00"),
        ("quarter to one pm", "12:45:00"),
    ],
)
def test_the_many_ways_of_writing_a_time_become_one(written: str, time: str) -> None:
    assert booking(time=written)["time"] == time


@pytest.mark.parametrize("written", ["", "soon", "13 pm", "25:00", "2023-02-14", "1 pm to 3 pm", "half past soon"])
def test_what_is_no_time_of_day_is_an_error_and_not_a_guess(written: str) -> None:
    with pytest.raises(ValidationError):
        booking(time=written)


@pytest.mark.parametrize(
    "written",
    ["March 5", "march 5th", "5 Mar", "the 5th of March", "Thursday, March 5", "March 5, 2026", "2026-03-05", "03-05"],
)
def test_the_many_ways_of_writing_a_day_become_one(written: str) -> None:
    assert booking(date=written)["date"] == "03-05"


@pytest.mark.parametrize(
    "written", ["", "8 mars", "Christmas Eve", "Feb 30", "May 3 to May 10", "May 9, 7:15 pm", "13-01"]
)
def test_what_is_no_day_of_the_year_is_an_error_and_not_a_guess(written: str) -> None:
    with pytest.raises(ValidationError):
        booking(date=written)


def test_a_name_loses_its_title_and_spaces() -> None:
    assert booking(name=" Mrs.  Eleanor   Wright ")["name"] == "Eleanor Wright"


def test_expected_bookings_are_written_in_the_normal_form() -> None:
    for case in cases("booking"):
        assert booking(**case["expected"]) == case["expected"], case["id"]


@pytest.mark.parametrize(("prompt", "number"), [("booking", 60), ("sentiment", 80)])
def test_datasets_are_large_enough_to_decide_with(prompt: str, number: int) -> None:
    rows = cases(prompt)
    assert len(rows) >= number
    assert len({row["id"] for row in rows}) == len({row["inputs"]["text"] for row in rows}) == len(rows)
    assert 10 <= sum("quick" in row.get("tags", ()) for row in rows) <= 25


def test_as_many_reviews_are_positive_as_negative() -> None:
    expected = [row["expected"] for row in cases("sentiment")]
    assert set(expected) == {"positive", "negative"}
    assert abs(expected.count("positive") - expected.count("negative")) <= 4


def test_the_worse_sentiment_has_the_same_examples_in_another_order() -> None:
    """What makes it worse cannot be seen in a review of its lines."""
    good, worse = (
        sorted(path.read_text(encoding="utf-8").split("{% user %}"))
        for path in (ROOT / "prompts/sentiment/v2.j2", ROOT / "examples/worse-candidate/v3.j2")
    )
    assert good == worse
