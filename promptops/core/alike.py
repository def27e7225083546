"""Cases that ask the same: their answers come out alike, so they are not as many as they look."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from promptops.core.digest import canonical_json
from promptops.models import Case


def repeated_words(cases: Collection[Case]) -> str:
    """Which cases have the inputs of others, and would count as independent ones; empty: none.

    Those of one cluster count once anyhow. What is expected, and the checks, play no part: the answers are alike.
    """
    first: dict[bytes, tuple[str, str]] = {}
    found: list[str] = []
    for case in cases:
        asked = hashlib.sha256(canonical_json(case.inputs)).digest()
        name, cluster = first.setdefault(asked, (case.id, case.cluster))
        if name != case.id and not (cluster and cluster == case.cluster):
            found.append(f"{case.id} ({name})")
    if not found:
        return ""
    shown = f"{', '.join(found[:3])}{' …' * (len(found) > 3)}"
    return f"{len(found)} of {len(cases)} cases are others once more, and a canary counts each: {shown}"
