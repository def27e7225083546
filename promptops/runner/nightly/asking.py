"""Asks probes: plain requests that no prompt of the repository knows, through the same client as everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops.core.digest import request_digest
from promptops.core.nightly.sizes import TOP
from promptops.core.redact import Redactor, secrets_of
from promptops.core.wire.endpoints import spec_of
from promptops.core.wire.takes import fields_for, kept
from promptops.models import Json, Message, Pin, PlannedSample, Request, Sample, SampleKey, ServedRules
from promptops.runner.background import EventStream
from promptops.runner.engine import EngineSettings
from promptops.runner.events import SampleDone

if TYPE_CHECKING:
    from promptops.config import Config
    from promptops.runner.session import Session

PROBES = "drift"  # stands where a sample's key has a prompt
_COUNTED = ServedRules(allow=frozenset({"fallback", "model"}))
"""Whoever answers is looked at: another model is a finding here. What a cache answers is not."""

Asked = Callable[[Sequence["Probe"]], list[Sample]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One request of a reading: a text, asked of a pin. `index` tells the calls of one text apart, for seeds too."""

    pin: Pin
    text: str
    index: int
    params: tuple[tuple[str, Json], ...]

    def planned(self) -> PlannedSample:
        """The sample that the engine asks for."""
        request = Request(self.pin, (Message("user", self.text),), dict(self.params))
        key = SampleKey(PROBES, "probe", str(self.pin), self.text, self.index)
        return PlannedSample(key, request, request_digest(request), timed=True, served=_COUNTED)


def probe_params(
    pin: Pin, config: Config, *, tokens: int = 1, temperature: float = 0.0, logprobs: bool = False
) -> Mapping[str, Json] | None:
    """Return the params that ask for `tokens` tokens at a temperature, as far as the endpoint takes them.

    None where log probabilities are wanted and the wire format has none.
    """
    wanted: dict[str, Json] = {"temperature": temperature, "max_tokens": tokens}
    if logprobs:
        wanted |= {"logprobs": True, "top_logprobs": TOP}
    spec = spec_of(pin, config)
    if spec is None:
        return wanted
    field = fields_for(spec, pin.model, wanted).get("max_tokens")
    if field is not None and field.low is not None and tokens < field.low:
        wanted["max_tokens"] = int(field.low)
    taken = kept(spec, pin.model, wanted)
    if logprobs and not {"logprobs", "top_logprobs"} <= set(taken):
        return None
    return taken


def asker(session: Session) -> Asked:
    """Return what asks probes live, each of them, and nothing from any cache. Replies are redacted; nothing is kept."""

    def ask(probes: Sequence[Probe]) -> list[Sample]:
        redactor = Redactor(session.project.config.redact, secrets_of(session.environ))
        return [_redacted(sample, redactor) for sample in _ask(session, [probe.planned() for probe in probes])]

    return ask


def _redacted(sample: Sample, redactor: Redactor) -> Sample:
    if sample.reply is None:
        return sample
    return replace(sample, reply=replace(sample.reply, text=redactor.text(sample.reply.text)))


def _ask(session: Session, planned: Sequence[PlannedSample]) -> list[Sample]:
    settings = EngineSettings(
        mode="live",
        concurrency=_concurrency(session, {sample.request.pin.provider for sample in planned}),
        planned=len(planned),
        open_client=session.ask_fresh,
    )
    found: dict[SampleKey, Sample] = {}
    with EventStream(iter(planned), settings) as events:
        for event in events:
            if isinstance(event, SampleDone):
                found[event.sample.key] = event.sample
    return [found[sample.key] for sample in planned if sample.key in found]


def _concurrency(session: Session, providers: Iterable[str]) -> int:
    chosen = session.choices.concurrency or session.project.config.concurrency
    known = session.project.config.providers
    return chosen or sum(known[n].concurrency if n in known else 1 if n == "local" else 16 for n in providers) or 1
