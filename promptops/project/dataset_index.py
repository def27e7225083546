"""What has to be remembered of every row of a dataset while it is read: its id, its line and its digest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptops.core.measurement import digest_of_pairs
from promptops.scratch import Scratch

AT_ONCE: Final = 20_000  # rows in memory

_TABLE = "CREATE TABLE cases (id TEXT NOT NULL PRIMARY KEY, line INTEGER NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID"


class CaseIndex:
    """Ids, lines and digests of up to `at_once` rows in memory, of more in a temporary file."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._lines: dict[str, int] = {}
        self._digests: dict[str, str] = {}
        self._scratch: Scratch | None = None

    def first(self, case: str, line: int) -> int | None:
        """The line of an earlier row with the id `case`; None where there is none, then it is this one."""
        if (known := self._lines.get(case)) is not None:
            return known
        if self._scratch is not None and (row := self._scratch.one("SELECT line FROM cases WHERE id = ?", (case,))):
            return int(row[0])
        if len(self._lines) >= self._at_once:
            self._spill()
        self._lines[case] = line
        return None

    def add(self, case: str, digest: str) -> None:
        """Remember the digest of the case whose id was taken last."""
        self._digests[case] = digest

    def dataset_digest(self) -> str:
        """The digest of all cases, whatever their order."""
        return digest_of_pairs(self._pairs())

    def close(self) -> None:
        if self._scratch is not None:
            self._scratch.close()

    def _pairs(self) -> Iterator[tuple[str, str]]:
        if self._scratch is None:
            return iter(sorted(self._digests.items()))
        self._spill()
        return self._scratch.all("SELECT id, digest FROM cases ORDER BY id")  # by code point, as Python sorts

    def _spill(self) -> None:
        if self._scratch is None:
            self._scratch = Scratch(_TABLE)
        rows = ((case, line, self._digests.get(case, "")) for case, line in sorted(self._lines.items()))
        self._scratch.write("INSERT INTO cases VALUES (?, ?, ?)", rows)
        self._lines.clear()
        self._digests.clear()
