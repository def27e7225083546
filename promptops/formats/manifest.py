"""`prompts/manifest.yaml`: what each environment serves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promptops.formats.base import CaseId, Digest, EnvironmentName, Policy, PromptName, Strict, VersionName


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
