"""What promptops finds, in pytest's words: letters, outcomes, exit codes. The table stands in docs/pytest.md."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptops.models import Standing

ItemStanding = Standing | Literal["undecided", "partial"]


class Shown(Struct, frozen=True):
    """How pytest shows a standing. `category` is the word in pytest's last line, `exit_code` what it ends in alone."""

    category: str
    letter: str
    word: str
    outcome: str
    junit: str
    exit_code: int


def _skipped(kind: str) -> str:
    return f'`<skipped type="{kind}">`'


SHOWN: dict[ItemStanding, Shown] = {
    "passed": Shown("passed", ".", "PASSED", "passed", "nothing", 0),
    "fixed": Shown("passed", ".", "PASSED", "passed", "nothing", 0),
    "broke": Shown("failed", "F", "FAILED", "failed", "`<failure>`", 1),
    "error": Shown("failed", "F", "FAILED", "failed", "`<error>`", 1),
    "known": Shown("xfailed", "x", "XFAIL", "skipped, `wasxfail`", _skipped("pytest.xfail"), 0),
    "unmeasurable": Shown("unmeasurable", "U", "UNMEASURABLE", "skipped", _skipped("promptops.unmeasurable"), 10),
    "undecided": Shown("undecided", "?", "UNDECIDED", "skipped", _skipped("promptops.undecided"), 11),
    "partial": Shown("skipped", "s", "SKIPPED", "skipped", _skipped("pytest.skip"), 0),
}


def exit_code(pytest_code: int, standings: set[ItemStanding]) -> int:
    """The code that pytest ends in: its own, or 10 or 11 where it would have been 0; 10 beats 11."""
    if pytest_code != 0:
        return pytest_code
    codes = {SHOWN[standing].exit_code for standing in standings}
    return next((code for code in (10, 11) if code in codes), 0)
