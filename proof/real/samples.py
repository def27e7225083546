"""What the real model said once, read back: log probabilities of first tokens, and sampled texts."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DATA = Path(__file__).parent.parent / "data"
FIRST, TEXTS = DATA / "first_tokens.json.gz", DATA / "texts.json.gz"
BASE = "Q4_1"
KEPT = 40
"""Tokens of a variant that take part in noise: twice as many as a provider shows, since noise changes who is shown."""


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The distribution of one first token: row by variant, column by token; `rest` is the chance of all others."""

    variants: tuple[str, ...]
    logs: Floats
    rest: Floats

    def row(self, variant: str) -> int:
        return self.variants.index(variant)


@dataclass(frozen=True, slots=True)
class Samples:
    """Everything that was collected.

    `looked` are the inputs among which `promptops drift` looks for near ties, `others` as many more; `texts` by
    variant, opening and number: token by token.
    """

    probes: dict[str, FirstToken]
    looked: dict[str, FirstToken]
    others: dict[str, FirstToken]
    texts: dict[str, list[list[list[int]]]]
    pieces: dict[int, str]
    probe_tokens: float
    looked_tokens: float
    text_tokens: float

    def text(self, tokens: list[int]) -> str:
        return "".join(self.pieces[token] for token in tokens)


@cache
def load() -> Samples:
    raw, written = _read(FIRST), _read(TEXTS)
    first = raw["first"]
    return Samples(
        probes={text: _table(first, "probes", text) for text in first[BASE]["probes"]},
        looked={text: _table(first, "looked", text) for text in first[BASE]["looked"]},
        others={text: _table(first, "others", text) for text in first[BASE]["others"]},
        texts=written["texts"],
        pieces={int(token): piece for token, piece in written["pieces"].items()},
        probe_tokens=float(first[BASE]["probe_tokens"]),
        looked_tokens=float(first[BASE]["looked_tokens"]),
        text_tokens=float(written["prompt_tokens"][BASE]),
    )


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return found


def _table(first: dict[str, Any], kind: str, text: str) -> FirstToken:
    variants = tuple(first)
    lists = {variant: [(int(token), log) for token, log in first[variant][kind][text]] for variant in variants}
    tokens = sorted({token for likely in lists.values() for token, _ in likely[:KEPT]})
    logs = np.empty((len(variants), len(tokens)))
    for row, variant in enumerate(variants):
        known = dict(lists[variant])
        least = min(known.values())  # below what was kept: at most this
        logs[row] = [known.get(token, least) for token in tokens]
    rest = np.clip(1 - np.exp(logs).sum(axis=1), 1e-12, None)
    return FirstToken(variants, logs, rest)
