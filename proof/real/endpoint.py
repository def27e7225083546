"""An endpoint that serves the collected model with noise: what a client of a provider would see.

The engine itself repeats its numbers to the last bit. A provider does not: it has several machines, and batches of
changing shape. Noise is added to the logits: half of its variance belongs to the machine that answers (one of four, by
chance, each with offsets of its own that stay), half is fresh in every call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from proof.real.samples import BASE, KEPT, FirstToken, Floats, Samples

LEVELS = {"low": 0.01, "middle": 0.05, "high": 0.2}
"""Standard deviation of the noise of a logit. To round logits between 8 and 16 to bfloat16 makes .018."""
MACHINES = 4
SHOWN = 20
"""Log probabilities that a provider shows."""
SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Change:
    """What is served from one night on: `share` of the calls by `variant`, at `temperature` instead of what is asked.

    `temperature` None: what is asked.
    """

    name: str
    variant: str = BASE
    share: float = 1.0
    temperature: float | None = None

    @property
    def shows(self) -> bool:
        """Whether log probabilities alone can show it: they are given before sampling, so a temperature cannot."""
        return self.temperature is None


SAME = Change("nothing")
WEIGHTS = ("F16", "Q8_0", "Q6_K", "Q5_0", "Q4_0", "Q3_K", "Q2_K")
CHANGES = (
    *(Change(f"Q4_1 to {name}", name) for name in WEIGHTS),
    Change("system prompt added", "system prompt"),
    *(Change(f"10 % {name}", name, SHARE) for name in ("Q8_0", "Q4_0", "Q2_K", "system prompt")),
    Change("temperature .8", temperature=0.8),
    Change("temperature 1.2", temperature=1.2),
)


@dataclass(slots=True)
class Endpoint:
    """One provider; everything random about it comes from `rng`."""

    samples: Samples
    sigma: float
    rng: np.random.Generator
    _machines: dict[str, Floats] = field(default_factory=dict)

    def logs(self, text: str, change: Change, calls: int) -> Floats:
        """What `calls` calls of a probe show (rows): log probabilities; those not shown are the least that is shown.

        The least shown is at the same time how LT treats a token that is missing from a call (left censoring).
        """
        return _shown(self._noisy(text, self.samples.probes[text], change, calls))

    def draws(self, text: str, change: Change, calls: int) -> tuple[Floats, Floats]:
        """What `logs` says of calls at temperature 1, and how likely the token that came is said to be in each.

        A token that is not shown counts as the least that is. The tokens that were not collected come together: each
        of them is at most as likely as the least likely of the `KEPT` that were, and here they are just that likely,
        so that of all ways in which they can be spread a temperature moves their share the least.
        """
        found = self._noisy(text, self.samples.probes[text], change, calls)
        shown, temperature = _shown(found), change.temperature or 1.0
        rest = np.log(np.clip(1 - np.exp(found).sum(axis=1), 1e-12, None))
        bound = np.partition(found, -KEPT, axis=1)[:, -KEPT]
        weights = np.column_stack((found / temperature, rest + (1 / temperature - 1) * bound))
        came = (weights + self.rng.gumbel(size=weights.shape)).argmax(axis=1)
        said = np.column_stack((shown, shown.min(axis=1)))
        return shown, said[np.arange(calls), came]

    def answers(self, table: FirstToken, word: str, change: Change, calls: int) -> list[int]:
        """The first token of each of `calls` answers to an input, asked at temperature 0 (as a column of `table`)."""
        found = self._noisy(word, table, change, calls)
        if change.temperature is not None:
            found = found / change.temperature + self.rng.gumbel(size=found.shape)
        return [int(place) for place in found.argmax(axis=1)]

    def _noisy(self, text: str, table: FirstToken, change: Change, calls: int) -> Floats:
        if text not in self._machines:
            self._machines[text] = self._draw((MACHINES, table.logs.shape[1]))
        rows = np.full(calls, table.row(BASE))
        rows[self.rng.random(calls) < change.share] = table.row(change.variant)
        offsets = self._machines[text][self.rng.integers(MACHINES, size=calls)]
        found = table.logs[rows] + offsets + self._draw(offsets.shape)
        total = np.log(np.exp(found).sum(axis=1) + table.rest[rows])
        shown: Floats = found - total[:, None]
        return shown

    def _draw(self, shape: tuple[int, ...]) -> Floats:
        return self.rng.normal(0.0, self.sigma / math.sqrt(2), shape)


def _shown(logs: Floats) -> Floats:
    """Log probabilities with those that are not among the likeliest at the least of these."""
    least = np.partition(logs, -SHOWN, axis=1)[:, -SHOWN]
    found: Floats = np.maximum(logs, least[:, None])
    return found
