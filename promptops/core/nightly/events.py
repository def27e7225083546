"""The lines of the watch's log: what people decided, what was measured, what was raised. Appended, never changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from promptops.core.nightly.sizes import SizeName, Tier
from promptops.formats import Strict

Role = Literal["reference", "calibration", "night"]
Lane = Literal["detector", "fast", "identity", "texts"]
NightState = Literal["stable", "watch", "changed", "unmeasurable", "recalibrating"]
Name = Annotated[str, Field(min_length=1, max_length=400)]
Text = Annotated[str, Field(max_length=4_000)]
Count = Annotated[int, Field(ge=0)]


class Tokens(Strict):
    """A `Profile` in a line."""

    tokens: dict[str, float]
    floor: float = 0.0
    calls: Count = 0


class Served(Strict):
    """Who answered, in all words that replies have for it; `prompt_tokens` by probe."""

    models: list[str] = Field(default_factory=list)
    fingerprints: list[str] = Field(default_factory=list)
    hosts: list[str] = Field(default_factory=list)
    route: str = ""
    prompt_tokens: dict[str, list[int]] = Field(default_factory=dict)


class EpochBegun(Strict):
    """A person decided that what the endpoint answers from now on is what it is to be compared with.

    `reference` readings make the reference, `calibration` further ones the history that nights are ranked in, `spacing`
    seconds apart. `seed` is what ties are broken with.
    """

    kind: Literal["epoch"] = "epoch"
    endpoint: Name
    epoch: Annotated[int, Field(ge=1)]
    at: str
    seed: int
    size: SizeName
    prompts: list[Text]
    reference: Annotated[int, Field(ge=1)]
    calibration: Annotated[int, Field(ge=1)]
    spacing: Annotated[int, Field(ge=0)]
    reason: Text = ""


class ProbesChosen(Strict):
    """Which tier the endpoint allows, found at the first reading, and the texts that are asked from then on.

    `drawn`: tier 1a at temperature 1, with the surprise of the tokens that come; otherwise at temperature 0 without it.
    `repeats`: tier 1b asks each text so often, and its number is the deviance; 0: an epoch from before that, which goes
    on with the share of the top token.
    """

    kind: Literal["probes"] = "probes"
    endpoint: Name
    epoch: Count
    at: str
    tier: Tier
    texts: list[Text]
    top: Count = 0
    varying: Count = 0
    drawn: bool = False
    repeats: Count = 0
    cost: float | None = 0.0


class ReadingTaken(Strict):
    """One reading. `values` are the distances from the reference by probe, `blocks` those of its blocks.

    A reference reading has `profiles` instead. `level` of `threshold` is the detector after it.
    """

    kind: Literal["reading"] = "reading"
    endpoint: Name
    epoch: Count
    number: Count
    at: str
    role: Role
    values: dict[str, float] = Field(default_factory=dict)
    blocks: dict[str, list[float]] = Field(default_factory=dict)
    profiles: dict[str, Tokens] = Field(default_factory=dict)
    served: Served = Served()
    notices: list[Text] = Field(default_factory=list)
    requests: Count = 0
    cost: float | None = 0.0
    state: NightState = "recalibrating"
    level: float | None = None
    threshold: float | None = None


class Missed(Strict):
    """A reading that could not be taken: an outage says nothing about the model. `failure` is the kind of the first."""

    kind: Literal["missed"] = "missed"
    endpoint: Name
    epoch: Count
    at: str
    reason: Text
    failure: Annotated[str, Field(max_length=40)] = ""
    requests: Count = 0
    cost: float | None = 0.0


class NightsThinned(Strict):
    """Nights turned out to hang together: from now on only every `every`-th counts (0: none; they never will).

    It stands where the alarm would have stood that they would have raised. `weekly`: they follow the days of the week,
    and `correlation` is that with them.
    """

    kind: Literal["thinned"] = "thinned"
    endpoint: Name
    epoch: Count
    at: str
    correlation: float
    every: Count
    weekly: bool = False


class AlarmRaised(Strict):
    """The endpoint has CHANGED, until a person accepts it. `fast` is a heuristic, `identity` what replies say."""

    kind: Literal["alarm"] = "alarm"
    endpoint: Name
    epoch: Count
    at: str
    lane: Lane
    reason: Text


class TextsTaken(Strict):
    """Tier 2: the texts of a baseline, by prompt; or how likely tonight's are if nothing changed (`p`)."""

    kind: Literal["texts"] = "texts"
    endpoint: Name
    epoch: Count
    at: str
    texts: dict[str, list[Text]] = Field(default_factory=dict)
    p: Annotated[float, Field(ge=0, le=1)] | None = None
    requests: Count = 0
    cost: float | None = 0.0


class AlarmTelling(Strict):
    """A run begins to tell of the alarm of an epoch, so that no other does; `failed`: it could not be delivered.

    One that neither failed nor was told was cut off in between, and nobody here knows whether it arrived.
    """

    kind: Literal["telling"] = "telling"
    endpoint: Name
    epoch: Count
    at: str
    to: Name
    failed: bool = False


class AlarmTold(Strict):
    """The alarm of an epoch was delivered to a webhook or as an issue: it is not told again."""

    kind: Literal["told"] = "told"
    endpoint: Name
    epoch: Count
    at: str
    to: Name


AnyEvent = (
    EpochBegun
    | ProbesChosen
    | ReadingTaken
    | Missed
    | NightsThinned
    | AlarmRaised
    | TextsTaken
    | AlarmTelling
    | AlarmTold
)
EVENTS: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Field(discriminator="kind")])
