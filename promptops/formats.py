"""The files that a user owns, as strict models: unknown keys, wrong types and floats for ints are errors.

Every model is frozen. Readers in `project/` turn pydantic's errors into `Problem`s with a line.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from promptops.times import Duration

VERSION_PATTERN = r"^v[1-9]\d*$"
CASE_ID_PATTERN = r"^[A-Za-z0-9][\w.\-]*$"
PROMPT_NAME_PATTERN = r"^[a-z0-9][a-z0-9_\-]*$"

VersionName = Annotated[str, StringConstraints(pattern=VERSION_PATTERN)]
CaseId = Annotated[str, StringConstraints(pattern=CASE_ID_PATTERN, max_length=200)]
PromptName = Annotated[str, StringConstraints(pattern=PROMPT_NAME_PATTERN, max_length=100)]
EnvironmentName = PromptName
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Policy = Literal["run", "no-regression", "shown-not-worse"]


class Strict(BaseModel):
    """The base of every file model."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


# --- prompt.yaml and front matter -----------------------------------------------------------------------------------


class Budgets(Strict):
    """Limits that a suite item checks: US dollars, seconds, a share in [0, 1]."""

    cost_per_request: Annotated[float, Field(gt=0)] | None = None
    p95_latency: Annotated[float, Field(gt=0)] | Duration | None = None  # seconds, or "800ms", "2s"
    validation_failure_rate: Annotated[float, Field(ge=0, le=1)] | None = None  # of final outputs
    first_pass_failure_rate: Annotated[float, Field(ge=0, le=1)] | None = None  # before the model was asked again


MetricName = Literal[
    "pass_rate",
    "score",
    "validation",
    "first_pass",
    "distance",
    "judge",
    "cost",
    "latency",
    "tokens",
    "length",
]
UNBOUNDED = frozenset({"cost", "latency", "tokens", "length"})
"""Metrics of any size: they are compared with the baseline's own figures, and by the typical case."""
Worse = Literal["increase", "decrease"]


class Guardrail(Strict):
    """What a canary watches beside its primary metric.

    `margin` is how much worse still counts as not worse: points as a share (`0.05`) for a metric between 0 and 1; for
    the others `10%` of the baseline's figure, or a number in the metric's own unit (US dollars, seconds, tokens,
    characters). `direction` says which way is worse. One that is not `critical` warns, and decides nothing.
    """

    margin: Annotated[float, Field(gt=0)] | Annotated[str, StringConstraints(pattern=r"^\d{1,4}(\.\d+)?%$")] | None = (
        None
    )
    direction: Worse | Literal["either"] | None = None
    critical: bool = True


class CanarySettings(Strict):
    """`alpha` is the chance of each wrong verdict.

    `delta` is the drop of the primary metric that still counts as not worse, `guardrails` what is watched beside it.
    `must_pass` names cases (or `tag:NAME`) that the candidate may not fail; `warn_only` never stops anything.
    """

    alpha: Annotated[float, Field(ge=1e-6, lt=0.5)] = 0.05
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.05
    primary: Literal["pass_rate", "score", "validation", "distance", "judge"] = "pass_rate"
    guardrails: dict[MetricName, Guardrail] = {}
    must_pass: list[str] = []
    warn_only: bool = False

    @model_validator(mode="after")
    def _margins_have_a_unit(self) -> CanarySettings:
        if self.primary in self.guardrails:
            raise ValueError(f"{self.primary} is the primary metric already: its margin is delta")
        for name, guardrail in self.guardrails.items():
            margin = guardrail.margin
            if name not in UNBOUNDED and not (margin is None or (isinstance(margin, float) and margin < 1)):
                raise ValueError(f"the margin of {name} is in points, between 0 and 1: write 0.05 for 5 points")
            if isinstance(margin, str) and not 0 < float(margin[:-1]) <= 1000:
                raise ValueError(f"the margin of {name} is more than 0% and at most 1000%")
        return self


class DriftSettings(Strict):
    """`samples` requests per case a night; `cases` bounds how many cases are asked (0: all)."""

    samples: Annotated[int, Field(ge=1, le=20)] = 1
    cases: Annotated[int, Field(ge=0)] = 0


class IdentitySettings(Strict):
    """Which replies count as the pin's.

    `allow` accepts what a gateway had in its `cache`, a gateway's `fallback`, another `model`; `runtime` accepts them
    at run time only. `fingerprints`, `regions` and `hosts` (whom a gateway asked) name the only ones that do.
    """

    allow: list[Literal["cache", "fallback", "model"]] = []
    runtime: list[Literal["cache", "fallback", "model"]] = []
    fingerprints: list[str] = []
    regions: list[str] = []
    hosts: list[str] = []


