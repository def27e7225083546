"""A share that was counted, with the interval that says how well it is known, and tables of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import beta


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `total`; `low` and `high` are the 99 % Clopper-Pearson limits."""

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total

    @property
    def low(self) -> float:
        return 0.0 if self.count == 0 else float(beta.ppf(0.005, self.count, self.total - self.count + 1))

    @property
    def high(self) -> float:
        return 1.0 if self.count == self.total else float(beta.ppf(0.995, self.count + 1, self.total - self.count))

    def within(self, limit: float) -> bool:
        """Whether the data do not contradict "at most `limit`": the lower limit does not exceed it."""
        return self.low <= limit

    def __str__(self) -> str:
        return f"{shown(self.value)} ({shown(self.low)} to {shown(self.high)})"


def shown(share: float) -> str:
    """`.047`, `1`, `0`: as short as it can be read."""
    text = f"{share:.3f}".rstrip("0").rstrip(".")
    return text.removeprefix("0") or "0"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers to the right."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    lines = [head, marks, *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
