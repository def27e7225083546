"""`evidence/vN.json`: what runs and canaries proved, and which outcomes are accepted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from promptops.formats.base import CaseId, Digest, PromptName, Strict, VersionName
from promptops.formats.prompt import MetricName, Worse


class AcceptedCase(Strict):
    """The accepted outcome of one case: `passes` of `of` samples; `samples` are the digests of their recordings."""

    outcome: Literal["pass", "fail"]
    passes: Annotated[int, Field(ge=0)]
    of: Annotated[int, Field(ge=1)]
    case: Digest
    samples: list[Digest]


class Measurement(Strict):
    """What was measured with: `digest` covers the other three."""

    digest: Digest
    dataset: Digest
    checks: Digest
    contract: Digest


class Accepted(Strict):
    """The accepted baseline of a version: what `x` (known failure) refers to."""

    pin: str
    version: Digest
    measurement: Measurement
    accepted_at: str
    cases: dict[CaseId, AcceptedCase]


class Side(Strict):
    """One side of a comparison: `digest` is the version digest."""

    version: VersionName
    pin: str
    digest: Digest


class RunEvidence(Strict):
    """One run of one version on the whole dataset: `outcomes` maps a case to how it came out."""

    candidate: Side
    measurement: Measurement
    mode: Literal["replay", "record", "new", "live"]
    outcomes: dict[CaseId, Literal["pass", "fail", "error", "unmeasurable"]]
    verdict: Literal["pass", "regress", "inconclusive", "unmeasurable"]
    finished_at: str


class PairOutcome(Strict):
    """How one case came out on both sides."""

    baseline: Literal["pass", "fail", "error", "unmeasurable"]
    candidate: Literal["pass", "fail", "error", "unmeasurable"]


class MetricSetting(Strict):
    """One metric as a canary decided by it: the first of several is the primary one.

    `worse` is the direction that is worse; `margin` is a share of the baseline's figure where it is `relative`. Not
    `graded`, each case is 0 or 1. See `Guardrail`.
    """

    name: MetricName
    worse: Worse
    margin: Annotated[float, Field(gt=0)]
    relative: bool = False
    graded: bool = False
    critical: bool = True


class AnchorEvidence(Strict):
    """How the same candidate came out beside a fixed version, as that was recorded: a watch, and no gate.

    `outcomes` are of the anchor, `figures` its primary metric where more than outcomes decided; `verdict` is recomputed
    by `verify` with `core.anchor.decide_against_anchor`.
    """

    side: Side
    outcomes: dict[CaseId, Literal["pass", "fail"]]
    figures: dict[CaseId, float] = {}
    verdict: Literal["pass", "regress", "inconclusive", "unmeasurable"]


class CanaryEvidence(Strict):
    """One canary. `order` is the random order in which cases were asked, made from `seed`; `attempt` counts from 1.

    `gates` words the hard limits that the candidate broke. `p_value` is of the exact one-sided McNemar test,
    `difference` candidate minus baseline pass rate with its `interval`; all are recomputed by `verify` with
    `core.canary.decide(outcomes, settings, attempt=attempt, gates=gates)`, for a sequence by
    `core.sequence.decide_in_order`.

    `test` says how it decided. `sequential` looked after every case in `order` and had `asked` of them when it ended;
    `fixed` looked once, when all were there: then both fields are left out of the file.

    `metrics`, `figures` (metric → case → baseline, candidate) and `clusters` (of the cases that are in one) are there
    where more than one outcome a case decided. `anchor` is the comparison with a version that stays the same.
    `abandoned` canaries of the same comparison were begun since the last one and left before they came to a verdict:
    each was an attempt, too.
    """

    candidate: Side
    baseline: Side
    measurement: Measurement
    mode: Literal["live", "replay"]
    baseline_source: Literal["live", "recorded"]
    seed: int
    order: list[CaseId]
    outcomes: dict[CaseId, PairOutcome]
    alpha: float
    delta: float
    attempt: Annotated[int, Field(ge=1, le=10_000)]
    gates: list[str] = []
    verdict: Literal["pass", "regress", "inconclusive", "unmeasurable"]
    p_value: float | None
    difference: float | None
    interval: tuple[float, float] | None
    finished_at: str
    test: Literal["fixed", "sequential"] = "fixed"
    asked: Annotated[int, Field(ge=0)] | None = None
    metrics: list[MetricSetting] = []
    figures: dict[MetricName, dict[CaseId, tuple[float | None, float | None]]] = {}
    clusters: dict[CaseId, str] = {}
    anchor: AnchorEvidence | None = None
    abandoned: Annotated[int, Field(ge=0, le=10_000)] = 0

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The digest of a record from before there was a sequence is what it was."""
        fields: dict[str, Any] = handler(self)
        if self.test == "fixed":
            del fields["test"], fields["asked"]
        for name in ("metrics", "figures", "clusters", "anchor", "abandoned"):
            if not fields[name]:
                del fields[name]
        return fields


class Evidence(Strict):
    """`evidence/vN.json`. Runs and canaries are appended, never rewritten: a manifest names them by digest."""

    format: Literal[1] = 1
    prompt: PromptName
    version: VersionName
    accepted: Accepted | None = None
    runs: list[RunEvidence] = []
    canaries: list[CanaryEvidence] = []
