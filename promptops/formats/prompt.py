"""What a prompt's owner writes: `prompt.yaml` and the front matter of a version."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from promptops.formats.base import Strict, VersionName
from promptops.times import Duration


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
    `must_pass` names cases (or `tag:NAME`) that the candidate may not fail; `warn_only` never stops anything. `anchor`
    is a version that every candidate is compared with, too, so that many small drops are seen.
    """

    alpha: Annotated[float, Field(ge=1e-6, lt=0.5)] = 0.05
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.05
    primary: Literal["pass_rate", "score", "validation", "distance", "judge"] = "pass_rate"
    guardrails: dict[MetricName, Guardrail] = {}
    must_pass: list[str] = []
    warn_only: bool = False
    anchor: VersionName | None = None

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
