"""The files that a user owns, as strict models: unknown keys, wrong types and floats for ints are errors.

One module for each kind of file. Every model is frozen. Readers in `project/` turn pydantic's errors into `Problem`s
with a line.
"""

from promptops.formats.base import CASE_ID_PATTERN, PROMPT_NAME_PATTERN, VERSION_PATTERN, EnvironmentName, Strict
from promptops.formats.calibration import Calibration, Confusion
from promptops.formats.evidence import (
    Accepted,
    AcceptedCase,
    AnchorEvidence,
    CanaryEvidence,
    Evidence,
    Measurement,
    MetricSetting,
    PairOutcome,
    RunEvidence,
    Side,
)
from promptops.formats.manifest import Entry, Environment, Manifest, Served
from promptops.formats.prompt import (
    UNBOUNDED,
    Budgets,
    CanarySettings,
    DriftSettings,
    Fallback,
    FrontMatter,
    Guardrail,
    IdentitySettings,
    MetricName,
    OutputSettings,
    PromptFile,
    Worse,
)
from promptops.formats.recordings import RecordedTurn, RecordingLine
from promptops.formats.released import Closure, ClosureFile

__all__ = [
    "CASE_ID_PATTERN",
    "PROMPT_NAME_PATTERN",
    "UNBOUNDED",
    "VERSION_PATTERN",
    "Accepted",
    "AcceptedCase",
    "AnchorEvidence",
    "Budgets",
    "Calibration",
    "CanaryEvidence",
    "CanarySettings",
    "Closure",
    "ClosureFile",
    "Confusion",
    "DriftSettings",
    "Entry",
    "Environment",
    "EnvironmentName",
    "Evidence",
    "Fallback",
    "FrontMatter",
    "Guardrail",
    "IdentitySettings",
    "Manifest",
    "Measurement",
    "MetricName",
    "MetricSetting",
    "OutputSettings",
    "PairOutcome",
    "PromptFile",
    "RecordedTurn",
    "RecordingLine",
    "RunEvidence",
    "Served",
    "Side",
    "Strict",
    "Worse",
]
