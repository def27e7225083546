"""How the cases of one target came out: rows in a temporary table, in the order of the dataset."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from operator import attrgetter
from typing import Any, Final

from msgspec import to_builtins
from msgspec.structs import replace

from promptops.core.report import CaseRow, row_of
from promptops.core.standing import Stood, compare, settled, varies
from promptops.models import Case, CaseResult, Outcome
from promptops.runner.targets import Target
from promptops.scratch import Scratch

_AT_ONCE: Final = 500  # rows written together
_TABLE: Final = (
    "CREATE TABLE rows (position INTEGER PRIMARY KEY, name TEXT NOT NULL, outcome TEXT NOT NULL, p_value REAL, "
    "row TEXT NOT NULL)"
)
_OF_TARGET: Final = ("prompt", "version", "pin")
_TEXTS: Final = frozenset(("answered", "earlier", "expected", "value"))
_DEFAULTS: Final = dict(zip(reversed(CaseRow.__struct_fields__), reversed(CaseRow.__struct_defaults__), strict=False))
_USUAL: Final = [(name, _DEFAULTS.get(name)) for name in CaseRow.__struct_fields__ if name not in _OF_TARGET]
_values = attrgetter(*(name for name, _ in _USUAL))
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Results:
    """Takes judged cases as they come, in any order, and gives their rows in the order of the dataset.

    Rows of cases that passed are without what was expected and answered, unless they are to be `whole`.
    """

    def __init__(self, target: Target, *, whole: bool = False) -> None:
        self.target, self._whole = target, whole
        self._scratch = Scratch(_TABLE)
        self._waiting: list[tuple[int, str, str, float | None, str]] = []
        self._entries = target.baseline.entries
        self._count = self._varying = 0

    def __len__(self) -> int:
        return self._count

    def add(self, position: int, case: Case, result: CaseResult) -> None:
        """Take one case; `position` is its place among the cases of the target, from 0."""
        target = self.target
        found = target.baseline.of(case, target.measurement)
        stood = compare(result, found.entry, same_measurement=found.same, gate=target.spec.gate)
        against = target.baseline.words(case, target.measurement)
        saving = target.saving
        row = row_of(result, case, standing=stood.standing, reason=stood.reason, against=against, saving=saving)
        self._varying += varies(result, self._entries.get(case.id))
        self._count += 1
        left_out = () if self._whole or row.outcome != "pass" else _TEXTS
        self._waiting.append((position, case.id, row.outcome, stood.p_value, _packed(row, left_out)))
        if len(self._waiting) >= _AT_ONCE:
            self._write()

    def rows(self) -> Iterator[CaseRow]:
        """Every row, as its standing is now that it is known how many cases vary."""
        self._write()
        target = self.target
        side = {"prompt": target.prompt, "version": target.version, "pin": str(target.pin)}
        for text, p_value in self._scratch.all("SELECT row, p_value FROM rows ORDER BY position"):
            row = CaseRow.from_json({**side, **json.loads(text)})
            if p_value is not None:
                stood = settled(Stood(row.standing, row.reason, p_value), varying=self._varying)
                row = replace(row, standing=stood.standing, reason=stood.reason)
            yield row

    def outcomes(self) -> dict[str, Outcome]:
        """How each case came out, sorted by its id; all in memory."""
        self._write()
        return dict(self._scratch.all("SELECT name, outcome FROM rows ORDER BY name"))

    def _write(self) -> None:
        self._scratch.write("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", self._waiting)
        self._waiting.clear()


def _packed(row: CaseRow, left_out: Container[str]) -> str:
    """A row without `left_out`, without what all rows of the target have, and without what is as usual."""
    found: dict[str, Any] = {
        name: value
        for (name, usual), value in zip(_USUAL, _values(row), strict=True)
        if value != usual and name not in left_out
    }
    if row.checks:
        found["checks"] = [to_builtins(check) for check in row.checks]
    return _encode(found)
