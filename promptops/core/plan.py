"""What a run wants to ask, in which order: a lazy stream, so that 100,000 samples need no memory.

A plan yields `PlannedSample`s. Where a template cannot be rendered for one case, it yields a `Sample` with that
failure instead: the other cases go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeAlias

from promptops.core.closure import request_for
from promptops.core.digest import request_digest
from promptops.core.media import MediaReader
from promptops.errors import PromptopsError
from promptops.formats import Closure
from promptops.models import Case, CheckSpec, Failure, Pin, PlannedSample, Sample, SampleKey

Planned: TypeAlias = PlannedSample | Sample


def plan_samples(
    closure: Closure,
    cases: Iterable[Case],
    *,
    samples: int = 1,
    pin: Pin | None = None,
    released: bool = False,
    timed: bool = False,
    read: MediaReader | None = None,
) -> Iterator[Planned]:
    """Yield `samples` (≥ 1) planned samples for each case, case by case, lazily.

    `pin` replaces the model that the version names; `timed` says that the latency of every sample is judged. A case is
    rendered and digested once, whatever the samples. `read` reads the images and files that cases name.
    """
    for case in cases:
        yield from plan_case(closure, case, indices=range(samples), pin=pin, released=released, timed=timed, read=read)


def plan_case(
    closure: Closure,
    case: Case,
    *,
    indices: Iterable[int],
    pin: Pin | None = None,
    released: bool = False,
    timed: bool = False,
    read: MediaReader | None = None,
) -> Iterator[Planned]:
    """Yield the samples `indices` (from 0) of one case."""
    model = str(pin) if pin else closure.model
    keys = (SampleKey(closure.prompt, closure.version, model, case.id, index) for index in indices)
    try:
        request = request_for(closure, case.inputs, pin=pin, read=read)
        digest = request_digest(request)
    except PromptopsError as error:
        failure = Failure("template", str(error), f"promptops render {closure.prompt}@{closure.version}")
        yield from (Sample(key, "", failure=failure) for key in keys)
        return
    timed = timed or limits_latency(case.checks)
    yield from (PlannedSample(key, request, digest, released, timed, None, closure.reask) for key in keys)


def limits_latency(checks: Iterable[CheckSpec]) -> bool:
    """Whether a check judges how long a reply took: a copy of an earlier reply will not do for it."""
    return any(spec.name == "max_latency" for spec in checks)


def case_order(cases: Iterable[str], seed: int) -> list[str]:
    """Return the case ids in the one random order that `seed` stands for.

    The order is that of sha256(`seed:id`): the same on every platform and Python, so that anybody can recompute it.
    """
    return sorted(cases, key=lambda case: hashlib.sha256(f"{seed}:{case}".encode()).digest())


def clustered_order(cases: Iterable[str], clusters: Mapping[str, str], seed: int) -> list[str]:
    """Return the case ids in the random order of their clusters, those of one next to each other.

    A case without a cluster is one of its own. Without any cluster it is `case_order`.
    """

    def key(text: str) -> bytes:
        return hashlib.sha256(f"{seed}:{text}".encode()).digest()

    def place(case: str) -> tuple[bytes, bytes]:
        return (key(f"cluster {clusters[case]}") if case in clusters else key(case)), key(case)

    return sorted(cases, key=place)


def cluster_sizes(order: Sequence[str], clusters: Mapping[str, str]) -> tuple[int, ...]:
    """The sizes of the clusters in an order that keeps them together; empty where no cluster has two cases."""
    names = [("cluster", clusters[case]) if case in clusters else ("case", case) for case in order]
    sizes = tuple(len(list(members)) for _, members in groupby(names))
    return sizes if len(sizes) < len(names) else ()


def in_order(cases: Sequence[Case], seed: int) -> list[Case]:
    """Return the cases in `clustered_order`."""
    by_id = {case.id: case for case in cases}
    return [by_id[case] for case in clustered_order(by_id, clusters_of(cases), seed)]


def clusters_of(cases: Iterable[Case]) -> dict[str, str]:
    """The clusters of the cases that are in one."""
    return {case.id: case.cluster for case in cases if case.cluster}


def interleave(baseline: Iterable[Planned], candidate: Iterable[Planned], seed: int) -> Iterator[Planned]:
    """Yield both sides of every sample next to each other; who goes first alternates, beginning by `seed`.

    Both plans must name the same cases in the same order (`ValueError` otherwise): providers vary by the hour, so the
    two halves of a pair are asked in the same minute.
    """
    for position, (base, cand) in enumerate(zip(baseline, candidate, strict=True)):
        if (base.key.case, base.key.index) != (cand.key.case, cand.key.index):
            raise ValueError(f"the plans differ: {base.key.case!r} is paired with {cand.key.case!r}")
        yield from (base, cand) if (position + seed) % 2 == 0 else (cand, base)