class Fallback(Strict):
    """A value that stands in for an output at run time; `null` is one too."""

    value: Any


class OutputSettings(Strict):
    """`output` at length: what an answer must be (`schema`, as the short form names it), and what becomes of another.

    The model is asked again at most `reask` times with what is wrong; at run time `fallback` then stands in for the
    output. No test uses it.
    """

    contract: Annotated[str, Field(alias="schema")]
    reask: Annotated[int, Field(ge=0, le=5)] = 0
    fallback: Any = None


class PromptFile(Strict):
    """`prompt.yaml`: the contract and the tests of a prompt. Every key is optional.

    `inputs` maps a name to a JSON type name or a JSON Schema; `checks` are parsed by `core.checks`.
    """

    description: str = ""
    owner: str = ""
    task: Literal["extraction", "classification", "writing", "creative"] | None = None
    inputs: dict[str, str | dict[str, Any]] | None = None
    output: str | OutputSettings | None = None
    dataset: str | None = None
    checks: list[Any] | None = None
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    gate: Literal["baseline", "cases"] = "baseline"
    pass_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    budgets: Budgets = Budgets()
    canary: CanarySettings = CanarySettings()
    drift: DriftSettings = DriftSettings()
    identity: IdentitySettings = IdentitySettings()
    redact: list[str] = []

    @property
    def contract(self) -> str | None:
        """What `output` names: `schema.py:Booking`, `schema.json`."""
        return self.output.contract if isinstance(self.output, OutputSettings) else self.output

    @property
    def reask(self) -> int:
        """How often the model is asked again at most for an output that satisfies the contract."""
        return self.output.reask if isinstance(self.output, OutputSettings) else 0

    @property
    def fallback(self) -> Fallback | None:
        """What stands in for an output at run time; None where nothing does."""
        if not isinstance(self.output, OutputSettings) or "fallback" not in self.output.model_fields_set:
            return None
        return Fallback(value=self.output.fallback)


class FrontMatter(Strict):
    """The YAML block on top of a version file. `tools` names a JSON file beside it."""

    model: str
    params: dict[str, Any] = {}
    tools: str | None = None


# --- released/vN.json ------------------------------------------------------------------------------------------------


