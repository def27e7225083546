"""What was measured with: dataset, checks and contract as digests, so that outcomes are compared like with like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from promptops.core.digest import sha256_of
from promptops.formats import Measurement
from promptops.models import Case, CheckSpec, Json


def measurement_of(
    dataset: str,
    checks: Sequence[CheckSpec],
    schema: Mapping[str, Any] | None,
    python: Mapping[str, str] | None = None,
    source: str | None = None,
    judges: Mapping[str, Json] | None = None,
) -> Measurement:
    """Digest the prompt's checks with their Python, and the output contract, beside the digest of the dataset.

    `python` maps the file of each Python check, `checks.py`, to its source text. The contract is its JSON Schema, and
    `source` where it is Python: how a class normalises is in no schema. `judges` says which version of each judge was
    asked, and what lets it gate (`core.judging.measured`).
    """
    rule: dict[str, Json] = {"checks": [spec_json(spec) for spec in checks], "python": dict(python or {})}
    rules = sha256_of({**rule, "judges": dict(judges)} if judges else rule)
    plain = None if schema is None else dict(schema)
    contract = sha256_of(plain if source is None else {"schema": plain, "source": source.replace("\r\n", "\n")})
    return Measurement(
        digest=measurement_digest(dataset, rules, contract), dataset=dataset, checks=rules, contract=contract
    )


def measurement_digest(dataset: str, checks: str, contract: str) -> str:
    """The digest that covers the other three."""
    return sha256_of({"dataset": dataset, "checks": checks, "contract": contract})


def holds_together(measurement: Measurement) -> bool:
    """Whether its digest is that of its parts."""
    return measurement.digest == measurement_digest(measurement.dataset, measurement.checks, measurement.contract)


def dataset_digest(cases: Iterable[Case]) -> str:
    """The digest of a set of cases, whatever their order."""
    return digest_of_pairs(sorted((case.id, digest_among(case)) for case in cases))


def digest_among(case: Case) -> str:
    """The digest of a case as one of its dataset: what it asks and how it is judged, and the cluster that it is in.

    Its accepted outcome does not depend on the cluster, and what a canary showed does.
    """
    return sha256_of({"case": case.digest, "cluster": case.cluster}) if case.cluster else case.digest


def digest_of_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """The same of (id, digest) in the order of the ids, each once: the sha256 of `{id: digest}`, never held whole."""
    found, text = hashlib.sha256(b"{"), json.JSONEncoder(ensure_ascii=False).encode
    for number, (case, digest) in enumerate(pairs):
        found.update(f"{',' if number else ''}{text(case)}:{text(digest)}".encode())
    found.update(b"}")
    return f"sha256:{found.hexdigest()}"


def case_digest(inputs: Mapping[str, Json], checks: Sequence[CheckSpec], *expected: Json) -> str:
    """The digest of what a case asks and how it is judged; `expected` is left out where the case has none.

    Id, tags and place are not part of it.
    """
    value: dict[str, Json] = {"inputs": dict(inputs), "checks": [spec_json(spec) for spec in checks]}
    if expected:
        value["expected"] = expected[0]
    return sha256_of(value)


def spec_json(spec: CheckSpec) -> dict[str, Json]:
    """A check as data, without the line where it stands."""
    return {"name": spec.name, "options": spec.options, "negate": spec.negate}


def judged_alike(one: Measurement, other: Measurement) -> bool:
    """Whether outcomes of two measurements can be compared case by case: checks and contract are the same.

    The dataset may have grown; whether a case is the same is told by its own digest.
    """
    return one.checks == other.checks and one.contract == other.contract
