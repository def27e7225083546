"""What all files have in common: strictness, and how names, ids and digests are written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

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