class Closure(Strict):
    """A version with everything it needs: what is rendered, asked, digested and served.

    `inputs` maps each input to its JSON Schema, `includes` each included template's name to its text,
    `output_schema` is the compiled JSON Schema of the output contract (None: there is none). `reask` and `fallback`
    are those of prompt.yaml, `identity` is which replies count at run time; all three are left out of the file where
    prompt.yaml does not name them.
    """

    format: Literal[1] = 1
    prompt: PromptName
    version: VersionName
    model: str
    params: dict[str, Any] = {}
    tools: list[dict[str, Any]] = []
    inputs: dict[str, dict[str, Any]] = {}
    template: str
    includes: dict[str, str] = {}
    output_schema: dict[str, Any] | None = None
    reask: Annotated[int, Field(ge=0, le=5)] = 0
    fallback: Fallback | None = None
    identity: IdentitySettings | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The digest of a version from before there were these fields is what it was."""
        fields: dict[str, Any] = handler(self)
        for name in ("reask", "fallback", "identity"):
            if not fields.get(name):
                fields.pop(name, None)
        if "identity" in fields:
            fields["identity"] = {name: value for name, value in fields["identity"].items() if value}
        return fields


class ClosureFile(Strict):
    """`released/vN.json`: `digest` is the version digest of `closure`."""

    digest: Digest
    closure: Closure


# --- recordings -------------------------------------------------------------------------------------------------------


class RecordedTurn(Strict):
    """An answer of a recorded sample after which the model was asked again; `asked` is the digest of that request."""

    text: str
    problems: list[str]
    asked: Digest
    finish_reason: str | None = None
    served_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    latency: float
    cost: float | None = None


class RecordingLine(Strict):
    """One sample in `fixtures/<prompt>/recordings/<version>/<pin>.jsonl`.

    `request` is the request digest, `latency` seconds, `cost` US dollars, `recorded_at` ISO 8601 UTC. `cached` stands
    only in the line of a copy, whose reply, latency, cost and time are those of the sample that it copies;
    `cached_tokens`, `cache_write_tokens` and `reasoning_tokens` only where the provider counted them; `batch` only
    where a vendor's batch answered, whose latency nobody measured (it is 0). `earlier` are the answers that broke the
    output contract before this one; the line's tokens, latency and cost have theirs. `digest` is the sha256 of the
    canonical JSON of the other fields, so that an edited line is found.
    """

    case: CaseId
    sample: Annotated[int, Field(ge=0)]
    request: Digest
    text: str
    tool_calls: list[dict[str, Any]] = []
    finish_reason: str | None = None
    served_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    logprobs: list[dict[str, Any]] | None = None
    latency: float
    cost: float | None = None
    recorded_at: str
    cached: Literal[True] | None = None
    batch: Literal[True] | None = None
    earlier: list[RecordedTurn] | None = None
    digest: Digest


# --- evidence/vN.json -------------------------------------------------------------------------------------------------


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


class CanaryEvidence(Strict):
    """One canary. `order` is the random order in which cases were asked, made from `seed`; `attempt` counts from 1.

    `gates` words the hard limits that the candidate broke. `p_value` is of the exact one-sided McNemar test,
    `difference` candidate minus baseline pass rate with its `interval`; all are recomputed by `verify` with
    `core.canary.decide(outcomes, settings, attempt=attempt, gates=gates)`, for a sequence by
    `core.sequence.decide_in_order`.

    `test` says how it decided. `sequential` looked after every case in `order` and had `asked` of them when it ended;
    `fixed` looked once, when all were there: then both fields are left out of the file.

    `metrics`, `figures` (metric → case → baseline, candidate) and `clusters` (of the cases that are in one) are there
    where more than one outcome a case decided. `abandoned` canaries of the same comparison were begun since the last
    one and left before they came to a verdict: each was an attempt, too.
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
    abandoned: Annotated[int, Field(ge=0, le=10_000)] = 0

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The digest of a record from before there was a sequence is what it was."""
        fields: dict[str, Any] = handler(self)
        if self.test == "fixed":
            del fields["test"], fields["asked"]
        for name in ("metrics", "figures", "clusters", "abandoned"):
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


# --- calibration/vN.json ----------------------------------------------------------------------------------------------


class Confusion(Strict):
    """How often people said `people` and the judge `judge` of the same output."""

    people: str
    judge: str
    count: Annotated[int, Field(ge=1)]


class Calibration(Strict):
    """`calibration/vN.json` of a judge: how it agreed with people. Written by `promptops judge calibrate`.

    `judge` is the version digest of what was asked, its pin included, `labels` the digest of the labels that it was
    compared with; `counts` the table of which agreement is recomputed. `flips` of `pairs` outputs were judged otherwise
    when the order was changed. `pass_rate` is the estimate of the true rate, with its interval.
    """

    format: Literal[1] = 1
    prompt: PromptName
    version: VersionName
    judge: Digest
    labels: Digest
    compares: bool
    threshold: Annotated[float, Field(gt=0, le=1)]
    counts: list[Confusion]
    unread: Annotated[int, Field(ge=0)] = 0
    agreement: float
    kappa: float | None
    interval: tuple[float, float] | None
    flips: Annotated[int, Field(ge=0)] = 0
    pairs: Annotated[int, Field(ge=0)] = 0
    pass_rate: float | None = None
    pass_rate_interval: tuple[float, float] | None = None
    calibrated_at: str


# --- manifest.yaml ----------------------------------------------------------------------------------------------------


class Served(Strict):
    """A version that an environment serves or served.

    `evidence` is the digest of the run or canary record that let it in; None for an adoption, a rollback or an
    override, which `reason` then explains.
    """

    version: VersionName
    digest: Digest
    pin: str
    evidence: Digest | None = None
    acknowledged: list[CaseId] = []
    how: Literal["promoted", "adopted", "rolled-back", "override"]
    reason: str = ""
    at: str


class Entry(Served):
    """What an environment serves of one prompt now, and the last ten before it, newest first."""

    previous: Annotated[list[Served], Field(max_length=10)] = []


class Environment(Strict):
    """One environment. `after` names the environment that must serve a version first."""

    require: Policy = "no-regression"
    after: EnvironmentName | None = None
    prompts: dict[PromptName, Entry] = {}


class Manifest(Strict):
    """`prompts/manifest.yaml`."""

    format: Literal[1] = 1
    environments: dict[EnvironmentName, Environment] = {}
