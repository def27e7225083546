"""A version as it stands today, measured from its recordings: what promotion, adoption and acceptance decide on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from promptops.core.digest import version_digest
from promptops.formats import CanarySettings, Closure, Measurement, Side
from promptops.models import CaseResult


class Measured(Struct, frozen=True):
    """`measurement` is None without a dataset; `cases` maps each case to its digest; `results` come from a replay.

    `sources` are the files that closure and measurement were made of, `recordings` where its samples are, `canary` how
    a canary of it decides.
    """

    closure: Closure
    measurement: Measurement | None = None
    cases: Mapping[str, str] = field(default_factory=dict)
    results: Sequence[CaseResult] = ()
    sources: tuple[Path, ...] = ()
    recordings: Path | None = None
    canary: CanarySettings = field(default_factory=CanarySettings)

    @property
    def prompt(self) -> str:
        return self.closure.prompt

    @property
    def version(self) -> str:
        return self.closure.version

    @property
    def side(self) -> Side:
        return Side(version=self.version, pin=self.closure.model, digest=version_digest(self.closure))
