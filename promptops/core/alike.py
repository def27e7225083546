"""Cases that ask the same: their answers come out alike, so they are not as many as they look."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from promptops.core.digest import canonical_json
from promptops.models import Case


def copies(cases: Iterable[Case]) -> int:
    """How many cases (or clusters of them) have the inputs of another before them; those of one cluster count once."""
    inputs: set[bytes] = set()
    units: set[bytes] = set()
    for case in cases:
        asked = hashlib.sha256(canonical_json(case.inputs)).digest()
        unit = f"cluster {case.cluster}" if case.cluster else f"case {case.id}"
        inputs.add(asked)
        units.add(hashlib.sha256(asked + unit.encode()).digest())
    return len(units) - len(inputs)


def copies_words(cases: Iterable[Case]) -> str:
    """What is wrong with a dataset that has copies, for people; empty where it has none."""
    found = copies(cases)
    if not found:
        return ""
    have = "1 case has" if found == 1 else f"{found:,} cases have"
    return (
        f"{have} the same inputs as another one: a canary takes them for independent, though they flip together, so "
        "that its verdict may be wrong more often than it says"
    )
