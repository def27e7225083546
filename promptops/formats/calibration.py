"""`calibration/vN.json`: how a judge agreed with people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promptops.formats.base import Digest, PromptName, Strict, VersionName


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
