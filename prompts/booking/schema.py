"""What a booking is, and how the many ways of writing a date and a time become one.

`date` is month and day (`03-05`): bookings are for the next such day, so a year that is written is dropped.
`time` is a time of day; JSON shows it as `14:30:00`. What cannot be understood is an error, not a guess.
"""

import datetime as dt
import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, StringConstraints

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NAMED_TIMES = {"noon": dt.time(12), "midday": dt.time(12), "midnight": dt.time(0)}
CLOCK = re.compile(r"(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2}))?(?::\d{2})?\s*(?P<half>am|pm|h)?")
SPOKEN = re.compile(r"(?:(?P<part>half|quarter) (?P<side>past|to) )?(?P<hour>\d{1,2}|[a-z]+)\s*(?P<half>am|pm)?")
DAYPARTS = {"in the morning": "am", "in the afternoon": "pm", "in the evening": "pm", "at night": "pm"}


def parse_time(value: object) -> object:
    """`2:30pm`, `14:30`, `noon`, `half past six in the evening` and `1400 hours` become a time of day."""
    if not isinstance(value, str):
        return value
    text = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", value.strip().lower()).rstrip(".")
    for words, half in DAYPARTS.items():
        text = text.replace(words, half)
    text = re.sub(r"o'clock|around |about |at |sharp", "", text).strip()
    text = re.sub(r"^(\d{2})(\d{2}) hours$", r"\1:\2", text)
    if text in NAMED_TIMES:
        return NAMED_TIMES[text]
    if match := CLOCK.fullmatch(text):
        return _time(int(match["hour"]), int(match["minute"] or 0), match["half"])
    if (match := SPOKEN.fullmatch(text)) and (match["hour"] in NUMBERS or match["hour"].isdigit()):
        hour = int(match["hour"]) if match["hour"].isdigit() else NUMBERS.index(match["hour"])
        minutes = {"half": 30, "quarter": 15}.get(match["part"] or "", 0) * (-1 if match["side"] == "to" else 1)
        moment = dt.datetime.combine(dt.date(2024, 1, 2), _time(hour, 0, match["half"]))
        return (moment + dt.timedelta(minutes=minutes)).time()
    raise ValueError(f"{value!r} is not a time of day")


def _time(hour: int, minute: int, half: str | None) -> dt.time:
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            raise ValueError(f"there is no {hour} {half}")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return dt.time(hour, minute)


def parse_date(value: object) -> object:
    """`March 5`, `5th of March 2026`, `Sat 5 Mar` and `2026-03-05` become `03-05`."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    if iso := re.fullmatch(r"(?:\d{4}-)?(\d{2})-(\d{2})", text):
        return _date(int(iso[1]), int(iso[2]), value)
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(\d)(?:st|nd|rd|th)\b", r"\1", text))
    months = [n for n, name in enumerate(MONTHS, start=1) for word in words if len(word) > 2 and name.startswith(word)]
    days = [int(word) for word in words if word.isdigit() and len(word) <= 2]
    if len(months) != 1 or len(days) != 1:
        raise ValueError(f"{value!r} is not a day of the year")
    return _date(months[0], days[0], value)


def _date(month: int, day: int, written: str) -> str:
    try:
        dt.date(2024, month, day)  # a leap year: February 29 exists
    except ValueError:
        raise ValueError(f"{written!r} is not a day of the year") from None
    return f"{month:02d}-{day:02d}"


def parse_name(value: object) -> object:
    """A name without title and without extra spaces."""
    return (
        re.sub(r"^(?:mr|mrs|ms|dr)\.?\s+", "", " ".join(value.split()), flags=re.I) if isinstance(value, str) else value
    )


class Booking(BaseModel):
    """Who comes, on which day of the year, and when."""

    name: Annotated[str, BeforeValidator(parse_name), StringConstraints(min_length=1)]
    date: Annotated[str, BeforeValidator(parse_date)]
    time: Annotated[dt.time, BeforeValidator(parse_time)]
